//! JSON strings: grammar, UTF-8, surrogates, decoding. Must not know what a string stands for.

use std::borrow::Cow;

use super::expected::Expected;
use super::reader::{Reader, Stop, byte, word_at};
use super::utf16::is_pair_of_three;
use crate::rejection::RejectionCode;

/// What a string that has been read contains.
#[derive(Clone, Copy)]
pub(super) struct Content {
    /// At least one escape: the text is not the value.
    pub(super) escaped: bool,
    /// At least one byte beyond ASCII.
    pub(super) wide: bool,
    /// At least one DEL, the only control character that JSON leaves alone. Of wide strings it says nothing.
    pub(super) del: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that ends a run of plain characters: a quote, a backslash, a control character. Bytes
/// above the lowest hit may be marked wrongly (borrows run upwards), which is why only that one is looked at.
#[inline]
const fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGHS
}

/// The end of the string at `at` if its text is its value: ASCII without escapes, and without DEL, so that it may be
/// an id. `None` says nothing but that the whole grammar has to look at it.
#[inline]
pub(super) fn plain_end(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        let word = word_at(text, at);
        // DEL plus one has the high bit; a carry can only come from a byte that is marked itself.
        let hits = specials(word) | ((word | word.wrapping_add(ONES)) & HIGHS);
        if hits == 0 {
            at += 8;
            continue;
        }
        at += (hits.trailing_zeros() / 8) as usize;
        return (text.get(at) == Some(&b'"')).then_some(at + 1);
    }
}

impl Reader<'_, '_> {
    /// Reads the string at the current position and moves behind it.
    pub(super) fn string(&mut self) -> Result<Content, Stop> {
        if self.peek() != b'"' {
            return Err(self.syntax("a string"));
        }
        let text = self.text;
        let mut at = self.at + 1;
        let mut escaped = false;
        let mut wide = false;
        // In ASCII only DEL plus one has the high bit, and no byte carries into the next.
        let mut dels = 0_u64;
        loop {
            // Eight bytes at a time while they are plain.
            loop {
                let word = word_at(text, at);
                let hits = specials(word) | (word & HIGHS);
                if hits != 0 {
                    let plain = hits.trailing_zeros() & !7;
                    dels |= (word & ((1 << plain) - 1)).wrapping_add(ONES);
                    at += (plain / 8) as usize;
                    break;
                }
                dels |= word.wrapping_add(ONES);
                at += 8;
            }
            match byte(text, at) {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at = at;
                    self.escape()?;
                    at = self.at;
                }
                0x80.. => {
                    wide = true;
                    // What is written beyond ASCII seldom comes alone, and the most of it has three bytes.
                    loop {
                        if is_wide_pair(word_at(text, at)) {
                            at += 6;
                            continue;
                        }
                        if byte(text, at) < 0x80 {
                            break;
                        }
                        let Some(len) = wide_len(text, at) else {
                            self.at = at;
                            return Err(self.syntax("UTF-8"));
                        };
                        at += len;
                    }
                }
                byte @ 0x20.. => {
                    dels |= u64::from(byte) + 1;
                    at += 1;
                }
                _ => {
                    self.at = at;
                    return Err(self.syntax("the rest of a string"));
                }
            }
        }
        self.at = at + 1;
        (self.plain, self.escaped) = (!(escaped || wide), escaped);
        Ok(Content { escaped, wide, del: dels & HIGHS != 0 })
    }

    /// Reads the escape at the current position.
    fn escape(&mut self) -> Result<(), Stop> {
        let start = self.at;
        match self.text.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                return Ok(());
            }
            Some(b'u') => {}
            _ => return Err(self.syntax("an escape")),
        }
        let Some(unit) = unit(self.text, start) else {
            return Err(self.syntax("four hexadecimal digits"));
        };
        self.at += 6;
        if unit & 0xf800 == 0xd800 && !self.lenient {
            let low = if unit < 0xdc00 { unit_at_escape(self.text, self.at) } else { None };
            if !matches!(low, Some(0xdc00..=0xdfff)) {
                let expected = Expected::Words("both halves of a surrogate pair");
                return Err(self.fail(RejectionCode::LoneSurrogate, start, expected));
            }
            self.at += 6;
        }
        Ok(())
    }
}

