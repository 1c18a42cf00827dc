//! What the driver calls in JavaScript. Every call may throw; none may be made while anything is borrowed.

use js_sys::{Function, Promise};
use tsify::Ts;
use wasm_bindgen::JsCast;
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

    /// Sends the request: the application's own fetch, or the global one.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn fetch(
        this: &ConnectionHooks,
        url: &str,
        headers: &JsValue,
        signal: &web_sys::AbortSignal,
    ) -> Result<Promise, JsValue>;

    /// One network chunk's items: the address of `parts`, see [`Machine`](super::link), and how many bytes came.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn batch(this: &ConnectionHooks, parts: usize, network_bytes: usize) -> Result<(), JsValue>;

    /// `(code, turn, value) => connection.woken(code, turn, value)`, as long as there is a connection.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn wake(this: &ConnectionHooks) -> Function;

    /// Anything else.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn notice(this: &ConnectionHooks, notice: Ts<Notice>) -> Result<(), JsValue>;

    /// What a reader's `read()` yields.
    pub(super) type ReadStep;

    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn value(this: &ReadStep) -> JsValue;

    type Bindable;

    #[wasm_bindgen(method, structural, js_name = bind)]
    fn bind_call(this: &Bindable, receiver: &JsValue, code: u32, turn: u32) -> Function;

    type Thenable;

    #[wasm_bindgen(method, structural, js_name = then)]
    fn then_call(this: &Thenable, resolved: &Function, rejected: &Function);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(super) fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(handler: &Function, delay_ms: f64, code: u32, turn: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(id: &JsValue);
}

/// `promise.then(resolved, rejected)`. Unlike js-sys's, it takes functions that are kept and used again.
pub(super) fn then(promise: &Promise, resolved: &Function, rejected: &Function) {
    promise.unchecked_ref::<Thenable>().then_call(resolved, rejected);
}

/// `function.bind(undefined, code, turn)`.
pub(super) fn bind(function: &Function, code: u32, turn: u32) -> Function {
    function.unchecked_ref::<Bindable>().bind_call(&JsValue::UNDEFINED, code, turn)
}
