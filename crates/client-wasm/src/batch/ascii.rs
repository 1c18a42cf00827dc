//! Keeps a batch in one byte per character: V8 stores a text with a single wider character in two bytes each, and so
//! every string cut from it. Must not know what the text says.

use super::text::push_escape;

/// Above one non-ASCII byte in sixteen the escapes cost more than the wider strings.
const NON_ASCII_BYTES_SHARE: usize = 16;

/// One bit per byte that is not ASCII.
const NON_ASCII_BITS: u64 = 0x8080_8080_8080_8080;

/// Writes `text`, JSON with non-ASCII characters in strings only, into `out` with those characters as `\uXXXX`.
/// `false` when the text is ASCII already or has too many of them; `out` is of no use then.
pub(super) fn escape_non_ascii(text: &[u8], out: &mut Vec<u8>) -> bool {
    let count = count_non_ascii(text);
    if count == 0 || count > text.len() / NON_ASCII_BYTES_SHARE {
        return false;
    }
    out.clear();
    out.reserve(text.len() + count * 3);
    let mut rest = text;
    loop {
        let (ascii, wide) = rest.split_at(ascii_len(rest));
        out.extend_from_slice(ascii);
        if wide.is_empty() {
            return true;
        }
        // The parser has checked the encoding; should a text ever not be UTF-8, it goes out as it is.
        let Some((c, len)) = first_char(wide) else { return false };
        for unit in c.encode_utf16(&mut [0; 2]) {
            push_escape(out, *unit);
        }
        rest = wide.get(len..).unwrap_or_default();
    }
}

fn count_non_ascii(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    let bits: u32 = words.iter().map(|word| (u64::from_le_bytes(*word) & NON_ASCII_BITS).count_ones()).sum();
    bits as usize + tail.iter().filter(|byte| !byte.is_ascii()).count()
}

fn ascii_len(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let bits = u64::from_le_bytes(*word) & NON_ASCII_BITS;
        if bits != 0 {
            return i * 8 + bits.trailing_zeros() as usize / 8;
        }
    }
    let tail_len = tail.iter().take_while(|byte| byte.is_ascii()).count();
    words.len() * 8 + tail_len
}

/// Decodes the multi-byte character at the front.
fn first_char(text: &[u8]) -> Option<(char, usize)> {
    let lead = u32::from(*text.first()?);
    let len = match lead {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let mut code = lead & (0xff >> (len + 1));
    for &byte in text.get(1..len)? {
        code = code << 6 | u32::from(byte & 0x3f);
    }
    Some((char::from_u32(code)?, len))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn rare_wide_characters_are_escaped_and_read_back_equal() {
        let text = serde_json::to_string(&["x".repeat(200).as_str(), "é", "😀", "\u{2028}"]).unwrap();
        let mut out = Vec::new();
        assert!(escape_non_ascii(text.as_bytes(), &mut out));
        assert!(out.is_ascii());
        assert_eq!(
            serde_json::from_slice::<Vec<String>>(&out).unwrap(),
            serde_json::from_str::<Vec<String>>(&text).unwrap()
        );
    }

    #[test]
    fn ascii_and_mostly_wide_texts_stay() {
        let mut out = Vec::new();
        assert!(!escape_non_ascii(b"[\"plain\"]", &mut out));
        assert!(!escape_non_ascii("[\"ééééé\"]".as_bytes(), &mut out));
    }

    #[test]
    fn every_place_in_a_word_is_found() {
        for at in 0..40 {
            let text = format!("\"{}é😀{}\"", "x".repeat(at), "y".repeat(120 - at));
            let mut out = Vec::new();
            assert!(escape_non_ascii(text.as_bytes(), &mut out), "{at}");
            assert!(out.is_ascii());
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text[1..text.len() - 1]);
        }
    }
}
