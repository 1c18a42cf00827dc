//! Control events of SSE answers, PROTOCOL.md section 5.8, as a server writes them. Clients read them with the parser
//! that they have anyway (`client-core`), so that none carries a second reader of JSON. Must not know sessions.

use crate::OffsetToken;

/// Largest count of messages that is believed, 2^53 - 1: one above it could not pass through JavaScript.
pub const MESSAGE_COUNT_MAX: u64 = (1 << 53) - 1;

/// What follows every `data` event: where the reader stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Where to resume: reading from it starts with the next message.
    pub next_offset: OffsetToken,
    /// Collapsing cursor to echo, section 10.1. Absent once the stream is closed.
    pub cursor: Option<String>,
    /// Everything that existed when this was sent has been sent.
    pub up_to_date: bool,
    /// The stream is closed and its last message has been sent.
    pub closed: bool,
    /// How many messages stand before `next_offset` (`streamMessageCount`). An extension of this project: it
    /// lets clients number every message without taking tokens apart. Other servers do not send it.
    pub message_count: Option<u64>,
}

impl Control {
    /// A control event that says nothing but where the reader stands.
    #[must_use]
    pub const fn at(next_offset: OffsetToken) -> Self {
        Self { next_offset, cursor: None, up_to_date: false, closed: false, message_count: None }
    }

    /// Appends the JSON object.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"streamNextOffset\":");
        write_string(out, self.next_offset.as_str());
        if let Some(cursor) = &self.cursor {
            out.extend_from_slice(b",\"streamCursor\":");
            write_string(out, cursor);
        }
        if self.up_to_date {
            out.extend_from_slice(b",\"upToDate\":true");
        }
        if self.closed {
            out.extend_from_slice(b",\"streamClosed\":true");
        }
        if let Some(count) = self.message_count {
            out.extend_from_slice(b",\"streamMessageCount\":");
            write_number(out, count);
        }
        out.push(b'}');
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &b in text.as_bytes() {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            0..=0x1f => {
                let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(b >> 4), digit(b)]);
            }
            _ => out.push(b),
        }
    }
    out.push(b'"');
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wire_form_is_fixed() {
        let mut control = Control::at("00000000000000000012".parse().unwrap());
        control.cursor = Some("3349".into());
        control.up_to_date = true;
        control.message_count = Some(12);
        let mut out = Vec::new();
        control.encode(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"streamNextOffset":"00000000000000000012","streamCursor":"3349","upToDate":true,"streamMessageCount":12}"#
        );
        let mut out = Vec::new();
        Control { closed: true, ..Control::at("9".parse().unwrap()) }.encode(&mut out);
        assert_eq!(out, br#"{"streamNextOffset":"9","streamClosed":true}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_is_json(
            token in "[^\\p{Cc}]{1,40}", cursor in proptest::option::of(".{1,20}"), up: bool, closed: bool,
            count in proptest::option::of(0..=MESSAGE_COUNT_MAX),
        ) {
            prop_assume!(token.parse::<OffsetToken>().is_ok());
            let control = Control {
                next_offset: token.parse().unwrap(), cursor: cursor.clone(), up_to_date: up, closed, message_count: count,
            };
            let mut out = Vec::new();
            control.encode(&mut out);
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read["streamNextOffset"].as_str(), Some(token.as_str()));
            prop_assert_eq!(read["streamCursor"].as_str(), cursor.as_deref());
            prop_assert_eq!((read["upToDate"] == true, read["streamClosed"] == true), (up, closed));
            prop_assert_eq!(read["streamMessageCount"].as_u64(), count);
        }
    }
}
