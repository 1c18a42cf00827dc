//! What goes into a live subscription and what comes out of it.

use std::fmt;

use crate::cause::Detail;
use crate::subscription::percent_encode;
use crate::{Failure, OpenRequest, Output, ResponseHead};

/// How one request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// What is there now, PROTOCOL.md section 5.6.
    CatchUp,
    /// What is there, or comes within the server's timeout, section 5.7.
    LongPoll,
    /// What is there and whatever comes, section 5.8.
    Sse,
}

impl ReadMode {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatchUp => "catch-up",
            Self::LongPoll => "long-poll",
            Self::Sse => "sse",
        }
    }
}

/// Why polling replaces SSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FallbackReason {
    /// The server refused SSE with this status.
    Refused(u16),
    /// The server has no room for another live connection and offers long-poll instead.
    TooManyConnections,
    /// The answer was no event stream; here is what it claims to be.
    NotAnEventStream(Detail),
    /// Nothing arrived for too long: something on the way collects the answer before it passes it on.
    Stalled {
        /// For how long.
        after_ms: u64,
    },
}

impl FallbackReason {
    /// A stable word for logs and programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "SSE_REFUSED",
            Self::TooManyConnections => "TOO_MANY_CONNECTIONS",
            Self::NotAnEventStream(_) => "NOT_AN_EVENT_STREAM",
            Self::Stalled { .. } => "SSE_STALLED",
        }
    }
}

impl fmt::Display for FallbackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "the server refuses SSE with status {status}"),
            Self::TooManyConnections => f.write_str("the server has no room for another live connection"),
            Self::NotAnEventStream(claimed) if claimed.as_str().is_empty() => {
                f.write_str("the server did not answer with an event stream")
            }
            Self::NotAnEventStream(claimed) => {
                write!(f, "the server did not answer with an event stream but with {}", claimed.as_str())
            }
            Self::Stalled { after_ms } => {
                write!(f, "nothing arrived for {after_ms} ms; something on the way holds the events back")
            }
        }
    }
}

/// The timers; setting one that runs replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveTimer {
    /// Until the next attempt.
    Retry,
    /// Until silence counts as failure.
    Silence,
    /// Until an SSE answer that brings nothing is given up for polling.
    Stall,
}

/// What happened outside. The end of a body is told by [`Live::body_ended`](super::Live::body_ended).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveInput {
    /// The application wants the stream.
    Subscribe,
    /// The request was answered.
    Response(LiveHead),
    /// The request got no answer, or the body broke.
    Failed(Failure),
    /// A timer that was set has run down.
    Timer(LiveTimer),
    /// The application no longer wants the stream. Final.
    Unsubscribe,
    /// The application wants a new connection at once, by SSE where that may be.
    Reconnect,
    /// The environment believes that the network is back.
    Online,
    /// The environment believes that the network is gone.
    Offline,
}

/// The parts of an answer that decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveHead {
    /// What every answer has.
    pub head: ResponseHead,
    /// `Stream-Next-Offset`.
    pub next_offset: Option<String>,
    /// `Stream-Cursor`.
    pub live_cursor: Option<String>,
    /// `Stream-Up-To-Date: true`.
    pub up_to_date: bool,
    /// `Stream-Closed: true`.
    pub closed: bool,
    /// A refusal whose details name `long-poll` as the fallback.
    pub offers_long_poll: bool,
}

/// A request for the stream from where reading stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRequest {
    /// How to read.
    pub mode: ReadMode,
    /// From where, and with what.
    pub request: OpenRequest,
}

impl LiveRequest {
    /// The query string, without `?`; parameters in the order of their names, as caches like it.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            percent_encode(&mut query, value);
        };
        if let Some(cursor) = self.request.live_cursor.as_deref().filter(|_| self.mode != ReadMode::CatchUp) {
            add("cursor", cursor);
        }
        if self.mode != ReadMode::CatchUp {
            add("live", self.mode.as_str());
        }
        add("offset", &self.request.offset);
        query
    }
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveOutput {
    /// Make a request. At most one is under way.
    Open(LiveRequest),
    /// Drop the request or the body that is under way and report nothing more about it.
    Abort,
    /// Start a timer, replacing one of the same kind.
    SetTimer {
        /// Which.
        kind: LiveTimer,
        /// How long.
        after_ms: u64,
    },
    /// Stop a timer.
    CancelTimer(LiveTimer),
    /// From here on the stream is polled; for people who watch.
    FellBack(FallbackReason),
    /// What the application is told: states, attempts, errors, the end. Never a request or a timer.
    Told(Output),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_ordered_and_encoded() {
        let request = OpenRequest {
            offset: "a/b".into(),
            live_cursor: Some("1&2".into()),
            fresh_token: false,
            attempt: 0,
        };
        let query = |mode| LiveRequest { mode, request: request.clone() }.query();
        assert_eq!(query(ReadMode::Sse), "cursor=1%262&live=sse&offset=a%2Fb");
        assert_eq!(query(ReadMode::Sse), request.query());
        assert_eq!(query(ReadMode::LongPoll), "cursor=1%262&live=long-poll&offset=a%2Fb");
        assert_eq!(query(ReadMode::CatchUp), "offset=a%2Fb");
    }
}
