//! The strings of a batch while it grows. Must not know what they are.
//!
//! Values are short, and copying a few bytes is most of what the encoder does. On wasm every `memcpy` of a length not
//! known at compile time is a `memory.copy`, which engines carry out by a call out of the module: for ten bytes that
//! costs several times the copy. So short values are copied in whole blocks of 16 bytes, past their end, which needs
//! the source to go on behind the value and the buffer to have room behind its end.

use durable_sessions_schema::{UTF16_SLACK_BYTES, encode_utf16};

/// Copied at once; a pair of 64-bit loads and stores.
const BLOCK: usize = 16;
/// Longer values are worth the call.
const SHORT_BYTES_MAX: usize = 4 * BLOCK;
// What is short is written in so many bytes, whatever its length.
const _: () = assert!(SHORT_BYTES_MAX >= UTF16_SLACK_BYTES);

#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Initialised to its whole length; written up to `end`.
    bytes: Vec<u8>,
    end: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.end
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(len);
    }

    #[inline]
    pub(super) fn clear(&mut self, kept_bytes_max: usize) {
        self.end = 0;
        if self.bytes.len() > kept_bytes_max {
            self.bytes = Vec::new();
        }
    }

    #[inline]
    pub(super) fn written(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or_default()
    }

    /// Room for `n` more bytes and as many as may be written past them.
    #[inline]
    pub(super) fn reserve(&mut self, n: usize) {
        let needed = self.end + n + SHORT_BYTES_MAX;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.max(self.bytes.len() * 2), 0);
        }
    }

    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Appends `text` in UTF-16, little endian: how many units that were.
    pub(super) fn push_utf16(&mut self, text: &[u8]) -> usize {
        self.reserve(2 * text.len());
        let units = encode_utf16(text, self.bytes.get_mut(self.end..).unwrap_or_default());
        self.end += 2 * units;
        units
    }

    /// Appends `value`, which is a part of `text`. The caller has reserved for it.
    #[inline]
    pub(super) fn push_part(&mut self, text: &[u8], value: &[u8]) {
        let len = value.len();
        let at = (value.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        if let Some(source) = text.get(at..at.saturating_add(SHORT_BYTES_MAX))
            && let Some(target) = self.bytes.get_mut(self.end..self.end + SHORT_BYTES_MAX)
            && len <= SHORT_BYTES_MAX
        {
            // Written out rather than looped: a loop would be turned back into the very call.
            copy_block::<0>(source, target);
            if len > BLOCK {
                copy_block::<1>(source, target);
                if len > 2 * BLOCK {
                    copy_block::<2>(source, target);
                    copy_block::<3>(source, target);
                }
            }
            self.end += len;
        } else {
            self.extend_from_slice(value);
        }
    }
}

/// Copies block `N` of `source` to the same place in `target`.
fn copy_block<const N: usize>(source: &[u8], target: &mut [u8]) {
    if let Some(from) = source.get(N * BLOCK..(N + 1) * BLOCK)
        && let Some(to) = target.get_mut(N * BLOCK..(N + 1) * BLOCK)
    {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_every_length_and_place_are_copied_exactly() {
        let text: Vec<u8> = (0..200u8).collect();
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        for len in 0..=130 {
            for at in [0, 1, 7, text.len() - len] {
                let value = &text[at..at + len];
                buffer.reserve(len);
                buffer.push_part(&text, value);
                expected.extend_from_slice(value);
            }
        }
        assert_eq!(buffer.written(), expected);
    }

    #[test]
    fn wide_strings_of_every_length_are_written_whole_at_the_edge_of_the_room() {
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        for len in 0..=40 {
            for character in ["é", "中", "\u{1f600}", "中a"] {
                let text = character.repeat(len);
                let units = buffer.push_utf16(text.as_bytes());
                assert_eq!(units, text.encode_utf16().count(), "{text}");
                expected.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            }
        }
        assert_eq!(buffer.written(), expected);
    }

    #[test]
    fn a_value_from_elsewhere_is_copied_too() {
        let mut buffer = Buffer::default();
        buffer.push_part(b"text", b"a value of another text, long enough to matter for the blocks");
        assert_eq!(buffer.written(), b"a value of another text, long enough to matter for the blocks");
    }
}
