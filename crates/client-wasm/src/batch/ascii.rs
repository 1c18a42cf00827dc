//! Keeps a batch in one byte per character: V8 stores a text with a single wider character in two bytes each, and so
//! every string cut from it. Must not know what the text says.

use super::text::push_escape;

/// Above one non-ASCII byte in sixteen the escapes cost more than the wider strings.
const NON_ASCII_BYTES_SHARE: usize = 16;

/// Writes `text`, JSON with non-ASCII characters in strings only, into `out` with those characters as `\uXXXX`.
/// `false`, and nothing written, when the text is ASCII already or has too many of them.
pub(super) fn escape_non_ascii(text: &[u8], out: &mut Vec<u8>) -> bool {
    if text.is_ascii() {
        return false;
    }
    let count = text.iter().filter(|byte| !byte.is_ascii()).count();
    if count > text.len() / NON_ASCII_BYTES_SHARE {
        return false;
    }
    out.clear();
    // The parser has checked the encoding; should a text ever not be UTF-8, it goes out as it is.
    let Ok(text) = core::str::from_utf8(text) else {
        return false;
    };
    out.reserve(text.len() + count * 3);
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii() {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[from..at]);
        from = at + c.len_utf8();
        for unit in c.encode_utf16(&mut [0; 2]) {
            push_escape(out, *unit);
        }
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    true
}

#[cfg(test)]
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
        assert!(out.is_empty());
    }
}
