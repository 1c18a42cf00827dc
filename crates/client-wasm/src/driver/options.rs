//! The small objects that cross between JavaScript and the driver, in `pkg/src/wasm/durable_sessions.d.ts` too.
//! Never on the path of an event.

use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::prelude::wasm_bindgen;

// Read through getters rather than deserialised: serde's error for a wrong type alone links the formatting of floats,
// a quarter of the whole module. The facade is the only caller and always passes all of it.
#[wasm_bindgen]
extern "C" {
    /// What a connection is made from.
    #[wasm_bindgen(typescript_type = "ConnectionOptions")]
    pub type ConnectionOptions;

    /// The stream's URL without a query.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn url(this: &ConnectionOptions) -> String;
    /// How to reconnect.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn reconnect(this: &ConnectionOptions) -> ReconnectOptions;
    /// Silence that counts as a failure, in milliseconds; 0 for none.
    #[wasm_bindgen(method, structural, getter, js_name = silenceMs)]
    pub(super) fn silence_ms(this: &ConnectionOptions) -> f64;
    /// Largest SSE frame.
    #[wasm_bindgen(method, structural, getter, js_name = frameBytesMax)]
    pub(super) fn frame_bytes_max(this: &ConnectionOptions) -> f64;
    /// Seeds the jitter.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn seed(this: &ConnectionOptions) -> f64;
    /// Where to begin; the start of the stream if absent.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn cursor(this: &ConnectionOptions) -> Option<String>;
    /// Count of messages before `cursor`.
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn offset(this: &ConnectionOptions) -> Option<f64>;

    /// `ReconnectConfig` of the session contract, complete.
    #[wasm_bindgen(typescript_type = "ConnectionOptions['reconnect']")]
    pub type ReconnectOptions;

    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn enabled(this: &ReconnectOptions) -> bool;
    #[wasm_bindgen(method, structural, getter, js_name = initialDelay)]
    pub(super) fn initial_delay(this: &ReconnectOptions) -> f64;
    #[wasm_bindgen(method, structural, getter, js_name = maxDelay)]
    pub(super) fn max_delay(this: &ReconnectOptions) -> f64;
    #[wasm_bindgen(method, structural, getter, js_name = backoffMultiplier)]
    pub(super) fn backoff_multiplier(this: &ReconnectOptions) -> f64;
    #[wasm_bindgen(method, structural, getter, js_name = maxAttempts)]
    pub(super) fn max_attempts(this: &ReconnectOptions) -> f64;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn jitter(this: &ReconnectOptions) -> bool;
}

/// What the driver tells besides batches.
#[derive(Debug, Serialize, Tsify)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The state changed.
    State {
        /// The state's word in the contract.
        state: &'static str,
    },
    /// An attempt is scheduled.
    Retry {
        /// Which, from 1.
        attempt: u32,
        /// In how many milliseconds.
        delay_ms: f64,
        /// What failed.
        cause: String,
    },
    /// A request leaves.
    Opening {
        /// Which attempt; 0 for the first connection and for rotation.
        attempt: u32,
    },
    /// Something for `onError`.
    Error {
        /// Stable code.
        code: &'static str,
        /// For a person.
        message: String,
        /// HTTP status, where one is the cause.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// Given up; an `Error` came just before.
    Lost {
        /// Failed attempts.
        attempts: u32,
        /// The last cause.
        cause: String,
    },
    /// Connected again.
    Reconnected,
    /// Interrupted.
    Disconnected,
    /// The stream has ended.
    Closed,
}
