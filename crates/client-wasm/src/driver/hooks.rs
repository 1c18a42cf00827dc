//! What the driver calls in JavaScript. Every call may throw; none may be made while anything is borrowed.

use js_sys::{Function, Object, Promise};
use tsify::Ts;
use wasm_bindgen::prelude::*;

use super::options::Notice;

#[wasm_bindgen]
extern "C" {
    /// The facade's side of a connection.
    #[wasm_bindgen(typescript_type = "ConnectionHooks")]
    pub type ConnectionHooks;

    /// Headers of the next request.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn headers(this: &ConnectionHooks, refresh: bool) -> Result<Promise, JsValue>;

    /// The application's own fetch.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn fetch(this: &ConnectionHooks) -> Option<Function>;

    /// One network chunk's items, as addresses in wasm memory.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn batch(
        this: &ConnectionHooks,
        text_ptr: usize,
        text_len: usize,
        words_ptr: usize,
        words_len: usize,
        network_bytes: usize,
    ) -> Result<(), JsValue>;

    /// Anything else.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn notice(this: &ConnectionHooks, notice: Ts<Notice>) -> Result<(), JsValue>;

    /// The second argument of the application's fetch.
    pub(super) type FetchInit;

    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_method(this: &FetchInit, method: &str);
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_headers(this: &FetchInit, headers: &Object);
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_signal(this: &FetchInit, signal: &web_sys::AbortSignal);
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_cache(this: &FetchInit, cache: &str);

    #[wasm_bindgen(catch, js_name = fetch)]
    pub(super) fn global_fetch(request: &web_sys::Request) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(super) fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(handler: &Function, delay_ms: f64, kind: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(id: &JsValue);
}
