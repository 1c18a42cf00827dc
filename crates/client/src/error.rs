//! How operations fail: one enum each, variants named by cause.

use std::fmt;

/// No usable answer: refused, unreachable, timed out, broken off, or no token to ask with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no usable answer from the server after {attempts} retries: {cause}")]
pub struct Unreachable {
    /// Retries made.
    pub attempts: u32,
    /// What happened the last time.
    pub cause: String,
}

/// The server's refusal, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The error code of the answer, if it had one.
    pub code: Option<String>,
    /// The message of the answer, if it had one.
    pub message: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Whether the same request may succeed later: overload and faults of the server.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500 | 502..=599)
    }
}

/// What all operations have in common; each maps it to its own error.
#[derive(Debug)]
pub(crate) enum Fault {
    Unreachable(Unreachable),
    Refused(Refusal),
    Malformed(&'static str),
}

macro_rules! operation_error {
    (
        $(#[$doc:meta])* $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident if $status:pat => $text:literal, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum $name {
            /// No usable answer.
            #[error(transparent)]
            Unreachable(#[from] Unreachable),
            /// 401: no token, or a wrong one.
            #[error("not authorised: {0}")]
            Unauthorized(Refusal),
            /// 403: the identity has no right to this.
            #[error("forbidden: {0}")]
            Forbidden(Refusal),
            $( $(#[$variant_doc])* #[error($text)] $variant(Refusal), )*
            /// Any other refusal.
            #[error("the server refused: {0}")]
            Refused(Refusal),
            /// An answer that the protocol does not allow.
            #[error("the server's answer makes no sense: {problem}")]
            Malformed {
                /// What is wrong with it.
                problem: &'static str,
            },
        }

        impl $name {
            /// Whether the same call may succeed later.
            #[must_use]
            pub const fn is_retryable(&self) -> bool {
                match self {
                    Self::Unreachable(_) => true,
                    Self::Refused(refusal) => refusal.is_retryable(),
                    _ => false,
                }
            }

            /// What the server said, if it did.
            #[must_use]
            pub const fn refusal(&self) -> Option<&Refusal> {
                match self {
                    Self::Unreachable(_) | Self::Malformed { .. } => None,
                    Self::Unauthorized(refusal)
                    | Self::Forbidden(refusal)
                    $( | Self::$variant(refusal) )*
                    | Self::Refused(refusal) => Some(refusal),
                }
            }
        }

        impl From<Fault> for $name {
            fn from(fault: Fault) -> Self {
                match fault {
                    Fault::Unreachable(unreachable) => Self::Unreachable(unreachable),
                    Fault::Malformed(problem) => Self::Malformed { problem },
                    Fault::Refused(refusal) => match refusal.status {
                        401 => Self::Unauthorized(refusal),
                        403 => Self::Forbidden(refusal),
                        $( $status => Self::$variant(refusal), )*
                        _ => Self::Refused(refusal),
                    },
                }
            }
        }
    };
}

operation_error! {
    /// Why a stream was not created.
    CreateError {
        /// 404: what is to be forked does not exist.
        NotFound if 404 => "no such stream: {0}",
        /// 409: it exists with another configuration, or was deleted; or what is to be forked was.
        Conflict if 409 => "the stream exists with another configuration: {0}",
        /// 400: the path or an option is invalid.
        Invalid if 400 => "invalid: {0}",
    }
}

operation_error! {
    /// Why a stream's state is not known.
    HeadError {
        /// 404: there is no such stream.
        NotFound if 404 => "no such stream: {0}",
        /// 410: it was deleted.
        Gone if 410 => "the stream is gone: {0}",
    }
}

operation_error! {
    /// Why an append was not acknowledged. After [`Unreachable`] and after a status from 500 on it may be in the stream
    /// all the same; a [`Producer`](crate::Producer) knows.
    AppendError {
        /// 400: a message is invalid; the server says where.
        Invalid if 400 => "invalid: {0}",
        /// 404: there is no such stream.
        NotFound if 404 => "no such stream: {0}",
        /// 409: the stream is closed or has another content type.
        Conflict if 409 => "conflict: {0}",
        /// 410: it was deleted.
        Gone if 410 => "the stream is gone: {0}",
        /// 413: too large.
        TooLarge if 413 => "too large: {0}",
    }
}

operation_error! {
    /// Why a page could not be read.
    ReadError {
        /// 400: the cursor is not one of this server's.
        InvalidCursor if 400 => "invalid cursor: {0}",
        /// 404: there is no such stream.
        NotFound if 404 => "no such stream: {0}",
        /// 410: history before the cursor was trimmed, or the stream was deleted.
        Gone if 410 => "gone: {0}",
    }
}

operation_error! {
    /// Why a stream was not deleted.
    DeleteError {
        /// 404: there is no such stream.
        NotFound if 404 => "no such stream: {0}",
        /// 410: it was deleted before.
        Gone if 410 => "the stream is gone: {0}",
    }
}

operation_error! {
    /// Why sessions could not be listed.
    ListError {
        /// 404, 405 or 501: the server has no list. The Durable Streams protocol knows none; it is of the session API.
        NoList if 404 | 405 | 501 => "the server has no list of sessions: {0}",
        /// 400: a filter or the cursor is invalid.
        Invalid if 400 => "invalid: {0}",
    }
}

operation_error! {
    /// Why there are no metrics.
    MetricsError {
        /// 404, 405 or 501: the server has none, or has them on another address.
        NoMetrics if 404 | 405 | 501 => "the server has no metrics here: {0}",
    }
}

operation_error! {
    /// Why nothing was learnt about dead letters, or done to them.
    DeadLetterError {
        /// 404: there is no such letter, or the server has none.
        NotFound if 404 => "no such dead letter: {0}",
        /// 400: the cursor or the limit is invalid.
        Invalid if 400 => "invalid: {0}",
    }
}

operation_error! {
    /// Why an API key could not be made, shown or ended.
    ApiKeyError {
        /// 400: what was asked for makes no sense.
        Invalid if 400 => "invalid: {0}",
        /// 404, 405 or 501: no such key, or a server without them.
        NotFound if 404 | 405 | 501 => "not found: {0}",
    }
}
