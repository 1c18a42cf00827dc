//! Names of fields, kept so that the parser compares a key in one or two steps. Must not know any field.

use core::fmt;

/// Longest name of a field, in bytes.
pub const FIELD_NAME_BYTES_MAX: usize = 19;

/// Room for the longest name and the quote behind it.
const PACKED_BYTES: usize = FIELD_NAME_BYTES_MAX + 1;

/// The name of a field: plain ASCII that stands in JSON as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldName {
    /// The name, a quote, zeros.
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
        let mut i = 0;
        while i < name.len() {
            assert!(name[i].is_ascii_alphanumeric() || name[i] == b'_', "a plain name");
            packed[i] = name[i];
            i += 1;
        }
        packed[i] = b'"';
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
        self.packed.get(..self.len()).unwrap_or_default()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether `text` goes on at `at`, behind a quote, with this name and the quote that ends it.
    #[inline]
    pub(crate) fn stands_at(&self, text: &[u8], at: usize) -> bool {
        let len = self.len() + 1;
        let Some(found) = text.get(at..).and_then(<[u8]>::first_chunk::<PACKED_BYTES>) else {
            return text.get(at..at + len) == self.packed.get(..len);
        };
        // Words of a fixed place and no call: a comparison of slices is a loop over bytes on wasm.
        let differs = |n: usize| word(found, n) ^ word(&self.packed, n);
        if len <= 8 {
            return differs(0) << (64 - 8 * len) == 0;
        }
        if differs(0) != 0 {
            return false;
        }
        if len <= 16 {
            return differs(8) << (128 - 8 * len) == 0;
        }
        // The last eight bytes of the room overlap the word before.
        differs(8) == 0 && differs(PACKED_BYTES - 8) << (8 * (PACKED_BYTES - len)) == 0
    }
}

#[inline]
fn word(bytes: &[u8; PACKED_BYTES], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<8>).map_or(0, |word| u64::from_le_bytes(*word))
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
    fn a_name_stands_where_its_bytes_and_the_quote_do() {
        for len in 1..=FIELD_NAME_BYTES_MAX {
            let text: String = ('a'..='z').take(len).collect();
            let name = FieldName::new(&text);
            assert_eq!((name.as_str(), name.len()), (text.as_str(), len));
            for behind in ["", ":1}", ":\"something longer than the room for a name\""] {
                let json = format!("{{\"{text}\"{behind}");
                assert!(name.stands_at(json.as_bytes(), 2), "{json}");
                assert!(!name.stands_at(json.as_bytes(), 1) && !name.stands_at(json.as_bytes(), 3), "{json}");
                for changed in 2..json.len().min(len + 3) {
                    let mut json = json.clone().into_bytes();
                    json[changed] ^= 1;
                    assert!(!name.stands_at(&json, 2), "byte {changed} of {json:?}");
                    json.truncate(changed);
                    assert!(!name.stands_at(&json, 2), "cut at {changed}");
                }
            }
        }
    }
}
