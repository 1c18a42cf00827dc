//! Control events of SSE answers, PROTOCOL.md section 5.8: encoded and read by hand, because the reader is linked
//! into the browser package, where a JSON library would cost more than everything else here together.

use core::ops::Range;
use std::borrow::Cow;

use crate::OffsetToken;
use crate::json::{JsonError, Scanner};

/// Longest `streamCursor` that is kept; a longer one is dropped, which only costs collapsing.
const CURSOR_BYTES_MAX: usize = 256;
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

/// Why a control event could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedControl {
    /// Not JSON.
    #[error("the control event is not JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but not an object.
    #[error("the control event is not a JSON object")]
    NotAnObject,
    /// No `streamNextOffset`, or one that is no offset token.
    #[error("the control event has no valid streamNextOffset")]
    NextOffset,
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

    /// Reads the object. Unknown fields, any order, escapes and white space are fine; of fields given twice the
    /// last counts. Optional fields of a wrong type are treated as absent, as a newer server may change them.
    ///
    /// # Errors
    /// [`MalformedControl`] when it cannot say where to resume.
    pub fn parse(text: &[u8]) -> Result<Self, MalformedControl> {
        let mut scanner = Scanner::new(text)?;
        scanner.white_space();
        if !scanner.eat(b'{') {
            scanner.value()?;
            return Err(MalformedControl::NotAnObject);
        }
        let (mut next_offset, mut cursor, mut message_count) = (None, None, None);
        let (mut up_to_date, mut closed) = (false, false);
        scanner.white_space();
        let mut more = !scanner.eat(b'}');
        while more {
            scanner.white_space();
            let key = unescape(text, scanner.key()?);
            scanner.white_space();
            let value = scanner.value()?;
            let raw = &text[value.clone()];
            match key.as_deref() {
                Some("streamNextOffset") => next_offset = string(text, value),
                Some("streamCursor") => cursor = string(text, value),
                Some("upToDate") => up_to_date = raw == b"true",
                Some("streamClosed") => closed = raw == b"true",
                Some("streamMessageCount") => message_count = count(raw),
                _ => {}
            }
            scanner.white_space();
            more = scanner.eat(b',');
            if !more && !scanner.eat(b'}') {
                return Err(scanner.error(crate::json::JsonProblem::Separator).into());
            }
        }
        scanner.finish()?;
        Ok(Self {
            next_offset: next_offset
                .and_then(|token| token.parse().ok())
                .ok_or(MalformedControl::NextOffset)?,
            cursor: cursor.filter(|cursor| !cursor.is_empty() && cursor.len() <= CURSOR_BYTES_MAX),
            // A closed stream at its final offset is up to date by definition.
            up_to_date: up_to_date || closed,
            closed,
            message_count,
        })
    }
}

fn count(raw: &[u8]) -> Option<u64> {
    if raw.len() > 16 {
        return None;
    }
    let mut number = 0u64;
    for &b in raw {
        number = number * 10 + u64::from(b.is_ascii_digit().then(|| b - b'0')?);
    }
    Some(number).filter(|&n| n <= MESSAGE_COUNT_MAX)
}

fn string(text: &[u8], value: Range<usize>) -> Option<String> {
    if text.get(value.start) != Some(&b'"') {
        return None;
    }
    unescape(text, value.start + 1..value.end - 1).map(Cow::into_owned)
}

