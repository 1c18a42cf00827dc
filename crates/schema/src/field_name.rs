//! Names of fields, kept so that the parser compares a key in one to three steps. Must not know any field.

use core::fmt;

use crate::parser::word_at;

/// Longest name of a field, in bytes.
pub const FIELD_NAME_BYTES_MAX: usize = 19;

/// Room for the longest name with its quotes and the colon, in whole words.
const PACKED_BYTES: usize = 24;

/// The name of a field: plain ASCII that stands in JSON as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldName {
    /// A quote, the name, a quote, a colon, zeros.
    packed: [u8; PACKED_BYTES],
    len: u8,
}

impl FieldName {
    /// Evaluated in a constant, a name that is too long or would need an escape is an error at compile time.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        let name = name.as_bytes();
        assert!(!name.is_empty() && name.len() <= FIELD_NAME_BYTES_MAX, "a name of 1 to 19 bytes");
        let mut packed = [0; PACKED_BYTES];
        packed[0] = b'"';
        let mut i = 0;
        while i < name.len() {
            assert!(name[i].is_ascii_alphanumeric() || name[i] == b'_', "a plain name");
            i += 1;
            packed[i] = name[i - 1];
        }
        packed[i + 1] = b'"';
        packed[i + 2] = b':';
        Self { packed, len: i as u8 }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Appends it. Unlike `as_str` it links no check of UTF-8, which ASCII does not need.
    pub(crate) fn push_to(&self, text: &mut String) {
        for byte in self.as_bytes() {
            text.push(char::from(*byte));
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.packed.get(1..=self.len as usize).unwrap_or_default()
    }

    /// Bytes of the name as it is written: two quotes and the colon included.
    pub(crate) const fn written_len(&self) -> usize {
        self.len as usize + 3
    }

    /// Whether `text` goes on at `at` with this name in quotes, and the colon, as nearly every writer writes it.
    #[inline]
    pub(crate) fn stands_at(&self, text: &[u8], at: usize) -> bool {
        let len = self.written_len();
        let Some(found) = text.get(at..).and_then(<[u8]>::first_chunk::<PACKED_BYTES>) else {
            return text.get(at..at + len) == self.packed.get(..len);
        };
        // Words of a fixed place and no call: a comparison of slices is a loop over bytes on wasm.
        let differs = |n: usize| word_at(found, n) ^ word_at(&self.packed, n);
        if len <= 8 {
            return differs(0) << (64 - 8 * len) == 0;
        }
        if differs(0) != 0 {
            return false;
        }
        if len <= 16 {
            return differs(8) << (128 - 8 * len) == 0;
        }
        differs(8) == 0 && differs(16) << (8 * (PACKED_BYTES - len)) == 0
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_where_its_bytes_quotes_and_colon_do() {
        for len in 1..=FIELD_NAME_BYTES_MAX {
            let text: String = ('a'..='z').take(len).collect();
            let name = FieldName::new(&text);
            assert_eq!((name.as_str(), name.written_len()), (text.as_str(), len + 3));
            for behind in ["", "1}", "\"something longer than the room for a name\""] {
                let json = format!("{{\"{text}\":{behind}");
                assert!(name.stands_at(json.as_bytes(), 1), "{json}");
                assert!(!name.stands_at(json.as_bytes(), 0) && !name.stands_at(json.as_bytes(), 2), "{json}");
                for changed in 1..len + 4 {
                    let mut json = json.clone().into_bytes();
                    json[changed] ^= 1;
                    assert!(!name.stands_at(&json, 1), "byte {changed} of {json:?}");
                    json.truncate(changed);
                    assert!(!name.stands_at(&json, 1), "cut at {changed}");
                }
            }
        }
    }
}
