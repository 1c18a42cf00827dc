//! What streams mean, without IO, locks or clocks: whether an append is admitted, what it changes, when a
//! stream expires, what a fork inherits. Must not know engines or threads.

mod admission;
mod lifetime;
#[cfg(test)]
mod tests;

pub(crate) use admission::{Decision, ProducerState, admit};
pub(crate) use lifetime::{access_slack_ms, inherited, is_expired};

use durable_sessions_protocol::{ContentType, ProducerClaim};

/// How far a deletion has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Deletion {
    #[default]
    Live,
    /// Hidden, kept for its forks.
    Soft,
    /// Not there any more.
    Gone,
}

/// What decides about the next append to a stream. Producers are looked up apart (see [`ProducerState`]):
/// a stream may have any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamState {
    pub(crate) content_type: ContentType,
    /// The trim point: first retained position.
    pub(crate) first: u64,
    /// First unwritten position.
    pub(crate) next: u64,
    pub(crate) closed: bool,
    /// The producer's append that closed the stream, so that its retry is told apart from a late append.
    pub(crate) closed_by: Option<Box<ProducerClaim>>,
    pub(crate) stream_seq: Option<Box<[u8]>>,
    pub(crate) attributes_version: u64,
    /// Forks that read through this stream.
    pub(crate) references: u32,
    /// Forks branched off here or before; rows below may be theirs.
    pub(crate) forked_below: u64,
    pub(crate) deletion: Deletion,
    /// The newest row cannot be read, so where the stream ends is not known.
    pub(crate) tail_damaged: bool,
}

impl StreamState {
    pub(crate) fn new(content_type: ContentType, next: u64) -> Self {
        Self {
            content_type,
            first: 0,
            next,
            closed: false,
            closed_by: None,
            stream_seq: None,
            attributes_version: 0,
            references: 0,
            forked_below: 0,
            deletion: Deletion::Live,
            tail_damaged: false,
        }
    }
}

/// Limits that an append may meet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppendLimits {
    pub(crate) attributes_bytes_max: usize,
    pub(crate) stream_seq_len_max: usize,
}
