//! Frames and segment heads as bytes. Must not know files, nor what a frame's body means.
//!
//! ```text
//! segment head   "dslog\0\0\1" | segment u64 | first sequence u64 | salt u64 | xxh3 of these u64
//! frame head     "DSFR" | kind u8, 0, 0, 0 | sequence u64 | body length u64 | xxh3 of the body u64 | xxh3 of these u64
//! ```
//!
//! Integers are little endian. Every checksum is seeded: a head's with the salt of its segment, a body's with its
//! sequence. The salt is random, so that nobody can append a payload that looks like a frame of the log it ends
//! up in, and a frame of another segment is none of this one.

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const SEGMENT_HEAD_LEN: usize = 40;
pub(crate) const FRAME_HEAD_LEN: usize = 40;
/// What every frame starts with.
pub(crate) const FRAME_MAGIC: &[u8; 4] = b"DSFR";
/// Name and version of the format.
const SEGMENT_MAGIC: &[u8; 8] = b"dslog\0\0\x01";
const SEGMENT_SEED: u64 = 0x6473_6c6f_6700_0001;

/// What stands at the start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) number: u64,
    /// The sequence of its first frame: where the segment before must have ended.
    pub(crate) first_sequence: u64,
    pub(crate) salt: u64,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD_LEN] {
        let mut head = [0; SEGMENT_HEAD_LEN];
        head[..8].copy_from_slice(SEGMENT_MAGIC);
        put_u64(&mut head, 8, self.number);
        put_u64(&mut head, 16, self.first_sequence);
        put_u64(&mut head, 24, self.salt);
        let sum = xxh3_64_with_seed(&head[..32], SEGMENT_SEED);
        put_u64(&mut head, 32, sum);
        head
    }

    pub(crate) fn decode(head: &[u8]) -> Option<Self> {
        let head = head.first_chunk::<SEGMENT_HEAD_LEN>()?;
        let is_whole = head[..8] == SEGMENT_MAGIC[..]
            && get_u64(head, 32) == xxh3_64_with_seed(&head[..32], SEGMENT_SEED);
        is_whole.then(|| Self {
            number: get_u64(head, 8),
            first_sequence: get_u64(head, 16),
            salt: get_u64(head, 24),
        })
    }
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One group of changes.
    Writes,
    /// The last frame of a segment: there is a next one.
    Seal,
}

/// What stands before the body of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) kind: Kind,
    pub(crate) sequence: u64,
    pub(crate) body_len: u64,
    body_sum: u64,
}

impl FrameHead {
    pub(crate) fn new(kind: Kind, sequence: u64, body: &[u8]) -> Self {
        Self { kind, sequence, body_len: body.len() as u64, body_sum: xxh3_64_with_seed(body, sequence) }
    }

    pub(crate) fn encode(&self, salt: u64) -> [u8; FRAME_HEAD_LEN] {
        let mut head = [0; FRAME_HEAD_LEN];
        head[..4].copy_from_slice(FRAME_MAGIC);
        head[4] = match self.kind {
            Kind::Writes => 1,
            Kind::Seal => 2,
        };
        put_u64(&mut head, 8, self.sequence);
        put_u64(&mut head, 16, self.body_len);
        put_u64(&mut head, 24, self.body_sum);
        let sum = xxh3_64_with_seed(&head[..32], salt);
        put_u64(&mut head, 32, sum);
        head
    }

    /// The head at the start of `bytes`, if it is one of a segment with this salt.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let head = bytes.first_chunk::<FRAME_HEAD_LEN>()?;
        if head[..4] != FRAME_MAGIC[..] || get_u64(head, 32) != xxh3_64_with_seed(&head[..32], salt) {
            return None;
        }
        let kind = match head[4] {
            1 => Kind::Writes,
            2 => Kind::Seal,
            _ => return None,
        };
        Some(Self {
            kind,
            sequence: get_u64(head, 8),
            body_len: get_u64(head, 16),
            body_sum: get_u64(head, 24),
        })
    }

    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        body.len() as u64 == self.body_len && xxh3_64_with_seed(body, self.sequence) == self.body_sum
    }
}

fn put_u64(head: &mut [u8], at: usize, value: u64) {
    head[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn get_u64(head: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back_and_every_changed_bit_is_noticed() {
        let segment = SegmentHead { number: 7, first_sequence: 8, salt: 9 };
        let bytes = segment.encode();
        assert_eq!(SegmentHead::decode(&bytes), Some(segment));
        let frame = FrameHead::new(Kind::Writes, 10, b"body");
        let frame_bytes = frame.encode(9);
        assert_eq!(FrameHead::decode(&frame_bytes, 9), Some(frame));
        assert!(frame.fits(b"body") && !frame.fits(b"bodz") && !frame.fits(b"bod"));
        for at in 0..SEGMENT_HEAD_LEN * 8 {
            let (mut bad, mut bad_frame) = (bytes, frame_bytes);
            bad[at / 8] ^= 1 << (at % 8);
            bad_frame[at / 8] ^= 1 << (at % 8);
            assert_eq!(SegmentHead::decode(&bad), None);
            assert_eq!(FrameHead::decode(&bad_frame, 9), None);
        }
        for cut in 0..SEGMENT_HEAD_LEN {
            assert_eq!(SegmentHead::decode(&bytes[..cut]), None);
            assert_eq!(FrameHead::decode(&frame_bytes[..cut], 9), None);
        }
    }

    #[test]
    fn a_frame_belongs_to_one_segment_and_a_body_to_one_frame() {
        let frame = FrameHead::new(Kind::Seal, 10, b"");
        assert_eq!(FrameHead::decode(&frame.encode(9), 8), None);
        let other = FrameHead { sequence: 11, ..FrameHead::new(Kind::Writes, 10, b"body") };
        assert!(!other.fits(b"body"));
    }

    #[test]
    fn the_format_is_pinned() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let segment = SegmentHead { number: 1, first_sequence: 2, salt: 3 };
        assert_eq!(
            hex(&segment.encode()),
            "64736c6f67000001010000000000000002000000000000000300000000000000fe3a0da21198c448"
        );
        assert_eq!(
            hex(&FrameHead::new(Kind::Writes, 4, b"body").encode(3)),
            "4453465201000000040000000000000004000000000000009397eaa26c65eecb57910dafbcb87929"
        );
    }
}
