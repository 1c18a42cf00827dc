//! Turns what a process writes, bytes in any chunks, into text. Must not know events or processes.

use std::fmt::Write as _;

/// Decodes UTF-8 incrementally: a character cut in two by a chunk boundary is held back until the rest comes,
/// and every maximal invalid sequence becomes one U+FFFD, as `String::from_utf8_lossy` does on the whole.
#[derive(Debug, Default)]
pub(super) struct Utf8Decoder {
    /// The begun character: at most three bytes.
    held: Vec<u8>,
}

impl Utf8Decoder {
    /// The text of `bytes` as far as it is complete.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let complete = self.held.len() - begun_len(&self.held);
        let text = lossy(&self.held[..complete]);
        self.held.drain(..complete);
        text
    }

    /// What is left when the process closes its output: a begun character is invalid then.
    pub(super) fn finish(&mut self) -> String {
        lossy(&std::mem::take(&mut self.held))
    }
}

/// How many bytes at the end of `bytes` begin a character without ending it.
fn begun_len(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        // `invalid()` of the last chunk is a begun character when more bytes could complete it, which is when
        // the same bytes alone give an error without a length.
        Some(chunk) if !chunk.invalid().is_empty() => match std::str::from_utf8(chunk.invalid()) {
            Err(error) if error.error_len().is_none() => chunk.invalid().len(),
            _ => 0,
        },
        _ => 0,
    }
}

fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        // Writing to a String cannot fail.
        let _ = text.write_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Cuts `text` into parts of at most `len_max` bytes, at character boundaries. `len_max` is at least four.
pub(super) fn parts(text: &str, len_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = rest.floor_char_boundary(len_max.max(4));
        let (part, after) = rest.split_at(cut);
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn holds_back_a_begun_character_and_replaces_invalid_bytes() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(decoder.decode(b"a\xF0\x9F"), "a");
        assert_eq!(decoder.decode(b"\x98\x80b"), "😀b");
        assert_eq!(decoder.decode(b"\xFFc\xE2\x82"), "\u{FFFD}c");
        assert_eq!(decoder.decode(b"x"), "\u{FFFD}x");
        assert_eq!(decoder.decode(b"\xE2"), "");
        assert_eq!(decoder.finish(), "\u{FFFD}");
        assert_eq!(decoder.finish(), "");
    }

    proptest! {
        #[test]
        fn any_chunking_gives_what_the_whole_gives(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(0xF0), Just(0x9F), Just(0x98), Just(0x80), Just(b'a')], 0..80),
            cuts in proptest::collection::vec(0usize..80, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut decoder = Utf8Decoder::default();
            let mut text = String::new();
            let mut from = 0;
            for cut in cuts {
                text += &decoder.decode(&bytes[from..cut]);
                from = cut;
            }
            text += &decoder.decode(&bytes[from..]);
            text += &decoder.finish();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned());
        }

        #[test]
        fn parts_concatenate_and_keep_the_bound(text in "(?s).{0,60}", len_max in 4usize..12) {
            let cut: Vec<&str> = parts(&text, len_max).collect();
            prop_assert_eq!(cut.concat(), text.as_str());
            prop_assert!(cut.iter().all(|part| !part.is_empty() && part.len() <= len_max));
        }
    }
}
