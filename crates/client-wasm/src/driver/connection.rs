//! What JavaScript holds: one connection. Must not know how the loop works.

use std::rc::Rc;

use durable_sessions_client_core::{Input, Subscription};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use super::hooks::ConnectionHooks;
use super::link::Link;
use super::options::config;
use super::wakeups::Wakeup;

/// One subscription to one stream: opens, reads, reconnects and resumes by itself.
#[wasm_bindgen]
pub struct Connection {
    link: Rc<Link>,
}

#[wasm_bindgen]
impl Connection {
    /// A connection that does nothing until [`start`](Self::start). `url` has no query; without `cursor` reading
    /// begins at the start of the stream; `numbers` are the other options.
    ///
    /// # Errors
    /// The cursor is none, or the numbers are too few.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: String,
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
        Ok(Self { link: Link::new(hooks, url, Subscription::new(config, seed)) })
    }

    /// Opens the first request.
    pub fn start(&self) {
        self.link.input(Input::Subscribe);
    }

    /// Starts anew from the cursor with a fresh count of attempts.
    pub fn reconnect(&self) {
        self.link.input(Input::Reconnect);
    }

    /// A timer has run down or a promise has settled; called by `hooks.wake` only.
    pub fn woken(&self, code: u32, turn: u32, value: JsValue) {
        Rc::clone(&self.link).woken(Wakeup::of(code), turn, value);
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
