//! Puts what JavaScript threw into words. Must not know what follows from a failure.

use durable_sessions_client_core::Failure;
use wasm_bindgen::{JsCast, JsValue};

/// A failure of the network, in the words of what was thrown.
pub(super) fn network(thrown: &JsValue) -> Failure {
    Failure::network(&words(thrown))
}

/// A failure of the token provider.
pub(super) fn token(thrown: &JsValue) -> Failure {
    Failure::token(&words(thrown))
}

fn words(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => thrown.as_string().unwrap_or_else(|| String::from("no reason given")),
    }
}
