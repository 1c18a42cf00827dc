//! What JavaScript holds: one connection. Must not know how the loop works.

use std::rc::Rc;

use durable_sessions_client_core::{From as StartAt, Input, ReconnectConfig, Subscription, SubscriptionConfig};
use tsify::Ts;
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
    /// The options are not what `ConnectionOptions` says.
    #[wasm_bindgen(constructor)]
    pub fn new(options: Ts<ConnectionOptions>, hooks: ConnectionHooks) -> Result<Connection, JsError> {
        let options = options.to_rust()?;
        let seed = options.seed as u64;
        let url = options.url.clone();
        let subscription = Subscription::new(config(options)?, seed);
        Ok(Self { link: Link::new(hooks, url, subscription) })
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

fn config(options: ConnectionOptions) -> Result<SubscriptionConfig, JsError> {
    // Casts from JavaScript's numbers saturate and turn NaN into 0, which is what such options mean.
    let reconnect = ReconnectConfig {
        enabled: options.reconnect.enabled,
        initial_delay_ms: options.reconnect.initial_delay as u32,
        max_delay_ms: options.reconnect.max_delay as u32,
        backoff_multiplier: options.reconnect.backoff_multiplier,
        max_attempts: options.reconnect.max_attempts as u32,
        jitter: options.reconnect.jitter,
    };
    let from = match options.cursor {
        None => StartAt::Start,
        Some(cursor) => StartAt::After { cursor: cursor.parse()?, count: options.offset.map(|count| count as u64) },
    };
    let silence_ms = options.silence_ms as u64;
    Ok(SubscriptionConfig {
        reconnect,
        silence_ms: if silence_ms == 0 { SILENCE_MS_NEVER } else { silence_ms },
        frame_bytes_max: options.frame_bytes_max as usize,
        from,
    })
}
