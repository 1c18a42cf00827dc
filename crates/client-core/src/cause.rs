//! Why a connection or a request failed. One word per cause; what happens then is decided elsewhere.

use std::fmt;

/// Longest detail that is kept of what a driver says about a failure, in bytes.
const DETAIL_BYTES_MAX: usize = 200;

/// What the driver reports when a request dies without an answer, or an answer before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The network, TLS or the HTTP layer; in a few words.
    Network(Detail),
    /// The application's token provider failed; in a few words.
    Token(Detail),
}

impl Failure {
    /// A failure of the network.
    #[must_use]
    pub fn network(detail: &str) -> Self {
        Self::Network(Detail::new(detail))
    }

    /// A failure of the token provider.
    #[must_use]
    pub fn token(detail: &str) -> Self {
        Self::Token(Detail::new(detail))
    }
}

/// A short text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail(Box<str>);

impl Detail {
    /// Keeps the beginning of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(DETAIL_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text.get(..end).unwrap_or_default().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Detail> for String {
    fn from(detail: Detail) -> Self {
        detail.0.into()
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No answer: refused, unreachable, TLS, aborted by the network.
    Network(Detail),
    /// The token provider failed.
    Token(Detail),
    /// An answer with a status that is not success.
    Status(u16),
    /// 204 where a stream was asked for.
    NoContent,
    /// 200 with something that is no event stream; here is what it claims to be.
    ContentType(Detail),
    /// The stream ended cleanly before anything useful had arrived.
    EndedEarly,
    /// The stream ended in the middle of a frame.
    CutMidFrame,
    /// The stream broke with an error.
    Interrupted(Detail),
    /// Nothing was heard for too long.
    Silence,
    /// History below the cursor was trimmed, again, before anything useful had arrived.
    TrimmedAgain,
}

impl Cause {
    /// A stable word for logs and programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Network(_) => "NETWORK",
            Self::Token(_) => "TOKEN",
            Self::Status(_) => "HTTP_STATUS",
            Self::NoContent => "NO_CONTENT",
            Self::ContentType(_) => "CONTENT_TYPE",
            Self::EndedEarly => "ENDED_EARLY",
            Self::CutMidFrame => "CUT_MID_FRAME",
            Self::Interrupted(_) => "INTERRUPTED",
            Self::Silence => "SILENCE",
            Self::TrimmedAgain => "TRIMMED_AGAIN",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, detail) = match self {
            Self::Network(detail) => ("no connection", detail.as_str()),
            Self::Token(detail) => ("the token provider failed", detail.as_str()),
            Self::Status(status) => return write!(f, "HTTP status {status}"),
            Self::NoContent => ("the server answered without content", ""),
            Self::ContentType(detail) => ("the server did not answer with an event stream", detail.as_str()),
            Self::EndedEarly => ("the stream ended before anything arrived", ""),
            Self::CutMidFrame => ("the stream was cut in the middle of a frame", ""),
            Self::Interrupted(detail) => ("the stream broke", detail.as_str()),
            Self::Silence => ("the server fell silent", ""),
            Self::TrimmedAgain => ("the server keeps trimming what is asked for", ""),
        };
        f.write_str(text)?;
        if !detail.is_empty() {
            f.write_str(": ")?;
            f.write_str(detail)?;
        }
        Ok(())
    }
}