/// Decodes the contents of a string that the scanner has passed; `None` for a lone surrogate. Strings without
/// escapes, which is nearly all, are borrowed. Bytes rather than `str` slices: the panics of those would link
/// tables of Unicode into the browser package.
fn unescape(text: &[u8], raw: Range<usize>) -> Option<Cow<'_, str>> {
    let mut rest = text.get(raw)?;
    if !rest.contains(&b'\\') {
        return core::str::from_utf8(rest).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some(slash) = rest.iter().position(|&b| b == b'\\') {
        decoded.extend_from_slice(rest.get(..slash)?);
        let escape = *rest.get(slash + 1)?;
        rest = rest.get(slash + 2..)?;
        let decoded_char = match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = hex(&mut rest)?;
                if (0xd800..0xdc00).contains(&unit) {
                    rest = rest.strip_prefix(b"\\u")?;
                    let low = hex(&mut rest).filter(|low| (0xdc00..0xe000).contains(low))?;
                    char::from_u32(0x1_0000 + ((unit - 0xd800) << 10 | (low - 0xdc00)))?
                } else {
                    char::from_u32(unit)?
                }
            }
            plain => char::from(plain),
        };
        decoded.extend_from_slice(decoded_char.encode_utf8(&mut [0; 4]).as_bytes());
    }
    decoded.extend_from_slice(rest);
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(rest: &mut &[u8]) -> Option<u32> {
    let mut unit = 0;
    for &digit in rest.get(..4)? {
        unit = unit << 4 | char::from(digit).to_digit(16)?;
    }
    *rest = rest.get(4..)?;
    Some(unit)
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

    fn parse(text: &str) -> Result<Control, MalformedControl> {
        Control::parse(text.as_bytes())
    }

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

    #[test]
    fn other_servers_may_write_it_differently() {
        let control = parse(
            " {\n\"extra\" : {\"streamNextOffset\":[1,{}]} , \"up\\u0054oDate\":true,\"streamCursor\":\"a\\\"\\ud83d\\ude00\",\
             \"streamMessageCount\":7.5, \"streamNextOffset\" : \"1_\\u0032\\/\" } ",
        )
        .unwrap();
        assert_eq!(control.next_offset.as_str(), "1_2/");
        assert_eq!(control.cursor.as_deref(), Some("a\"😀"));
        assert!(control.up_to_date && !control.closed);
        assert_eq!(control.message_count, None);
        assert!(parse(r#"{"streamClosed":true,"streamNextOffset":"1"}"#).unwrap().up_to_date);
        assert!(!parse(r#"{"streamClosed":"true","streamNextOffset":"1"}"#).unwrap().closed);
        assert_eq!(
            parse(r#"{"streamNextOffset":"1","streamMessageCount":9007199254740992}"#).unwrap().message_count,
            None
        );
    }

    #[test]
    fn a_control_event_without_a_position_is_refused() {
        for text in [
            "{}",
            r#"{"streamNextOffset":5}"#,
            r#"{"streamNextOffset":"-1"}"#,
            r#"{"streamNextOffset":"\ud800"}"#,
        ] {
            assert_eq!(parse(text), Err(MalformedControl::NextOffset), "{text}");
        }
        assert_eq!(parse("[]"), Err(MalformedControl::NotAnObject));
        for text in ["", "{", "{]", r#"{"streamNextOffset":"1",}"#, r#"{"streamNextOffset":"1"} x"#, "nul"] {
            assert!(matches!(parse(text), Err(MalformedControl::Json(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_back(
            token in "[^\\p{Cc}]{1,40}", cursor in proptest::option::of(".{1,20}"), up: bool, closed: bool,
            count in proptest::option::of(0..=MESSAGE_COUNT_MAX),
        ) {
            prop_assume!(token.parse::<OffsetToken>().is_ok());
            let control = Control {
                next_offset: token.parse().unwrap(), cursor, up_to_date: up || closed, closed, message_count: count,
            };
            let mut out = Vec::new();
            control.encode(&mut out);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            prop_assert_eq!(Control::parse(&out), Ok(control));
        }

        #[test]
        fn damage_never_panics(at in 0usize..80, byte: u8) {
            let mut text = br#"{"streamNextOffset":"00\u00e9","streamCursor":"3\n","upToDate":true,"streamClosed":false}"#.to_vec();
            text[at] = byte;
            let _ = Control::parse(&text);
        }
    }
}
