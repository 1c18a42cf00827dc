//! Finds the frames of a segment, and says how it ends. Must not know files, nor what a frame's body means.

use std::ops::Range;

use super::frame::{FRAME_HEAD_LEN, FRAME_MAGIC, FrameHead, Kind, SEGMENT_HEAD_LEN, SegmentHead};

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing, or only zeros, follow the last frame.
    Clean,
    /// With a seal: there is a next segment.
    Sealed,
    /// With bytes that are no frame, and no frame follows them: written and never acknowledged.
    Torn,
    /// With bytes that are no frame, and frames follow: what was acknowledged is damaged.
    Damaged,
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the bodies of its groups are.
    pub(super) bodies: Vec<Range<usize>>,
    /// Behind the last frame.
    pub(super) at: usize,
    pub(super) next_sequence: u64,
    pub(super) end: End,
}

/// Looks at the frames of a segment, its head included in `bytes`.
pub(super) fn scan(bytes: &[u8], head: &SegmentHead) -> Scanned {
    let mut scanned = Scanned {
        bodies: Vec::new(),
        at: SEGMENT_HEAD_LEN,
        next_sequence: head.first_sequence,
        end: End::Clean,
    };
    while let Some((kind, body)) = frame_at(bytes, scanned.at, scanned.next_sequence, head.salt) {
        scanned.at = body.end;
        scanned.next_sequence += 1;
        match kind {
            Kind::Writes => scanned.bodies.push(body),
            Kind::Seal => {
                scanned.end = End::Sealed;
                return scanned;
            }
        }
    }
    let rest = bytes.get(scanned.at..).unwrap_or_default();
    scanned.end = if rest.iter().all(|&byte| byte == 0) {
        End::Clean
    } else if has_later_frame(rest, head.salt) {
        End::Damaged
    } else {
        End::Torn
    };
    scanned
}

/// Bodies of whole groups behind damage at `at`, whatever their sequences.
pub(super) fn behind_damage(bytes: &[u8], at: usize, head: &SegmentHead) -> Vec<Range<usize>> {
    let mut bodies = Vec::new();
    let mut from = at;
    while let Some(found) = bytes.get(from..).and_then(find_magic) {
        let start = from + found;
        let sequence = FrameHead::decode(&bytes[start..], head.salt).map(|head| head.sequence);
        match sequence.and_then(|sequence| frame_at(bytes, start, sequence, head.salt)) {
            Some((kind, body)) => {
                from = body.end;
                if kind == Kind::Writes {
                    bodies.push(body);
                }
            }
            None => from = start + 1,
        }
    }
    bodies
}

fn frame_at(bytes: &[u8], at: usize, sequence: u64, salt: u64) -> Option<(Kind, Range<usize>)> {
    let head = FrameHead::decode(bytes.get(at..)?, salt).filter(|head| head.sequence == sequence)?;
    let start = at + FRAME_HEAD_LEN;
    let end = start.checked_add(usize::try_from(head.body_len).ok()?)?;
    head.fits(bytes.get(start..end)?).then_some((head.kind, start..end))
}

/// Whether a frame starts behind the first byte. Its head is enough: a frame is not begun before the one before is
/// synced.
fn has_later_frame(rest: &[u8], salt: u64) -> bool {
    let mut from = 1;
    while let Some(found) = rest.get(from..).and_then(find_magic) {
        if FrameHead::decode(&rest[from + found..], salt).is_some() {
            return true;
        }
        from += found + 1;
    }
    false
}

fn find_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: SegmentHead = SegmentHead { number: 3, first_sequence: 100, salt: 0xabcd };

    fn frame(kind: Kind, sequence: u64, body: &[u8]) -> Vec<u8> {
        [&FrameHead::new(kind, sequence, body).encode(HEAD.salt)[..], body].concat()
    }

    /// A segment with these bodies, and where its frames end.
    fn segment(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = HEAD.encode().to_vec();
        let mut ends = vec![bytes.len()];
        for (body, sequence) in bodies.iter().zip(HEAD.first_sequence..) {
            bytes.extend(frame(Kind::Writes, sequence, body));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn read<'b>(bytes: &'b [u8], scanned: &Scanned) -> Vec<&'b [u8]> {
        scanned.bodies.iter().map(|body| &bytes[body.clone()]).collect()
    }

    #[test]
    fn whole_segments_end_clean_or_sealed() {
        let bodies = vec![b"one".to_vec(), Vec::new(), vec![7; 5_000]];
        let (mut bytes, ends) = segment(&bodies);
        for (count, &end) in ends.iter().enumerate() {
            for zeros in [0, 1, 39, 5_000] {
                let part = [&bytes[..end], &vec![0; zeros]].concat();
                let scanned = scan(&part, &HEAD);
                assert_eq!((scanned.end, scanned.at), (End::Clean, end));
                assert_eq!(scanned.next_sequence, 100 + count as u64);
                assert_eq!(read(&part, &scanned), bodies[..count]);
            }
        }
        bytes.extend(frame(Kind::Seal, 103, b""));
        let scanned = scan(&bytes, &HEAD);
        assert_eq!((scanned.end, scanned.next_sequence), (End::Sealed, 104));
    }

    #[test]
    fn a_payload_that_looks_like_a_frame_of_another_segment_is_none() {
        let forged = FrameHead::new(Kind::Writes, 102, b"x").encode(HEAD.salt + 1);
        let (mut bytes, ends) = segment(&[b"one".to_vec(), [&forged[..], b"x"].concat()]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let scanned = scan(&bytes, &HEAD);
        assert_eq!((scanned.end, scanned.at), (End::Torn, ends[1]));
    }

    proptest! {
        /// Whatever happens to the last frame, those before are read, and nothing else is.
        #[test]
        fn a_last_frame_cut_or_damaged_anywhere_is_torn(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
            at in any::<prop::sample::Index>(),
            flip in 1..=255u8,
            zeros in 0..100usize,
        ) {
            let (bytes, ends) = segment(&bodies);
            let (start, end) = (ends[ends.len() - 2], bytes.len());
            let at = start + at.index(end - start);
            let before = &bodies[..bodies.len() - 1];

            let cut = [&bytes[..at], &vec![0; zeros]].concat();
            let scanned = scan(&cut, &HEAD);
            let is_empty = cut[start..].iter().all(|&byte| byte == 0);
            // Zeros at its end may be all that was cut off.
            if cut.get(..end).is_none_or(|part| part != bytes) {
                prop_assert_eq!(scanned.end, if is_empty { End::Clean } else { End::Torn });
                prop_assert_eq!(scanned.at, start);
                prop_assert_eq!(read(&cut, &scanned), before);
            }

            let mut bad = bytes;
            bad[at] ^= flip;
            let scanned = scan(&bad, &HEAD);
            prop_assert_eq!((scanned.end, scanned.at), (End::Torn, start));
            prop_assert_eq!(read(&bad, &scanned), before);
        }

        /// Damage before the last frame is never taken for its loss.
        #[test]
        fn damage_before_another_frame_is_damage(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 2..5),
            at in any::<prop::sample::Index>(),
            flip in 1..=255u8,
        ) {
            let (mut bytes, ends) = segment(&bodies);
            let at = ends[0] + at.index(ends[ends.len() - 2] - ends[0]);
            bytes[at] ^= flip;
            let scanned = scan(&bytes, &HEAD);
            let hit = ends.iter().position(|&end| end > at).unwrap() - 1;
            prop_assert_eq!((scanned.end, scanned.at), (End::Damaged, ends[hit]));
            prop_assert_eq!(read(&bytes, &scanned), &bodies[..hit]);
        }
    }
}
