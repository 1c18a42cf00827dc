//! UTF-16 out of UTF-8: engines of JavaScript decode it two to three times as fast, and keep such strings in it. Here because
//! this crate is compiled for speed, for the browser too. Must not know what the text is.

/// Writes `text`, which is valid UTF-8 (what is not becomes something else), to the beginning of `target`, which has two
/// bytes of room for every byte of it. How many units that were.
#[must_use]
pub fn encode_utf16(text: &[u8], target: &mut [u8]) -> usize {
    let mut units = 0;
    let mut slots = target.as_chunks_mut::<2>().0.iter_mut();
    let mut push = |unit: u32| {
        if let Some(slot) = slots.next() {
            *slot = (unit as u16).to_le_bytes();
            units += 1;
        }
    };
    let tail = |byte: &u8| u32::from(byte & 0x3f);
    let mut rest = text;
    loop {
        let unit;
        (unit, rest) = match rest {
            [a @ ..0x80, rest @ ..] => (u32::from(*a), rest),
            [a @ 0xe0..0xf0, b, c, rest @ ..] => (u32::from(*a) << 12 | tail(b) << 6 | tail(c), rest),
            [a @ ..0xe0, b, rest @ ..] => (u32::from(a & 0x1f) << 6 | tail(b), rest),
            [a, b, c, d, rest @ ..] => {
                let code = u32::from(a & 7) << 18 | tail(b) << 12 | tail(c) << 6 | tail(d);
                push(0xd7c0 + (code >> 10));
                (0xdc00 | code & 0x3ff, rest)
            }
            _ => return units,
        };
        push(unit);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn units_are_those_of_the_standard_library(text in "(\\PC|[\u{80}-\u{7ff}]|[\u{e000}-\u{10ffff}]){0,20}") {
            let mut target = vec![0; 2 * text.len()];
            let units = encode_utf16(text.as_bytes(), &mut target);
            let expected: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(&target[..2 * units], expected);
        }

        #[test]
        fn any_bytes_in_any_room_are_no_panic(bytes: Vec<u8>, room in 0usize..9) {
            prop_assert!(encode_utf16(&bytes, &mut vec![0; room]) <= room / 2);
        }
    }
}
