//! Where things are in this checkout. Knows directories, not what is done in them.

use std::env;
use std::path::{Path, PathBuf};

use crate::failure::StepError;

/// Overrides where downloaded and built tools are kept.
pub(crate) const TOOLS_DIR_VARIABLE: &str = "DURABLE_SESSIONS_TOOLS_DIR";

/// The checkout that `cargo xtask` was called in.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    root: PathBuf,
    tools: PathBuf,
}

impl Checkout {
    /// Finds the checkout from what cargo says, or from the current directory upwards.
    pub(crate) fn find() -> Result<Self, StepError> {
        let here = env::current_dir().map_err(|source| StepError::file("read", ".", source))?;
        // Not `env!`: a copied target directory would then point at the checkout it was built in.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = manifest
            .iter()
            .chain([&here])
            .flat_map(|start| start.ancestors())
            .find(|dir| dir.join("crates/xtask/Cargo.toml").is_file())
            .ok_or_else(|| {
                StepError::unmet(
                    "this is not inside a checkout of durable-sessions",
                    "cd into the repository",
                )
            })?
            .to_path_buf();
        let tools = env::var_os(TOOLS_DIR_VARIABLE)
            .filter(|value| !value.is_empty())
            .map_or_else(|| root.join("target/tools"), |value| here.join(value));
        Ok(Self { root, tools })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The one target directory all verbs share, so that no dependency is compiled twice.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }

    pub(crate) fn tools_bin(&self) -> PathBuf {
        self.tools.join("bin")
    }

    pub(crate) fn stamps(&self) -> PathBuf {
        self.target().join("xtask/stamps")
    }

    pub(crate) fn pkg(&self) -> PathBuf {
        self.root.join("pkg")
    }

    pub(crate) fn web_demo(&self) -> PathBuf {
        self.root.join("web-demo")
    }

    pub(crate) fn browser_tests(&self) -> PathBuf {
        self.root.join("tests/browser")
    }

    pub(crate) fn conformance_tests(&self) -> PathBuf {
        self.root.join("tests/conformance")
    }

    pub(crate) fn packaging_tests(&self) -> PathBuf {
        self.root.join("tests/packaging")
    }

    pub(crate) fn client_wasm(&self) -> PathBuf {
        self.root.join("crates/client-wasm")
    }

    /// The release binary that the demo and the end-to-end tests run.
    pub(crate) fn server_binary(&self) -> PathBuf {
        self.target().join("release/durable-sessions")
    }

    pub(crate) fn agent_binary(&self) -> PathBuf {
        self.target().join("release/examples/agent")
    }

    /// `path` as a person would write it from the root of the checkout.
    pub(crate) fn display(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }
}
