//! Ids of events that the server makes or fills in. Must not know what they are for.

use std::time::SystemTime;

use durable_sessions_schema::{EventId, SessionId};

/// An id that no other event has.
#[expect(clippy::expect_used, reason = "32 hexadecimal digits are an id")]
pub(crate) fn fresh_event_id() -> EventId {
    digits().parse().expect("hexadecimal digits are an event id")
}

/// An id that no other session has.
#[expect(clippy::expect_used, reason = "32 hexadecimal digits are an id")]
pub(crate) fn fresh_session_id() -> SessionId {
    digits().parse().expect("hexadecimal digits are a session id")
}

fn digits() -> String {
    let number = match (getrandom::u64(), getrandom::u64()) {
        (Ok(high), Ok(low)) => u128::from(high) << 64 | u128::from(low),
        // Without a source of chance the time is what does not repeat.
        _ => SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()),
    };
    format!("{number:032x}")
}
