//! Compare-and-append: may this append change the stream, and to what. PROTOCOL.md sections 5.2 and 5.2.1.

use durable_sessions_protocol::{Offset, ProducerClaim, ProducerEpoch, ProducerSeq};

use super::{AppendLimits, Deletion, StreamState};
use crate::{Append, AppendError, Appended};

/// What a stream remembers of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub(crate) epoch: ProducerEpoch,
    /// Highest accepted sequence of the epoch.
    pub(crate) seq: ProducerSeq,
}

/// An admitted append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing changes: a duplicate, or a close of what is closed.
    Answer(Appended),
    /// Everything of this changes together.
    Change(Change),
}

/// What an admitted append changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// The tail afterwards.
    pub(crate) next: u64,
    /// The stream is open before and closed afterwards.
    pub(crate) closes: bool,
    /// The producer's state afterwards.
    pub(crate) producer: Option<ProducerState>,
    /// The attributes' version afterwards, when they change.
    pub(crate) attributes_version: Option<u64>,
}

impl Change {
    pub(crate) fn appended(&self, closed: bool) -> Appended {
        Appended {
            next_offset: Offset::new(self.next),
            closed,
            duplicate: false,
            producer: self.producer.map(|state| (state.epoch, state.seq)),
        }
    }
}

/// Decides about one append. `producer` is the stored state of the claim's producer, if there is any.
///
/// Order of checks; the first that fails answers:
///
/// | # | check | answer |
/// |---|---|---|
/// | 1 | the stream is there | `NotFound`, `Gone` |
/// | 2 | there is something to do | `Empty` |
/// | 3 | closed: the retry of the closing append, or a close alone without producer | duplicate, or success |
/// | 4 | closed: anything but a change of attributes alone | `Closed` |
/// | 5 | content type and unit, when there is a batch | `ContentType` |
/// | 6 | producer: stale epoch, new epoch not at 0, duplicate, gap | `StaleEpoch`, `EpochStart`, duplicate, `SequenceGap` |
/// | 7 | writer sequence grows | `StreamSeq` |
/// | 8 | attributes' version | `AttributesConflict` |
/// | 9 | limits | `Full` |
pub(crate) fn admit(
    state: &StreamState,
    append: &Append,
    producer: Option<ProducerState>,
    limits: &AppendLimits,
) -> Result<Decision, AppendError> {
    match state.deletion {
        Deletion::Live => {}
        Deletion::Soft => return Err(AppendError::Gone),
        Deletion::Gone => return Err(AppendError::NotFound),
    }
    if append.batch.is_none() && !append.close && append.attributes.is_none() {
        return Err(AppendError::Empty);
    }
    if let Some(answer) = on_closed(state, append)? {
        return Ok(Decision::Answer(answer));
    }
    content_type(state, append)?;
    let producer = match &append.producer {
        None => None,
        Some(claim) => match check_producer(producer, claim)? {
            Claim::Accepted(accepted) => Some(accepted),
            Claim::Duplicate(stored) => {
                return Ok(Decision::Answer(Appended {
                    next_offset: Offset::new(state.next),
                    closed: state.closed,
                    duplicate: true,
                    producer: Some((stored.epoch, stored.seq)),
                }));
            }
        },
    };
    if let Some(seq) = &append.stream_seq {
        if state.stream_seq.as_deref().is_some_and(|last| seq.as_ref() <= last) {
            return Err(AppendError::StreamSeq);
        }
        if seq.len() > limits.stream_seq_len_max {
            return Err(AppendError::Full("the writer sequence is too long"));
        }
    }
    let attributes_version = match &append.attributes {
        None => None,
        Some(change) if change.expected_version != state.attributes_version => {
            return Err(AppendError::AttributesConflict { current: state.attributes_version });
        }
        Some(change) if change.value.len() > limits.attributes_bytes_max => {
            return Err(AppendError::Full("the attributes are too long"));
        }
        Some(_) => Some(state.attributes_version + 1),
    };
    if state.tail_damaged && append.batch.is_some() {
        return Err(AppendError::Unavailable("the newest row of the stream is damaged".into()));
    }
    let units = append.batch.as_ref().map_or(0, crate::Batch::units);
    // The last position stays unused, so that a tail can always be named.
    let next = state
        .next
        .checked_add(units)
        .filter(|&next| next < u64::MAX)
        .ok_or(AppendError::Full("the stream is at the end of its positions"))?;
    Ok(Decision::Change(Change { next, closes: append.close && !state.closed, producer, attributes_version }))
}

/// `None` when the append may go on.
fn on_closed(state: &StreamState, append: &Append) -> Result<Option<Appended>, AppendError> {
    if !state.closed {
        return Ok(None);
    }
    let next_offset = Offset::new(state.next);
    let answer = |duplicate, producer| Appended { next_offset, closed: true, duplicate, producer };
    match &append.producer {
        Some(claim) if state.closed_by.as_deref() == Some(claim) => {
            Ok(Some(answer(true, Some((claim.epoch, claim.seq)))))
        }
        None if append.batch.is_none() && append.attributes.is_some() => Ok(None),
        None if append.batch.is_none() && append.close => Ok(Some(answer(false, None))),
        _ => Err(AppendError::Closed { next_offset }),
    }
}

fn content_type(state: &StreamState, append: &Append) -> Result<(), AppendError> {
    // Section 5.2: a request without content is never refused for its content type.
    let Some(batch) = &append.batch else { return Ok(()) };
    let fits = append.content_type.as_ref().is_none_or(|given| *given == state.content_type)
        && batch.unit() == state.content_type.unit();
    if fits { Ok(()) } else { Err(AppendError::ContentType { expected: state.content_type.clone() }) }
}

enum Claim {
    Accepted(ProducerState),
    Duplicate(ProducerState),
}

fn check_producer(stored: Option<ProducerState>, claim: &ProducerClaim) -> Result<Claim, AppendError> {
    let accepted = Claim::Accepted(ProducerState { epoch: claim.epoch, seq: claim.seq });
    let gap = |expected| AppendError::SequenceGap { expected, received: claim.seq };
    let Some(stored) = stored else {
        return if claim.seq == ProducerSeq::ZERO { Ok(accepted) } else { Err(gap(ProducerSeq::ZERO)) };
    };
    if claim.epoch < stored.epoch {
        return Err(AppendError::StaleEpoch { current: stored.epoch });
    }
    if claim.epoch > stored.epoch {
        return if claim.seq == ProducerSeq::ZERO { Ok(accepted) } else { Err(AppendError::EpochStart) };
    }
    if claim.seq <= stored.seq {
        return Ok(Claim::Duplicate(stored));
    }
    // `claim.seq` is above `stored.seq`, so there is a next one.
    match stored.seq.next() {
        Some(next) if claim.seq == next => Ok(accepted),
        Some(next) => Err(gap(next)),
        None => Err(AppendError::Full("the producer's epoch is at the end of its sequence")),
    }
}

impl StreamState {
    /// Makes an admitted change.
    pub(crate) fn apply(&mut self, append: &Append, change: &Change) {
        self.next = change.next;
        if change.closes {
            self.closed = true;
            self.closed_by = append.producer.clone().map(Box::new);
        }
        if let Some(seq) = &append.stream_seq {
            self.stream_seq = Some(seq.as_ref().into());
        }
        if let Some(version) = change.attributes_version {
            self.attributes_version = version;
        }
    }
}
