//! The small objects that cross between JavaScript and the driver, in `pkg/src/wasm/durable_sessions.d.ts` too.
//! Never on the path of an event.

use durable_sessions_client_core::{From as StartAt, ReconnectConfig, SubscriptionConfig};
use durable_sessions_protocol::OffsetToken;
use serde::Serialize;
use tsify::Tsify;

/// How many numbers [`config`] reads.
const NUMBERS: usize = 10;
/// Nothing heard for so long never happens in practice; the core has no word for "never".
const SILENCE_MS_NEVER: u64 = u64::MAX >> 1;

/// The numbers among a connection's options, in this order: enabled, initialDelay, maxDelay, backoffMultiplier,
/// maxAttempts, jitter, silenceMs (0 for never), frameBytesMax, seed, offset of the cursor.
///
/// Plain numbers rather than a deserialised object: serde's error for a wrong type alone links the formatting of
/// floats, a fifth of the whole module, and an object read field by field costs an import for each.
pub(super) type Numbers = [f64];

/// The core's configuration and the seed; none if there are too few numbers.
pub(super) fn config(numbers: &Numbers, cursor: Option<OffsetToken>) -> Option<(SubscriptionConfig, u64)> {
    let [enabled, initial, max, multiplier, attempts, jitter, silence, frame, seed, offset] =
        *<&[f64; NUMBERS]>::try_from(numbers).ok()?;
    // Casts from JavaScript's numbers saturate and turn NaN into 0, which is what such options mean.
    let reconnect = ReconnectConfig {
        enabled: enabled != 0.0,
        initial_delay_ms: initial as u32,
        max_delay_ms: max as u32,
        backoff_multiplier: multiplier,
        max_attempts: attempts as u32,
        jitter: jitter != 0.0,
    };
    let silence_ms = silence as u64;
    let config = SubscriptionConfig {
        reconnect,
        silence_ms: if silence_ms == 0 { SILENCE_MS_NEVER } else { silence_ms },
        frame_bytes_max: frame as usize,
        from: match cursor {
            None => StartAt::Start,
            Some(cursor) => StartAt::After { cursor, count: Some(offset as u64) },
        },
    };
    Some((config, seed as u64))
}

/// What the driver tells besides batches. One flat tuple for all kinds, put into words by the facade: a tagged enum
/// with sentences made here would cost more code than the state machine.
#[derive(Debug, Default, Serialize, Tsify)]
pub struct Notice(
    /// To be done: `open`, `abort`, `timer`. To be told: `state`, `retry`, `error`, `lost`, `reconnected`,
    /// `disconnected`, `closed`.
    pub &'static str,
    /// The state's word, the stable code of an error, or which timer: `retry` or `silence`.
    pub &'static str,
    /// The stable code of what failed, if something did.
    pub &'static str,
    /// Consecutive attempts.
    pub u32,
    /// `open`: 1 if the last token was refused. `timer`: in how many milliseconds, or -1 to cancel it. `retry`: the
    /// delay in milliseconds. `error`: messages known to be missing, or -1.
    pub f64,
    /// The HTTP status that caused it, or 0.
    pub u16,
    /// `open`: the query. Otherwise what the network, the token provider or the server said.
    pub String,
);
