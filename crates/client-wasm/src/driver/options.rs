//! The small objects that cross between JavaScript and the driver, in `pkg/src/wasm/durable_sessions.d.ts` too.
//! Never on the path of an event.

use serde::{Deserialize, Serialize};
use tsify::Tsify;

/// What a connection is made from.
#[derive(Debug, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionOptions {
    /// The stream's URL without a query.
    pub url: String,
    /// How to reconnect.
    pub reconnect: ReconnectOptions,
    /// Silence that counts as a failure, in milliseconds; 0 for none.
    pub silence_ms: f64,
    /// Largest SSE frame.
    pub frame_bytes_max: f64,
    /// Seeds the jitter.
    pub seed: f64,
    /// Where to begin; the start of the stream if absent.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Count of messages before `cursor`.
    #[serde(default)]
    pub offset: Option<f64>,
}

/// `ReconnectConfig` of the session contract, complete.
#[derive(Debug, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct ReconnectOptions {
    /// Reconnect at all.
    pub enabled: bool,
    /// In milliseconds.
    pub initial_delay: f64,
    /// In milliseconds.
    pub max_delay: f64,
    /// Factor from one delay to the next.
    pub backoff_multiplier: f64,
    /// Consecutive failures before giving up.
    pub max_attempts: f64,
    /// Full jitter.
    pub jitter: bool,
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