/// Whether the lowest six bytes are two characters of three bytes each (RFC 3629).
#[inline]
fn is_wide_pair(word: u64) -> bool {
    // The upper five bits of each: a shorter form would do for 0, 27 is half of a surrogate pair.
    const TOP: u64 = 0x1f00_001f;
    const ONE: u64 = 0x0100_0001;
    let tops = word << 1 & 0x1e00_001e | word >> 13 & ONE;
    // One bit above the five is the sixth: it comes out of adding 31 to anything but 0.
    let differ = (tops + TOP) & ((tops ^ (ONE * (0xd800 >> 11))) + TOP);
    is_pair_of_three(word) && differ & (ONE << 5) == ONE << 5
}

/// How many bytes the character at `at` has, which is none of ASCII; `None` if it is not UTF-8 (RFC 3629).
#[inline]
fn wide_len(text: &[u8], at: usize) -> Option<usize> {
    // Behind the end there are zeros, which go on no character.
    let word = word_at(text, at) as u32;
    // The lead is the lowest byte.
    if word & 0xc0_c0f0 == 0x80_80e0 {
        // The upper five bits of the character: a shorter form would do, or it is half of a surrogate pair.
        let top = word << 1 & 0x1e | word >> 13 & 1;
        return (top != 0 && top != 0xd800 >> 11).then_some(3);
    }
    if word & 0xc0e0 == 0x80c0 {
        return (word & 0x1e != 0).then_some(2);
    }
    // The upper five bits of U+10000 to U+10FFFF.
    let top = word << 2 & 0x1c | word >> 12 & 3;
    (word & 0xc0c0_c0f8 == 0x8080_80f0 && matches!(top, 1..=16)).then_some(4)
}

/// The code unit of the `\uXXXX` at `at`, of which the first two bytes are known to be there.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let mut unit = 0;
    for digit in text.get(at + 2..at + 6)? {
        unit = unit << 4 | char::from(*digit).to_digit(16)?;
    }
    Some(unit)
}

/// The same, or `None` if something else is at `at`.
fn unit_at_escape(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..)?.starts_with(b"\\u").then(|| unit(text, at))?
}

/// What is between the quotes.
pub(super) fn contents(raw: &[u8]) -> &[u8] {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// The value of what is between the quotes of a valid string. Half a surrogate pair, which only rejected input
/// has, becomes U+FFFD.
pub(super) fn decode(contents: &[u8]) -> Cow<'_, [u8]> {
    if run_len(contents) == contents.len() {
        return Cow::Borrowed(contents);
    }
    let mut decoded = Vec::with_capacity(contents.len());
    decode_into(contents, &mut decoded);
    Cow::Owned(decoded)
}

/// The same, as text.
pub(super) fn decode_text(contents: &[u8]) -> Cow<'_, str> {
    match decode(contents) {
        Cow::Borrowed(contents) => Cow::Borrowed(core::str::from_utf8(contents).unwrap_or_default()),
        Cow::Owned(decoded) => Cow::Owned(String::from_utf8(decoded).unwrap_or_default()),
    }
}

/// How much of the beginning is UTF-8. The browser's build has no other check of it: that of the standard library, made for
/// long texts, is half a kilobyte.
#[must_use]
pub fn utf8_len(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        match if byte(text, at) < 0x80 { Some(1) } else { wide_len(text, at) } {
            Some(len) => at += len,
            None => break,
        }
    }
    at
}

/// Appends `text`, which is valid UTF-8 (what is not becomes something else), a character at a time: for short texts.
pub(super) fn push_utf8(out: &mut String, text: &[u8]) {
    let mut rest = text.iter();
    while let Some(lead) = rest.next() {
        let mut code = u32::from(*lead);
        if code >= 0x80 {
            let tail = 1 + usize::from(code >= 0xe0) + usize::from(code >= 0xf0);
            code &= 0x3f >> tail;
            for byte in rest.by_ref().take(tail) {
                code = code << 6 | u32::from(byte & 0x3f);
            }
        }
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
}

/// Appends that value.
pub(super) fn decode_into(contents: &[u8], decoded: &mut Vec<u8>) {
    let mut at = 0;
    loop {
        let run = at + run_len(contents.get(at..).unwrap_or_default());
        decoded.extend_from_slice(contents.get(at..run).unwrap_or_default());
        let Some(escape) = contents.get(run + 1) else { return };
        at = run + 2;
        let code = match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let mut code = unit(contents, run).unwrap_or(0);
                at += 4;
                if code & 0xfc00 == 0xd800
                    && let Some(low @ 0xdc00..=0xdfff) = unit_at_escape(contents, at)
                {
                    code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
                    at += 6;
                }
                code
            }
            other => u32::from(*other),
        };
        push_code(decoded, char::from_u32(code).map_or(0xfffd, u32::from));
    }
}

