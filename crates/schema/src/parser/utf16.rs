//! UTF-16 out of UTF-8: engines of JavaScript decode it two to three times as fast, and keep such strings in it. Here because
//! this crate is compiled for speed, for the browser too. Must not know what the text is.

/// May be written behind the text, since it is written in whole words.
pub const UTF16_SLACK_BYTES: usize = 8;

/// Writes `text`, which is valid UTF-8 (what is not becomes something else), to the beginning of `target`, which has two
/// bytes of room for every byte of it, and [`UTF16_SLACK_BYTES`] more. How many units that were.
#[must_use]
pub fn encode_utf16(text: &[u8], target: &mut [u8]) -> usize {
    let mut end = 0;
    let tail = |byte: &u8| u32::from(byte & 0x3f);
    let mut rest = text;
    loop {
        let long = rest.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let (units, count);
        (units, count, rest) = match (long, rest) {
            (Some(word), [_, _, _, _, behind @ ..]) if word & 0x8080_8080 == 0 => {
                let spread = (word & 0xffff) | (word & 0xffff_0000) << 16;
                ((spread | spread << 8) & 0x00ff_00ff_00ff_00ff, 4, behind)
            }
            (Some(word), [_, _, _, _, _, _, behind @ ..]) if is_pair_of_three(word) => {
                let units = (word & 0x0f00_000f) << 12 | word >> 2 & 0xf_c000_0fc0 | word >> 16 & 0x3f00_003f;
                (units & 0xffff | units >> 8 & 0xffff_0000, 2, behind)
            }
            (_, [a @ ..0x80, behind @ ..]) => (u64::from(*a), 1, behind),
            (_, [a @ 0xe0..0xf0, b, c, behind @ ..]) => {
                (u64::from(u32::from(*a) << 12 & 0xf000 | tail(b) << 6 | tail(c)), 1, behind)
            }
            (_, [a @ ..0xe0, b, behind @ ..]) => (u64::from(u32::from(a & 0x1f) << 6 | tail(b)), 1, behind),
            (_, [a, b, c, d, behind @ ..]) => {
                let code = u32::from(a & 7) << 18 | tail(b) << 12 | tail(c) << 6 | tail(d);
                (u64::from((0xd7c0 + (code >> 10)) & 0xffff | (0xdc00 | code & 0x3ff) << 16), 2, behind)
            }
            _ => return end / 2,
        };
        // Whatever is behind the units that count, the next ones overwrite, or nobody reads.
        let Some(slot) = target.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<8>) else { return end / 2 };
        *slot = units.to_le_bytes();
        end += 2 * count;
    }
}

/// Whether the lowest six bytes are two characters of three bytes each, if they are UTF-8 at all.
#[inline]
pub(super) const fn is_pair_of_three(word: u64) -> bool {
    word & 0xc0c0_f0c0_c0f0 == 0x8080_e080_80e0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn units_are_those_of_the_standard_library(text in "(\\PC|[\u{80}-\u{7ff}]|[\u{800}-\u{d7ff}]{1,5}|[ -~]{1,9}|[\u{e000}-\u{10ffff}]){0,20}") {
            let mut target = vec![0; 2 * text.len() + UTF16_SLACK_BYTES];
            let units = encode_utf16(text.as_bytes(), &mut target);
            let expected: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(&target[..2 * units], expected);
        }

        #[test]
        fn any_bytes_in_any_room_are_no_panic(bytes: Vec<u8>, room in 0usize..25) {
            prop_assert!(encode_utf16(&bytes, &mut vec![0; room]) <= room / 2);
        }
    }
}
