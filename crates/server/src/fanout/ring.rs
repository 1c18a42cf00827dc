//! The newest frames of one stream, encoded once for all its subscribers. Bounded in bytes; must not wait.

use std::collections::VecDeque;

use bytes::Bytes;
use durable_sessions_protocol::Offset;

use super::frames::{Framing, Standing, encode_control, encode_data};
use durable_sessions_storage::Batch;

/// Frames below this size are copied together for one write; larger ones are handed over as they are.
const COPY_BYTES_MAX: usize = 16 << 10;

/// One data event with the two control events that may follow it, in one allocation:
/// `data | control at the tail | control with more to come`. A subscriber that takes it alone sends the first
/// two parts as one slice.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    /// Cursor in both control events.
    pub(crate) cursor: u64,
    bytes: Bytes,
    data_len: usize,
    tail_len: usize,
}

impl Frame {
    /// Encodes rows that begin at `start` and end at `next`.
    pub(crate) fn encode(
        framing: Framing,
        rows: &[Batch],
        (start, next): (Offset, Offset),
        more: bool,
        cursor: u64,
    ) -> Self {
        let payload: usize = rows.iter().map(|row| row.body().len()).sum();
        let mut out =
            Vec::with_capacity(payload + payload / 2 * usize::from(framing == Framing::Base64) + 384);
        let end = encode_data(&mut out, framing, rows, next, more);
        let data_len = out.len();
        encode_control(&mut out, framing, end, cursor, Standing::UpToDate);
        let tail_len = out.len() - data_len;
        encode_control(&mut out, framing, end, cursor, Standing::Behind);
        Self { start, end, cursor, bytes: Bytes::from(out), data_len, tail_len }
    }

    pub(crate) fn data(&self) -> Bytes {
        self.bytes.slice(..self.data_len)
    }

    fn with_control(&self, standing: Standing) -> [Bytes; 2] {
        let tail_end = self.data_len + self.tail_len;
        match standing {
            Standing::UpToDate => [self.bytes.slice(..tail_end), Bytes::new()],
            Standing::Behind => [self.data(), self.bytes.slice(tail_end..)],
            Standing::Closed => [self.data(), Bytes::new()],
        }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Frames without gaps from `start` to `tail`.
#[derive(Debug)]
pub(crate) struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    tail: Offset,
}

impl Ring {
    pub(crate) fn new(tail: Offset) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, tail }
    }

    pub(crate) fn tail(&self) -> Offset {
        self.tail
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a frame that begins at the tail.
    pub(crate) fn push(&mut self, frame: Frame) {
        debug_assert_eq!(frame.start, self.tail);
        self.tail = frame.end;
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Drops the oldest frames beyond the bound; the newest always stays.
    pub(crate) fn trim(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && self.frames.len() > 1 {
            self.drop_oldest();
        }
    }

    pub(crate) fn clear(&mut self) {
        while !self.frames.is_empty() {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.len();
        }
    }

    /// What comes after `next`, at least one frame and at most about `bytes_max` bytes; `None` when the ring does not
    /// have it (any more) as whole frames.
    pub(crate) fn since(&self, next: Offset, bytes_max: usize) -> Option<Vec<Frame>> {
        let first = self.frames.partition_point(|frame| frame.end <= next);
        let mut bytes = 0;
        let fits = |frame: &&Frame| {
            let is_first = bytes == 0;
            bytes += frame.len();
            is_first || bytes <= bytes_max
        };
        let frames: Vec<_> = self.frames.range(first..).take_while(fits).cloned().collect();
        (frames.first()?.start == next).then_some(frames)
    }
}

/// Frames as pieces of the answer's body: the last one stands at the tail if `at_tail`, the others do not. With
/// `last`, that is the control event of the last frame instead. Small frames are copied into one piece, so that one
/// write carries everything pending.
pub(crate) fn pieces(frames: &[Frame], at_tail: bool, last: Option<Bytes>) -> Vec<Bytes> {
    let Some((newest, older)) = frames.split_last() else { return last.into_iter().collect() };
    let standing = match (&last, at_tail) {
        (Some(_), _) => Standing::Closed,
        (None, true) => Standing::UpToDate,
        (None, false) => Standing::Behind,
    };
    let parts = older
        .iter()
        .flat_map(|frame| frame.with_control(Standing::Behind))
        .chain(newest.with_control(standing))
        .chain(last)
        .filter(|part| !part.is_empty());
    if frames.len() == 1 && standing == Standing::UpToDate {
        return parts.collect();
    }
    let mut pieces = Vec::new();
    let mut joined = Vec::new();
    for part in parts {
        if part.len() <= COPY_BYTES_MAX {
            joined.extend_from_slice(&part);
            continue;
        }
        if !joined.is_empty() {
            pieces.push(Bytes::from(std::mem::take(&mut joined)));
        }
        pieces.push(part);
    }
    if !joined.is_empty() {
        pieces.push(Bytes::from(joined));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(start: u64, messages: &[&'static str]) -> Frame {
        let rows: Vec<_> = messages
            .iter()
            .map(|text| Batch::message(Bytes::from_static(text.as_bytes())).unwrap())
            .collect();
        let range = (Offset::new(start), Offset::new(start + messages.len() as u64));
        Frame::encode(Framing::Json, &rows, range, false, 5)
    }

    #[test]
    fn a_ring_gives_whole_frames_or_nothing() {
        let mut ring = Ring::new(Offset::new(10));
        ring.push(frame(10, &["1", "2"]));
        ring.push(frame(12, &["3"]));
        assert_eq!(ring.tail(), Offset::new(13));
        assert_eq!(ring.since(Offset::new(10), 9_999).map(|frames| frames.len()), Some(2));
        assert_eq!(ring.since(Offset::new(12), 9_999).map(|frames| frames.len()), Some(1));
        for not_there in [0, 9, 11, 13, 14] {
            assert!(ring.since(Offset::new(not_there), 9_999).is_none(), "{not_there}");
        }
        // A large one is given all the same.
        assert_eq!(ring.since(Offset::new(10), 1).map(|frames| frames.len()), Some(1));
        ring.trim(1);
        assert!(ring.since(Offset::new(10), 9_999).is_none());
        assert!(ring.since(Offset::new(12), 9_999).is_some());
        ring.clear();
        assert_eq!((ring.bytes(), ring.tail()), (0, Offset::new(13)));
    }

    #[test]
    fn only_the_last_of_many_frames_says_up_to_date() {
        let frames = [frame(0, &["1"]), frame(1, &["2"])];
        let joined = pieces(&frames, true, None).concat();
        let text = String::from_utf8(joined).unwrap();
        let said: Vec<_> = text.split("event: control").map(|part| part.contains("upToDate")).collect();
        assert_eq!(said, [false, false, true]);
        let behind = String::from_utf8(pieces(&frames, false, None).concat()).unwrap();
        assert!(behind.matches("event: control").count() == 2 && !behind.contains("upToDate"), "{behind}");
        let closed = pieces(&frames, true, Some(Bytes::from_static(b"END"))).concat();
        assert!(closed.ends_with(b"[2]\n\nEND"));
        assert!(!String::from_utf8(closed).unwrap().contains("upToDate"));
    }
}
