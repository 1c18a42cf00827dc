//! What a load writes into each event, so that whoever reads it can tell which one it is and how long it took. Must not
//! know where events go.

use std::fmt;

const NUMBER: &[u8] = b"\"loadNumber\":";
const SENT: &[u8] = b"\"loadSentNs\":";

/// Two members for the `data` of an event; the schema keeps members that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which event of its session, from 1.
    pub number: u64,
    /// When it was sent, in nanoseconds since the load began.
    pub sent_ns: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"loadNumber\":{},\"loadSentNs\":{}", self.number, self.sent_ns)
    }
}

impl Mark {
    /// Finds the mark in an event; `None` in one that has none.
    #[must_use]
    pub fn find(event: &[u8]) -> Option<Self> {
        Some(Self { number: number_after(event, NUMBER)?, sent_ns: number_after(event, SENT)? })
    }
}

fn number_after(bytes: &[u8], name: &[u8]) -> Option<u64> {
    let start = bytes.windows(name.len()).position(|window| window == name)? + name.len();
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&bytes[start..start + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_again() {
        let mark = Mark { number: 7, sent_ns: 12_345_678_901 };
        let event = format!(r#"{{"id":"x","data":{{{mark},"text":"loadNumber 9"}}}}"#);
        assert_eq!(Mark::find(event.as_bytes()), Some(mark));
        assert_eq!(Mark::find(br#"{"type":"connected"}"#), None);
    }
}
