//! The driver in a browser: `wasm-pack test --headless --chrome` (or `--firefox`).
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod driver;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
