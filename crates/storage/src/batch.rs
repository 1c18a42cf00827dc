//! What one append carries: messages of a JSON stream, or bytes of any other, in the form they are stored in.

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::Unit;

/// The payload of one append, never empty.
///
/// Messages are kept joined by `,` with their end positions beside them: `[` + body + `]` is the JSON array a
/// read answers with, so serving a whole row is one copy and no message is ever serialised again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    body: Bytes,
    /// End of each message in `body`, ascending, the last one `body.len()`.
    ends: Ends,
}

/// One message is by far the most frequent batch, so it costs no allocation; more are shared, so that every
/// reader of a row in memory gets them without copying.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ends {
    Bytes,
    One([u32; 1]),
    Many(Arc<[u32]>),
}

impl Ends {
    fn new(ends: &[u32]) -> Self {
        match ends {
            [] => Self::Bytes,
            &[one] => Self::One([one]),
            many => Self::Many(many.into()),
        }
    }
}

/// Why a payload makes no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Nothing in it.
    #[error("an append needs at least one message or byte")]
    Empty,
    /// Longer than 1 GiB, or ends that are not ascending positions of the body.
    #[error("message boundaries do not fit the body")]
    Boundaries,
}

impl Batch {
    /// Bytes of a stream that is not JSON.
    ///
    /// # Errors
    /// [`BatchError::Empty`] without any.
    pub fn bytes(body: Bytes) -> Result<Self, BatchError> {
        if body.is_empty() {
            return Err(BatchError::Empty);
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(BatchError::Boundaries);
        }
        Ok(Self { body, ends: Ends::Bytes })
    }

    /// Messages already joined by one `,` each; `ends` holds the end of each message in `body`.
    ///
    /// # Errors
    /// [`BatchError`] when there is no message or a boundary does not fit. That each message is valid JSON is
    /// the caller's duty.
    #[expect(clippy::needless_pass_by_value, reason = "callers build the boundaries for this")]
    pub fn joined_messages(body: Bytes, ends: Vec<u32>) -> Result<Self, BatchError> {
        Self::from_parts(body, &ends)
    }

    /// As [`Batch::joined_messages`].
    pub(crate) fn from_parts(body: Bytes, ends: &[u32]) -> Result<Self, BatchError> {
        let Some(&last) = ends.last() else { return Err(BatchError::Empty) };
        let mut start = 0u64;
        for &end in ends {
            // One byte at least for the message, and one for the comma before the next.
            if u64::from(end) <= start {
                return Err(BatchError::Boundaries);
            }
            start = u64::from(end) + 1;
        }
        if last as usize != body.len()
            || body.len() > BODY_BYTES_MAX
            || ends[..ends.len() - 1].iter().any(|&end| body[end as usize] != b',')
        {
            return Err(BatchError::Boundaries);
        }
        Ok(Self { body, ends: Ends::new(ends) })
    }

    /// One message.
    ///
    /// # Errors
    /// [`BatchError`] when it is empty or too long.
    pub fn message(json: Bytes) -> Result<Self, BatchError> {
        let end = u32::try_from(json.len()).map_err(|_| BatchError::Boundaries)?;
        Self::from_parts(json, &[end])
    }

    /// How many positions the batch takes.
    #[must_use]
    pub fn units(&self) -> u64 {
        match self.unit() {
            Unit::Byte => self.body.len() as u64,
            Unit::Message => self.ends().len() as u64,
        }
    }

    /// What it counts.
    #[must_use]
    pub fn unit(&self) -> Unit {
        if self.ends == Ends::Bytes { Unit::Byte } else { Unit::Message }
    }