/// Appends a character, smaller than the standard library does.
fn push_code(decoded: &mut Vec<u8>, code: u32) {
    if code < 0x80 {
        return decoded.push(code as u8);
    }
    let tail = 1 + u32::from(code >= 0x800) + u32::from(code >= 0x1_0000);
    decoded.push(!(0x7f_u8 >> tail) | (code >> (6 * tail)) as u8);
    for i in (0..tail).rev() {
        decoded.push(0x80 | (code >> (6 * i) & 0x3f) as u8);
    }
}

/// Bytes up to the next escape of a valid string.
fn run_len(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        // The high bit of the lowest backslash; those above it may be wrong.
        let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\\'));
        let hits = differs.wrapping_sub(ONES) & !differs & HIGHS;
        if hits != 0 {
            return i * 8 + (hits.trailing_zeros() / 8) as usize;
        }
    }
    words.len() * 8 + tail.iter().take_while(|byte| **byte != b'\\').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_utf8_is_what_the_standard_library_says(mut text in any::<String>().prop_map(String::into_bytes), cut in 0..64_usize, change: u8) {
            let cut = cut.min(text.len());
            text.truncate(text.len() - cut);
            if let Some(last) = text.last_mut() {
                *last = change;
            }
            let expected = core::str::from_utf8(&text).unwrap_or_else(|error| core::str::from_utf8(&text[..error.valid_up_to()]).unwrap());
            prop_assert_eq!(utf8_len(&text), expected.len());
            let mut pushed = String::new();
            push_utf8(&mut pushed, expected.as_bytes());
            prop_assert_eq!(&pushed, expected);
            let mut coded = Vec::new();
            for character in expected.chars() {
                push_code(&mut coded, character.into());
            }
            prop_assert_eq!(coded, expected.as_bytes());
            // Of what is not, nothing is asked but that it ends.
            push_utf8(&mut pushed, &text);
        }
    }

    #[test]
    fn a_pair_is_two_characters_of_three_bytes_whatever_is_beside_and_behind_them() {
        let is_one = |three: &[u8]| {
            core::str::from_utf8(three).is_ok_and(|text| text.chars().map(char::len_utf8).eq([3]))
        };
        let neighbours = ["中", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}"].map(str::as_bytes);
        let others =
            [b"\xed\xa0\x80", b"\xe0\x9f\xbf", b"abc", b"\xe4\xb8\"", b"\0\0\0"].map(|bytes| &bytes[..]);
        for beside in neighbours.into_iter().chain(others) {
            for lead in 0x80..=0xff {
                for second in 0..=0xff {
                    for third in [b'"', 0x7f, 0x80, 0xbf, 0xc0] {
                        let three = [lead, second, third];
                        let expected = is_one(&three) && is_one(beside);
                        for [first, second] in [[&three, beside], [beside, &three]] {
                            for behind in [[0, 0], [0xff, 0xff]] {
                                let bytes = [first, second, &behind].concat();
                                assert_eq!(is_wide_pair(word_at(&bytes, 0)), expected, "{bytes:x?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_character_is_as_long_as_the_standard_library_says_whatever_is_behind_it() {
        let ends = [b'"', 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
        for lead in 0x80..=0xff {
            for second in 0..=0xff {
                for third in ends {
                    for fourth in ends {
                        let text = [lead, second, third, fourth];
                        for length in 1..=4 {
                            let text = &text[..length];
                            let valid = match core::str::from_utf8(text) {
                                Ok(valid) => valid,
                                Err(error) => core::str::from_utf8(&text[..error.valid_up_to()]).unwrap(),
                            };
                            let expected = valid.chars().next().map(char::len_utf8);
                            assert_eq!(wide_len(text, 0), expected, "{text:x?}");
                        }
                    }
                }
            }
        }
    }
}
