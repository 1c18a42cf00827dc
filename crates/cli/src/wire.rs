//! Puts payloads into their envelope: what is appended. Must not know servers.

use std::time::{SystemTime, UNIX_EPOCH};

use durable_sessions_client::schema::{Event, EventId, Payload};

/// The JSON text of an event.
pub(crate) fn event(id: EventId, timestamp_ms: u64, payload: Payload) -> Vec<u8> {
    Event::new(id, timestamp_ms, payload).to_json().into_bytes()
}

/// Now, in Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