    /// The stored bytes: the content itself, or messages joined by `,`.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// End of each message in the body; empty for bytes.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        match &self.ends {
            Ends::Bytes => &[],
            Ends::One(one) => one,
            Ends::Many(many) => many,
        }
    }

    /// Each message of a JSON batch, without copying. Empty for bytes.
    pub fn messages(&self) -> impl Iterator<Item = Bytes> + '_ {
        let starts = std::iter::once(0).chain(self.ends().iter().map(|&end| end as usize + 1));
        starts.zip(self.ends()).map(|(start, &end)| self.body.slice(start..end as usize))
    }

    /// The part from unit `from` up to but not including unit `to`, without copying; `None` when it is empty
    /// or out of range.
    #[must_use]
    pub fn slice(&self, from: u64, to: u64) -> Option<Self> {
        if from >= to || to > self.units() {
            return None;
        }
        if from == 0 && to == self.units() {
            return Some(self.clone());
        }
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        let ends = self.ends();
        if ends.is_empty() {
            return Some(Self { body: self.body.slice(from..to), ends: Ends::Bytes });
        }
        let start = if from == 0 { 0 } else { ends[from - 1] as usize + 1 };
        let body = self.body.slice(start..ends[to - 1] as usize);
        let moved = ends[from..to].iter().map(|&end| end - start as u32);
        let ends = if to - from == 1 { Ends::One([body.len() as u32]) } else { Ends::Many(moved.collect()) };
        Some(Self { body, ends })
    }

    /// How many units from `from` on fit into `bytes_max` bytes of body, at least one.
    pub(crate) fn units_within(&self, from: u64, bytes_max: usize) -> u64 {
        let ends = self.ends();
        let Some(start) = usize::try_from(from).ok().filter(|_| from < self.units()) else { return 0 };
        if ends.is_empty() {
            return (self.body.len() - start).min(bytes_max.max(1)) as u64;
        }
        let start_byte = if start == 0 { 0 } else { ends[start - 1] as usize + 1 };
        let fitting = ends[start..].partition_point(|&end| end as usize - start_byte <= bytes_max);
        fitting.max(1) as u64
    }

    /// The same content in memory of its own, when what it shares now may be far larger: a slice of a network
    /// buffer would pin all of that.
    pub(crate) fn detached(&self) -> Self {
        if self.body.len() >= DETACH_BYTES_MAX {
            return self.clone();
        }
        Self { body: Bytes::copy_from_slice(&self.body), ends: self.ends.clone() }
    }

    /// About what it takes in memory.
    pub(crate) fn footprint(&self) -> usize {
        const ROW_BYTES: usize = 96;
        self.body.len() + 4 * self.ends().len() + ROW_BYTES
    }
}

/// With the ends of its messages, of which there may be half as many, a row stays below the 4 GiB that a stored
/// value can have.
const BODY_BYTES_MAX: usize = 1 << 30;

/// From here on a body fills most of any buffer it came in, and copying it would cost more than it frees.
const DETACH_BYTES_MAX: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_messages_is_the_same_messages() {
        let batch = Batch::joined_messages(Bytes::from_static(b"{},[1],\"a,b\""), vec![2, 6, 12]).unwrap();
        let all: Vec<_> = batch.messages().collect();
        assert_eq!(all, ["{}", "[1]", "\"a,b\""]);
        for from in 0..3u64 {
            for to in from + 1..=3 {
                let part: Vec<_> = batch.slice(from, to).unwrap().messages().collect();
                assert_eq!(part, all[from as usize..to as usize]);
            }
        }
        assert_eq!(batch.slice(1, 1), None);
        assert_eq!(batch.slice(0, 4), None);
    }

    #[test]
    fn what_fits_is_never_nothing() {
        let batch = Batch::joined_messages(Bytes::from_static(b"{},[1],\"a,b\""), vec![2, 6, 12]).unwrap();
        let fits: Vec<_> = (0..14).map(|max| batch.units_within(0, max)).collect();
        assert_eq!(fits, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3]);
        assert_eq!((batch.units_within(1, 3), batch.units_within(1, 9), batch.units_within(3, 9)), (1, 2, 0));
        let bytes = Batch::bytes(Bytes::from_static(b"abc")).unwrap();
        assert_eq!((bytes.units_within(1, 0), bytes.units_within(1, 1), bytes.units_within(0, 9)), (1, 1, 3));
    }

    #[test]
    fn boundaries_are_checked() {
        let body = Bytes::from_static(b"1,2");
        for ends in [vec![3, 1], vec![1], vec![0, 3], vec![2, 3], vec![1, 4]] {
            assert_eq!(
                Batch::joined_messages(body.clone(), ends.clone()),
                Err(BatchError::Boundaries),
                "{ends:?}"
            );
        }
        assert_eq!(Batch::joined_messages(body, vec![]), Err(BatchError::Empty));
        assert_eq!(Batch::bytes(Bytes::new()), Err(BatchError::Empty));
    }
}
