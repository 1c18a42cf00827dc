//! What goes into a producer and what comes out of it.

use std::ops::Range;

use durable_sessions_protocol::{OffsetToken, ProducerClaim, ProducerSeq};

use super::AppendError;
use crate::{Cause, Failure};

/// The two timers; setting one that runs replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProducerTimer {
    /// Until the next attempt.
    Retry,
    /// Until the first request without an answer counts as failed.
    Timeout,
}

/// What happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProducerInput {
    /// A request was answered.
    Answer {
        /// The number of its batch.
        seq: ProducerSeq,
        /// The answer.
        answer: AppendAnswer,
    },
    /// A request got no answer.
    Failed {
        /// The number of its batch.
        seq: ProducerSeq,
        /// Why not.
        failure: Failure,
    },
    /// A request has been written as far as the driver can see. The next batch goes only then, so that it does not arrive
    /// first; a driver that never says so has one request under way at a time.
    Sent {
        /// The number of its batch.
        seq: ProducerSeq,
    },
    /// A timer that was set has run down.
    Timer(ProducerTimer),
    /// The application or the environment believes that trying at once may help.
    RetryNow,
}

/// The parts of an answer that decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppendAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Stream-Next-Offset`.
    pub next_offset: Option<String>,
    /// `Stream-Closed: true`.
    pub closed: bool,
    /// `Producer-Epoch`.
    pub producer_epoch: Option<u64>,
    /// `Producer-Expected-Seq`.
    pub expected_seq: Option<u64>,
    /// `Retry-After` in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl AppendAnswer {
    /// Whether the batch is in the stream.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendRequest {
    /// The batch, framed as configured.
    pub body: Vec<u8>,
    /// The producer headers.
    pub claim: ProducerClaim,
    /// The last token was refused: ask the provider for another one.
    pub fresh_token: bool,
    /// Which attempt this is; 0 for the first time.
    pub attempt: u32,
}

/// Where an acknowledged batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckedAt {
    /// The cursor after it, as the server told; of a duplicate it may be a later one.
    pub next_offset: Option<OffsetToken>,
    /// The server had it already: an earlier attempt had arrived.
    pub duplicate: bool,
}

/// A flush that was asked for: it ends when every message appended before it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlushMark(pub(crate) u64);

/// What the driver has to do. Messages are numbered from 0 in the order of
/// [`Producer::append`](super::Producer::append).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProducerOutput {
    /// Make a request. At most [`in_flight_max`](super::ProducerConfig::in_flight_max) are under way, one for each
    /// number.
    Send(AppendRequest),
    /// Drop the request of the batch with this number and report nothing more about it.
    Abort(ProducerSeq),
    /// Start a timer, replacing one of the same kind.
    SetTimer {
        /// Which.
        kind: ProducerTimer,
        /// How long.
        after_ms: u64,
    },
    /// Stop a timer.
    CancelTimer(ProducerTimer),
    /// These messages are in the stream, once.
    Acked {
        /// Which.
        messages: Range<u64>,
        /// Where they ended.
        at: AckedAt,
    },
    /// These messages are not in the stream; of the batches in flight when a producer ends that is unknown if an attempt
    /// of the first went without an answer.
    Failed {
        /// Which.
        messages: Range<u64>,
        /// Why.
        error: AppendError,
    },
    /// Every message before the mark is settled. The error is the first loss that no earlier flush has told.
    Flushed {
        /// Which flush.
        mark: FlushMark,
        /// Whether all of them are in the stream.
        result: Result<(), AppendError>,
    },
    /// An attempt is scheduled; for people who watch.
    RetryScheduled {
        /// Which attempt, from 1.
        attempt: u32,
        /// In how long.
        delay_ms: u64,
        /// What failed.
        cause: Cause,
    },
}
