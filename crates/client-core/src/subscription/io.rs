//! What goes into a subscription and what comes out of it, apart from the bytes of the stream.

use durable_sessions_protocol::OffsetToken;

use super::SubscriptionError;
use crate::{Cause, Failure};

/// The connection as applications see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not subscribed, or reconnecting is switched off and the connection ended.
    Disconnected,
    /// On the way to the first connection.
    Connecting,
    /// A valid control event, data event or comment has arrived on this connection.
    Connected,
    /// The connection failed and another attempt is waiting or under way.
    Reconnecting,
    /// Given up; only [`Input::Reconnect`] starts again.
    Lost,
    /// The stream is closed and read to its end.
    Closed,
}

impl ConnectionState {
    /// The word of the session contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Lost => "lost",
            Self::Closed => "closed",
        }
    }
}

/// The two timers; setting one that runs replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerKind {
    /// Until the next attempt.
    Retry,
    /// Until silence counts as failure. It fires rarely: the machine re-arms it for what is left.
    Silence,
}

/// What happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The application wants the stream.
    Subscribe,
    /// The request was answered.
    Response(ResponseHead),
    /// The body ended without an error.
    BodyEnded,
    /// The request got no answer, or the body broke.
    Failed(Failure),
    /// A timer that was set has run down.
    Timer(TimerKind),
    /// The application no longer wants the stream. Final.
    Unsubscribe,
    /// The application wants a new connection at once, also after [`ConnectionState::Lost`].
    Reconnect,
    /// The environment believes that the network is back.
    Online,
    /// The environment believes that the network is gone. Attempts go on: beliefs are often wrong.
    Offline,
    /// A timer fired far later than it was set for: the machine, or this page of it, was asleep. `now` counts the sleep.
    Woke,
    /// The application looks away for a while: let go of the connection. [`Input::Subscribe`] goes on from the cursor.
    Pause,
}

/// The parts of an answer that decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Stream-SSE-Data-Encoding`; a JSON stream has none.
    pub data_encoding: Option<String>,
    /// `Retry-After` in milliseconds ([`retry_after_ms`](crate::retry_after_ms) reads the header).
    pub retry_after_ms: Option<u64>,
    /// `Stream-First-Offset` of a 410.
    pub first_offset: Option<String>,
    /// `Stream-Message-Count`: messages before the first of this answer, or before `first_offset`.
    pub message_count: Option<u64>,
}

/// What the driver has to do.
///
/// After [`Open`](Self::Open) the driver makes the request and reports its outcome; after
/// [`Abort`](Self::Abort) it drops that request and reports nothing more about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make a request. At most one is under way.
    Open(OpenRequest),
    /// Drop the request or the body that is under way.
    Abort,
    /// Start a timer, replacing one of the same kind.
    SetTimer {
        /// Which.
        kind: TimerKind,
        /// How long.
        after_ms: u64,
    },
    /// Stop a timer.
    CancelTimer(TimerKind),
    /// The state changed.
    State(ConnectionState),
    /// An attempt is scheduled; for people who watch.
    RetryScheduled {
        /// Which attempt, from 1.
        attempt: u32,
        /// In how long.
        delay_ms: u64,
        /// What failed.
        cause: Cause,
    },
    /// Something the application should hear of.
    Error(SubscriptionError),
    /// Connected again after an interruption.
    Reconnected,
    /// The connection was interrupted.
    Disconnected,
    /// Given up. Follows [`Error`](Self::Error).
    Lost(LostInfo),
    /// The stream is closed and was read to its end.
    Closed,
}

/// A request for the stream from where reading stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// `-1`, `now` or a cursor.
    pub offset: String,
    /// Echo for caches, PROTOCOL.md section 10.1.
    pub live_cursor: Option<String>,
    /// The last token was refused: ask the provider for another one.
    pub fresh_token: bool,
    /// Which attempt this is; 0 for the first connection and for rotation.
    pub attempt: u32,
}

impl OpenRequest {
    /// The query string, without `?`; parameters in the order of their names, as caches like it.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = String::new();
        if let Some(cursor) = &self.live_cursor {
            query.push_str("cursor=");
            percent_encode(&mut query, cursor);
            query.push('&');
        }
        query.push_str("live=sse&offset=");
        percent_encode(&mut query, &self.offset);
        query
    }
}

pub(crate) fn percent_encode(out: &mut String, text: &str) {
    for &b in text.as_bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let digit = |n: u8| char::from(b"0123456789ABCDEF"[usize::from(n & 15)]);
            out.push('%');
            out.push(digit(b >> 4));
            out.push(digit(b));
        }
    }
}

/// Where things stand when the machine gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostInfo {
    /// Consecutive attempts that failed.
    pub attempts: u32,
    /// Why the last one did.
    pub cause: Cause,
    /// Where reading would resume; none if nothing was read yet.
    pub cursor: Option<OffsetToken>,
    /// Number of the last message delivered.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_ordered_and_encoded() {
        let mut request = OpenRequest {
            offset: "a/b é".into(),
            live_cursor: Some("1&2".into()),
            fresh_token: false,
            attempt: 0,
        };
        assert_eq!(request.query(), "cursor=1%262&live=sse&offset=a%2Fb%20%C3%A9");
        request.live_cursor = None;
        request.offset = "-1".into();
        assert_eq!(request.query(), "live=sse&offset=-1");
    }
}
