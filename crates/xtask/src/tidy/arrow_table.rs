//! The house in one table: which crate may use which, and what it must not know. CONTRIBUTING.md shows
//! the same as a picture; change both together.

/// What one crate may use and must not know.
pub(super) struct Room {
    /// Name of the package.
    pub(super) package: &'static str,
    /// Crates of this workspace it may depend on (tests may use more).
    pub(super) may_use: &'static [&'static str],
    /// Packages that must not be among its dependencies, at any depth.
    pub(super) never: &'static [&'static str],
    /// Packages that it must not depend on itself; what it uses may.
    pub(super) never_directly: &'static [&'static str],
    /// Words that must not be in its source outside comments and tests.
    pub(super) never_says: &'static [&'static str],
    /// The target whose dependencies are looked at, if it is not this machine.
    pub(super) target: Option<&'static str>,
}

const SCHEMA: &str = "durable-sessions-schema";
const PROTOCOL: &str = "durable-sessions-protocol";
const CLIENT_CORE: &str = "durable-sessions-client-core";
const CLIENT: &str = "durable-sessions-client";
const CLIENT_WASM: &str = "durable-sessions-client-wasm";
const STORAGE: &str = "durable-sessions-storage";
const SERVER: &str = "durable-sessions-server";

/// Every package of the workspace is named here: a new one must be given its place.
pub(super) const HOUSE: &[Room] = &[
    Room {
        package: SCHEMA,
        may_use: &[],
        never: &["http", "hyper", "axum", "tower", "reqwest", "tokio", "fjall", "rand", "web-sys"],
        never_directly: &[],
        never_says: &["std::net", "std::fs", "std::time"],
        target: None,
    },
    Room {
        package: PROTOCOL,
        may_use: &[],
        never: &[
            "hyper",
            "axum",
            "tower",
            "reqwest",
            "tokio",
            "fjall",
            "rand",
            "getrandom",
            "web-sys",
            "js-sys",
        ],
        never_directly: &[],
        never_says: &["std::net", "std::fs", "std::time", "Instant", "SystemTime"],
        target: None,
    },
    Room {
        package: CLIENT_CORE,
        may_use: &[SCHEMA, PROTOCOL],
        never: &[
            "tokio",
            "web-sys",
            "js-sys",
            "wasm-bindgen",
            "rand",
            "getrandom",
            "fastrand",
            "reqwest",
            "hyper",
            "http",
        ],
        never_directly: &[],
        never_says: &["std::net", "std::fs", "std::time", "std::thread", "Instant", "SystemTime"],
        target: None,
    },
    Room {
        package: CLIENT,
        may_use: &[CLIENT_CORE, SCHEMA, PROTOCOL],
        never: &["web-sys", "js-sys", "wasm-bindgen", "gloo-net", "axum", "fjall"],
        never_directly: &[],
        never_says: &[],
        target: None,
    },
    Room {
        package: CLIENT_WASM,
        may_use: &[CLIENT_CORE, SCHEMA, PROTOCOL],
        never: &["tokio", "reqwest", "hyper", "axum", "fjall", "rand"],
        never_directly: &[],
        never_says: &["std::net", "std::fs", "std::thread", "Instant", "SystemTime"],
        target: Some("wasm32-unknown-unknown"),
    },
    Room {
        package: STORAGE,
        may_use: &[PROTOCOL],
        never: &["http", "hyper", "axum", "tower", "reqwest"],
        never_directly: &["serde_json"],
        never_says: &[],
        target: None,
    },
    Room {
        package: SERVER,
        may_use: &[SCHEMA, PROTOCOL, STORAGE],
        never: &[],
        never_directly: &["fjall", "reqwest"],
        never_says: &[],
        target: None,
    },
    Room {
        package: "durable-sessions",
        may_use: &[SERVER, CLIENT],
        never: &["web-sys", "js-sys"],
        never_directly: &["fjall", "axum", "hyper"],
        never_says: &[],
        target: None,
    },
    Room {
        package: "durable-sessions-tests",
        // They test what is released: binaries and packages, from outside, and may share any of our words.
        may_use: &[SCHEMA, PROTOCOL, CLIENT, STORAGE, SERVER],
        never: &[],
        never_directly: &["fjall"],
        never_says: &[],
        target: None,
    },
    Room {
        package: "xtask",
        may_use: &[],
        never: &["tokio", "reqwest", "hyper"],
        never_directly: &[],
        never_says: &[],
        target: None,
    },
];
