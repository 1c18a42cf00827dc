//! What the driver calls in JavaScript. Calls may throw; none may be made while anything is borrowed.

use tsify::Ts;
use wasm_bindgen::prelude::*;

use super::notice::Notice;

#[wasm_bindgen]
extern "C" {
    /// The facade's side of a connection.
    #[wasm_bindgen(typescript_type = "ConnectionHooks")]
    pub type ConnectionHooks;

    /// The items of one piece of a body: the address of [`parts`](super::link), and how many bytes came.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn batch(this: &ConnectionHooks, parts: usize, network_bytes: usize) -> Result<(), JsValue>;

    /// Anything else.
    #[wasm_bindgen(method, structural, catch)]
    pub(super) fn notice(this: &ConnectionHooks, notice: Ts<Notice>) -> Result<(), JsValue>;

    /// Unix milliseconds, by the application's clock: sleep counts.
    #[wasm_bindgen(method, structural)]
    pub(super) fn now(this: &ConnectionHooks) -> f64;
}
