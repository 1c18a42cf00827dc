//! How an append can end other than acknowledged.

use std::fmt;

use durable_sessions_protocol::ProducerEpoch;

use crate::Cause;

/// Why a message was not even taken. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The outbox is full: wait for acknowledgements.
    #[error("the outbox is full")]
    Full,
    /// The message alone is larger than a batch may be.
    #[error("the message is larger than a batch may be")]
    TooLarge,
    /// The message is not one JSON text.
    #[error("the message is not JSON")]
    NotJson,
    /// The message has no bytes, of which no append can consist.
    #[error("the message is empty")]
    Empty,
    /// The producer has failed for good; the error was reported.
    #[error("the producer has failed")]
    Failed,
}

impl Refused {
    /// Whether the same message may be taken later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Full)
    }
}

/// Why messages that were taken are not in the stream, or of the batch in flight perhaps are: when the producer ends
/// while an attempt of it has gone without an answer, nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// The server refused these messages: 400, 401, 404, 409, 410, 413 and the like. After a 400 or 413 the producer goes
    /// on; after another status it does unless an earlier attempt of theirs went without an answer.
    Refused {
        /// The status.
        status: u16,
    },
    /// The stream is closed.
    StreamClosed,
    /// Another producer of the same id has a newer epoch.
    Fenced {
        /// The server's epoch, if it told.
        epoch: Option<ProducerEpoch>,
    },
    /// The server expects another sequence number: it has lost batches that it had acknowledged, or another
    /// producer uses the same id and epoch.
    SequenceGap {
        /// What it expects.
        expected: Option<u64>,
        /// What it was sent.
        sent: u64,
    },
    /// Every attempt allowed has failed.
    AttemptsExhausted {
        /// How many retries.
        attempts: u32,
        /// Why the last one failed.
        cause: Cause,
    },
    /// The producer had failed before these were sent.
    ProducerFailed,
}

impl AppendError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "APPEND_REFUSED",
            Self::StreamClosed => "SESSION_CLOSED",
            Self::Fenced { .. } => "PRODUCER_FENCED",
            Self::SequenceGap { .. } => "SEQUENCE_GAP",
            Self::AttemptsExhausted { .. } => "ATTEMPTS_EXHAUSTED",
            Self::ProducerFailed => "PRODUCER_FAILED",
        }
    }

    /// Whether a new producer may succeed with the same messages.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::AttemptsExhausted { .. } | Self::ProducerFailed)
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status } => write!(f, "the server refused the append with status {status}"),
            Self::StreamClosed => f.write_str("the stream is closed"),
            Self::Fenced { epoch: Some(epoch) } => {
                write!(f, "another producer of this id has taken over with epoch {epoch}")
            }
            Self::Fenced { epoch: None } => f.write_str("another producer of this id has taken over"),
            Self::SequenceGap { expected: Some(expected), sent } => {
                write!(f, "the server expects batch {expected}, this is batch {sent}")
            }
            Self::SequenceGap { expected: None, sent } => {
                write!(f, "the server does not expect batch {sent}")
            }
            Self::AttemptsExhausted { attempts, cause } => {
                write!(f, "gave up after {attempts} attempts; the last cause: {cause}")
            }
            Self::ProducerFailed => f.write_str("the producer had failed before"),
        }
    }
}

impl std::error::Error for AppendError {}
