//! UTF-16 out of UTF-8: engines decode it two to three times as fast, and keep such strings in it. Must not know what
//! the text is.

/// Appends `text`, which is valid UTF-8; what is not becomes something else.
pub(super) fn push_utf16(out: &mut Vec<u16>, text: &[u8]) {
    // No character has more units than bytes.
    out.reserve(text.len());
    let mut rest = text;
    while let Some((&lead, behind)) = rest.split_first() {
        let next = |i: usize| u32::from(behind.get(i).copied().unwrap_or(0) & 0x3f);
        let lead = u32::from(lead);
        let (code, more) = match lead {
            ..0x80 => (lead, 0),
            ..0xe0 => ((lead & 0x1f) << 6 | next(0), 1),
            ..0xf0 => ((lead & 0xf) << 12 | next(0) << 6 | next(1), 2),
            _ => {
                let code = (lead & 7) << 18 | next(0) << 12 | next(1) << 6 | next(2);
                out.push((0xd7c0 + (code >> 10)) as u16);
                (0xdc00 | code & 0x3ff, 3)
            }
        };
        out.push(code as u16);
        rest = behind.get(more..).unwrap_or_default();
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn units_are_those_of_the_standard_library(text in "(\\PC|[\u{80}-\u{7ff}]|[\u{e000}-\u{10ffff}]){0,20}") {
            let mut out = vec![1];
            push_utf16(&mut out, text.as_bytes());
            let expected: Vec<u16> = [1].into_iter().chain(text.encode_utf16()).collect();
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn any_bytes_at_all_are_no_panic(bytes: Vec<u8>) {
            push_utf16(&mut Vec::new(), &bytes);
        }
    }
}
