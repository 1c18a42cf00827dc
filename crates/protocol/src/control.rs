//! Control events of SSE answers, PROTOCOL.md section 5.8: encoded and read by hand, because the reader is linked
//! into the browser package, where a JSON library would cost more than everything else here together.

use core::ops::Range;

use crate::OffsetToken;

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
    #[error("the control event is not JSON: unexpected text at byte {at}")]
    Json {
        /// Where reading stopped.
        at: usize,
    },
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
        let mut scan = Scan { text, at: 0, fields: Fields::default() };
        let is_object = scan.token() == b'{';
        scan.at = 0;
        // Invalid UTF-8 anywhere: not JSON.
        if core::str::from_utf8(text).is_err() || !scan.value(0) || scan.token() != END {
            return Err(MalformedControl::Json { at: scan.at.min(text.len()) });
        }
        if !is_object {
            return Err(MalformedControl::NotAnObject);
        }
        let Fields { next_offset, cursor, up_to_date, closed, message_count } = scan.fields;
        let Some(Ok(next_offset)) = next_offset.map(|token| token.parse()) else {
            return Err(MalformedControl::NextOffset);
        };
        Ok(Self {
            next_offset,
            cursor: cursor.filter(|cursor| !cursor.is_empty() && cursor.len() <= CURSOR_BYTES_MAX),
            // A closed stream at its final offset is up to date by definition.
            up_to_date: up_to_date || closed,
            closed,
            message_count,
        })
    }
}

/// What [`Scan::token`] answers at the end; this byte starts nothing in JSON.
const END: u8 = 0;
/// Deepest nesting that is followed. Control events of today have none.
const DEPTH_MAX: u32 = 64;

#[derive(Default)]
struct Fields {
    next_offset: Option<String>,
    cursor: Option<String>,
    up_to_date: bool,
    closed: bool,
    message_count: Option<u64>,
}

/// One pass over the text. Not [`crate::json`]: that one says what is wrong with an append and is made for speed,
/// this one is a tenth of its code.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    fields: Fields,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> u8 {
        let byte = self.text.get(self.at).copied().unwrap_or(END);
        self.at += 1;
        byte
    }

    /// The first byte that is no white space.
    #[inline(never)]
    fn token(&mut self) -> u8 {
        loop {
            let byte = self.next();
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
        }
    }

    /// Moves behind the string whose quote has been read.
    #[inline(never)]
    fn string(&mut self) -> bool {
        loop {
            match self.next() {
                b'"' => return true,
                b'\\' => match self.next() {
                    b'u' => {
                        for _ in 0..4 {
                            if !self.next().is_ascii_hexdigit() {
                                return false;
                            }
                        }
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    _ => return false,
                },
                0..=0x1f => return false,
                _ => {}
            }
        }
    }

    fn word(&mut self, rest: &[u8]) -> bool {
        let found = self.text.get(self.at..).is_some_and(|text| text.starts_with(rest));
        self.at += rest.len();
        found
    }

    /// Moves behind one value, `depth` containers deep; false where the text is no JSON. Recursion is bounded.
    fn value(&mut self, depth: u32) -> bool {
        let open = self.token();
        match open {
            b'"' => return self.string(),
            b't' => return self.word(b"rue"),
            b'f' => return self.word(b"alse"),
            b'n' => return self.word(b"ull"),
            // No number but a count means anything here, so only where it ends matters.
            b'-' | b'0'..=b'9' => {
                while matches!(self.next(), b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {}
                self.at -= 1;
                return true;
            }
            b'{' | b'[' if depth < DEPTH_MAX => {}
            _ => return false,
        }
        // In ASCII the closing bracket of either kind is the opening one plus 2.
        let close = open + 2;
        let inside = self.at;
        if self.token() == close {
            return true;
        }
        self.at = inside;
        loop {
            let key = self.at;
            if open == b'{' && !(self.token() == b'"' && self.string()) {
                return false;
            }
            let key_end = self.at;
            if open == b'{' && self.token() != b':' {
                return false;
            }
            let value = self.at;
            if !self.value(depth + 1) {
                return false;
            }
            if depth == 0 && open == b'{' {
                let part = |range: Range<usize>| self.text.get(range).unwrap_or_default().trim_ascii();
                let (key, value) = (part(key..key_end), part(value..self.at));
                self.field(key, value);
            }
            let end = self.token();
            if end != b',' {
                return end == close;
            }
        }
    }

    #[inline(never)]
    fn field(&mut self, key: &[u8], value: &[u8]) {
        let decoded;
        let mut key = key.get(1..key.len() - 1).unwrap_or_default();
        if key.contains(&b'\\') {
            decoded = unescape(key).unwrap_or_default();
            key = decoded.as_bytes();
        }
        let fields = &mut self.fields;
        match key {
            b"streamNextOffset" => fields.next_offset = string(value),
            b"streamCursor" => fields.cursor = string(value),
            b"upToDate" => fields.up_to_date = value == b"true",
            b"streamClosed" => fields.closed = value == b"true",
            b"streamMessageCount" => fields.message_count = count(value),
            _ => {}
        }
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

fn string(value: &[u8]) -> Option<String> {
    match value {
        [b'"', contents @ .., b'"'] => unescape(contents),
        _ => None,
    }
}

/// Decodes the contents of a string that the scan has passed; `None` for a lone surrogate.
#[inline(never)]
fn unescape(mut rest: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let mut byte = *byte;
        if byte == b'\\' {
            let (escape, tail) = rest.split_first()?;
            rest = tail;
            byte = match escape {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let mut code = hex(&mut rest)?;
                    if code & 0xfc00 == 0xd800 {
                        rest = rest.strip_prefix(b"\\u")?;
                        let low = hex(&mut rest).filter(|low| low & 0xfc00 == 0xdc00)?;
                        code = 0x1_0000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
                    }
                    decoded.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                plain => *plain,
            };
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

#[inline(never)]
fn hex(rest: &mut &[u8]) -> Option<u32> {
    let (digits, tail) = rest.split_at_checked(4)?;
    *rest = tail;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
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
            assert!(matches!(parse(text), Err(MalformedControl::Json { .. })), "{text}");
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
