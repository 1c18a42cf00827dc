//! The driver in Node: `wasm-pack test --node`.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod driver;
