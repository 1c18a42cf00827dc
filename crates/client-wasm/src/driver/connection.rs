//! What JavaScript holds: one connection. Must not know how the machine is run.

use durable_sessions_client_core::{
    Failure, From, Input, ReconnectConfig, Subscription, SubscriptionConfig, TimerKind,
};
use gloo_net::http::Response;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;

use super::answer;
use super::hooks::ConnectionHooks;
use super::link::Link;

/// Nothing heard for so long never happens in practice; the core has no word for "never".
const SILENCE_MS_NEVER: u64 = u64::MAX >> 1;

/// One subscription to one stream: decides when to open, to read on, to reconnect and to give up.
#[wasm_bindgen]
pub struct Connection {
    link: Link,
}

#[wasm_bindgen]
impl Connection {
    /// A connection that does nothing until it is told to start by [`signal`](Self::signal). With an empty `cursor` reading begins at the start
    /// of the stream. The other options are plain numbers: serde's error for a wrong type alone links the formatting
    /// of floats, a fifth of the whole module, and an object read field by field costs an import for each.
    ///
    /// `silence_ms` of 0 means never; `offset` is how many messages stand before the cursor.
    ///
    /// `None` if the cursor is malformed: an error that is thrown costs more glue.
    #[expect(clippy::too_many_arguments, reason = "what crosses is cheapest as numbers")]
    pub fn open(
        cursor: &str,
        offset: f64,
        enabled: bool,
        initial_delay_ms: f64,
        max_delay_ms: f64,
        backoff_multiplier: f64,
        max_attempts: f64,
        jitter: bool,
        silence_ms: f64,
        frame_bytes_max: f64,
        seed: f64,
        hooks: ConnectionHooks,
    ) -> Option<Connection> {
        let from = if cursor.is_empty() {
            From::Start
        } else {
            let cursor = cursor.parse().ok()?;
            From::After { cursor, count: Some(offset as u64) }
        };
        // Casts from JavaScript's numbers saturate and turn NaN into 0, which is what such options mean.
        let silence_ms = silence_ms as u64;
        let config = SubscriptionConfig {
            reconnect: ReconnectConfig {
                enabled,
                initial_delay_ms: initial_delay_ms as u32,
                max_delay_ms: max_delay_ms as u32,
                backoff_multiplier,
                max_attempts: max_attempts as u32,
                jitter,
            },
            silence_ms: if silence_ms == 0 { SILENCE_MS_NEVER } else { silence_ms },
            frame_bytes_max: frame_bytes_max as usize,
            from,
        };
        Some(Self { link: Link::new(hooks, Subscription::new(config, seed as u64)) })
    }

    /// Something happened that needs no more words: the numbers are those of the signals in `pkg/src/driver.ts`. One export for all,
    /// since each costs glue.
    pub fn signal(&self, what: u8) {
        self.link.input(match what {
            0 => Input::Subscribe,
            1 => Input::Reconnect,
            2 => Input::Online,
            3 => Input::Offline,
            4 => Input::BodyEnded,
            5 => Input::Timer(TimerKind::Retry),
            6 => Input::Timer(TimerKind::Silence),
            7 => Input::Woke,
            8 => Input::Pause,
            _ => Input::Unsubscribe,
        });
    }

    /// The request was answered.
    pub fn answered(&self, response: web_sys::Response) {
        self.link.input(Input::Response(answer::head(&Response::from(response))));
    }

    /// A piece of the body has come.
    pub fn receive(&self, piece: &Uint8Array) {
        self.link.receive(piece);
    }

    /// The request has failed, or before it the provider of the token; in a few words.
    pub fn failed(&self, is_token: bool, words: &str) {
        self.link.input(Input::Failed(if is_token {
            Failure::token(words)
        } else {
            Failure::network(words)
        }));
    }
}
