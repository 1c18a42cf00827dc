//! What JavaScript holds: one connection. Must not know how the machine is run.

use durable_sessions_client_core::{Failure, Input, Subscription, TimerKind};
use gloo_net::http::Response;
use js_sys::Uint8Array;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use super::answer;
use super::hooks::ConnectionHooks;
use super::link::Link;
use super::options::config;

/// One subscription to one stream: decides when to open, to read on, to reconnect and to give up.
#[wasm_bindgen]
pub struct Connection {
    link: Link,
}

#[wasm_bindgen]
impl Connection {
    /// A connection that does nothing until [`start`](Self::start). Without `cursor` reading begins at the start of
    /// the stream; `numbers` are the other options.
    ///
    /// # Errors
    /// The cursor is none, or the numbers are too few.
    #[wasm_bindgen(constructor)]
    pub fn new(
        cursor: Option<String>,
        numbers: &[f64],
        hooks: ConnectionHooks,
    ) -> Result<Connection, JsError> {
        let malformed = || JsError::new("malformed cursor or options");
        let cursor = match cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| malformed())?),
            None => None,
        };
        let (config, seed) = config(numbers, cursor).ok_or_else(malformed)?;
        Ok(Self { link: Link::new(hooks, Subscription::new(config, seed)) })
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

    /// The request was answered.
    pub fn answered(&self, response: web_sys::Response) {
        self.link.input(Input::Response(answer::head(&Response::from(response))));
    }

    /// A piece of the body has come.
    pub fn receive(&self, piece: &Uint8Array) {
        self.link.receive(piece);
    }

    /// The body has ended.
    pub fn ended(&self) {
        self.link.input(Input::BodyEnded);
    }

    /// The request has failed, or before it the provider of the token; in a few words.
    pub fn failed(&self, is_token: bool, words: &str) {
        self.link.input(Input::Failed(if is_token {
            Failure::token(words)
        } else {
            Failure::network(words)
        }));
    }

    /// A timer has run down.
    pub fn timer(&self, is_silence: bool) {
        self.link.input(Input::Timer(if is_silence { TimerKind::Silence } else { TimerKind::Retry }));
    }

    /// Ends the subscription. Final.
    pub fn close(&self) {
        self.link.input(Input::Unsubscribe);
    }
}
