//! Standard base64 (RFC 4648 section 4) for the SSE frames of binary streams, PROTOCOL.md section 5.8.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A `data` frame of a binary stream that is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed base64 in a data frame")]
pub struct MalformedBase64;

pub(super) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or_default());
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let symbol = ALPHABET[(word >> (18 - 6 * i)) as usize & 63];
            out.push(if i > group.len() { b'=' } else { symbol });
        }
    }
}

/// The bytes of a base64 `data` frame. Line breaks, which servers may put between `data:` lines, are skipped;
/// padding and zero trailing bits are required, so that bytes have one encoding.
///
/// # Errors
/// [`MalformedBase64`].
pub fn decode_base64(text: &[u8]) -> Result<Vec<u8>, MalformedBase64> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut symbols, mut padding) = (0u32, 0u32, 0u32);
    for &symbol in text {
        let value = match symbol {
            b'\r' | b'\n' => continue,
            b'=' if symbols & 3 >= 2 => {
                padding += 1;
                0
            }
            _ if padding > 0 => return Err(MalformedBase64),
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(MalformedBase64),
        };
        word = word << 6 | u32::from(value);
        symbols += 1;
        if symbols & 3 == 0 {
            if word & ((1 << (8 * padding)) - 1) != 0 {
                return Err(MalformedBase64);
            }
            bytes.extend_from_slice(&word.to_be_bytes()[1..4 - padding as usize]);
            word = 0;
            if padding > 0 {
                // Nothing but line breaks may follow a padded group.
                symbols = 0;
                padding = 3;
            }
        }
    }
    if symbols & 3 == 0 { Ok(bytes) } else { Err(MalformedBase64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_back_across_any_line_breaks(bytes: Vec<u8>, width in 1usize..9) {
            let mut text = Vec::new();
            encode(&mut text, &bytes);
            prop_assert_eq!(text.len() % 4, 0);
            let broken = text.chunks(width).collect::<Vec<_>>().join(&b"\r\n"[..]);
            prop_assert_eq!(decode_base64(&broken), Ok(bytes));
        }

        #[test]
        fn accepts_only_what_it_would_write(text in "[A-C/+=\\n]{0,12}") {
            if let Ok(bytes) = decode_base64(text.as_bytes()) {
                let mut again = Vec::new();
                encode(&mut again, &bytes);
                prop_assert_eq!(again, text.replace('\n', "").into_bytes());
            }
        }
    }

    #[test]
    fn known_answers() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            let mut out = Vec::new();
            encode(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
        }
        for bad in ["Z", "Zg", "Zg=", "Zg=a", "Zg==Zg==", "Zh==", "=", "Z===", "Zm9v=", "Zm 9v", "Zm9v===="] {
            assert_eq!(decode_base64(bad.as_bytes()), Err(MalformedBase64), "{bad}");
        }
    }
}
