//! The driver in a browser: `wasm-pack test --headless --chrome` (or `--firefox`).
#![cfg(target_arch = "wasm32")]

mod driver;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
