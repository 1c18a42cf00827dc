//! What JavaScript holds: one connection. Must not know how the loop works.

use std::rc::Rc;

use durable_sessions_client_core::{From as StartAt, Input, ReconnectConfig, Subscription, SubscriptionConfig};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use super::hooks::ConnectionHooks;
use super::link::Link;
use super::options::ConnectionOptions;

/// One subscription to one stream: opens, reads, reconnects and resumes by itself.
#[wasm_bindgen]
pub struct Connection {
    link: Rc<Link>,
}

#[wasm_bindgen]
impl Connection {
    /// A connection that does nothing until [`start`](Self::start).
    ///
    /// # Errors
    /// The cursor is none.
    #[wasm_bindgen(constructor)]
    #[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen hands objects over by value")]
    pub fn new(options: ConnectionOptions, hooks: ConnectionHooks) -> Result<Connection, JsError> {
        let subscription = Subscription::new(config(&options)?, options.seed() as u64);
        Ok(Self { link: Link::new(hooks, options.url(), subscription) })
    }

    /// Opens the first request.
    pub fn start(&self) {
        self.link.input(Input::Subscribe);
    }

    /// Starts anew from the cursor with a fresh count of attempts.
    pub fn reconnect(&self) {
        self.link.input(Input::Reconnect);
    }

    /// Tells what the environment believes about the network.
    pub fn online(&self, online: bool) {
        self.link.input(if online { Input::Online } else { Input::Offline });
    }

    /// Aborts the request and clears the timers. Final.
    pub fn close(&self) {
        self.link.input(Input::Unsubscribe);
        self.link.drop_request();
    }
}

/// Nothing heard for so long never happens in practice; the core has no word for "never".
const SILENCE_MS_NEVER: u64 = u64::MAX >> 1;

fn config(options: &ConnectionOptions) -> Result<SubscriptionConfig, JsError> {
    let reconnect = options.reconnect();
    // Casts from JavaScript's numbers saturate and turn NaN into 0, which is what such options mean.
    let reconnect = ReconnectConfig {
        enabled: reconnect.enabled(),
        initial_delay_ms: reconnect.initial_delay() as u32,
        max_delay_ms: reconnect.max_delay() as u32,
        backoff_multiplier: reconnect.backoff_multiplier(),
        max_attempts: reconnect.max_attempts() as u32,
        jitter: reconnect.jitter(),
    };
    let from = match options.cursor() {
        None => StartAt::Start,
        Some(cursor) => {
            let cursor = cursor.parse().map_err(|_| JsError::new("the cursor is none"))?;
            StartAt::After { cursor, count: options.offset().map(|count| count as u64) }
        }
    };
    let silence_ms = options.silence_ms() as u64;
    Ok(SubscriptionConfig {
        reconnect,
        silence_ms: if silence_ms == 0 { SILENCE_MS_NEVER } else { silence_ms },
        frame_bytes_max: options.frame_bytes_max() as usize,
        from,
    })
}
