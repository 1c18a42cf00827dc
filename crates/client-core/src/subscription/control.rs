//! Control events as a client reads them, PROTOCOL.md section 5.8: by the schema's table parser, so that the browser
//! carries one reader of JSON. Must not know what a position leads to.

use durable_sessions_protocol::{OFFSET_TOKEN_BYTES_MAX, OffsetToken};
use durable_sessions_schema::{FieldSpec, Kind, ObjectView, Parser, StructSpec};

use crate::message_count;

/// Longest `streamCursor` that is kept; a longer one is dropped, which only costs collapsing.
const CURSOR_BYTES_MAX: usize = 256;

/// Longest that a byte can be written, `\uXXXX`: what is longer still need not be decoded to be too long.
const ESCAPE_BYTES: usize = 6;

const NEXT_OFFSET: usize = 0;
const CURSOR: usize = 1;
const UP_TO_DATE: usize = 2;
const CLOSED: usize = 3;
const MESSAGE_COUNT: usize = 4;

/// What may be absent may also be of another type, as a newer server may change it: then it counts as absent.
static CONTROL: StructSpec = StructSpec::new(
    "Control",
    &[
        FieldSpec::required("streamNextOffset", Kind::Text),
        FieldSpec::optional("streamCursor", Kind::Any),
        FieldSpec::optional("upToDate", Kind::Any),
        FieldSpec::optional("streamClosed", Kind::Any),
        FieldSpec::optional("streamMessageCount", Kind::Any),
    ],
);

/// What a control event says besides its position and cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) up_to_date: bool,
    pub(super) closed: bool,
    /// How many messages stand before the position, if the server tells.
    pub(super) message_count: Option<u64>,
}

/// A control event that cannot say where to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a control event without a valid streamNextOffset")]
pub struct MalformedControl;

/// Reads control events; its buffers are used again, so that nothing is allocated per event.
#[derive(Debug, Default)]
pub(super) struct ControlReader {
    /// Read into in turn with the one that the position holds.
    next_offset: Option<OffsetToken>,
    cursor: String,
    offset: String,
}

impl ControlReader {
    /// Reads one. Unknown fields, any order, escapes and white space are fine; a field that comes twice is not.
    pub(super) fn read(&mut self, parser: &mut Parser, text: &[u8]) -> Result<Control, MalformedControl> {
        let object = parser.parse_object(text, &CONTROL).map_err(|_| MalformedControl)?;
        read_string(&object, NEXT_OFFSET, OFFSET_TOKEN_BYTES_MAX, &mut self.offset);
        let next_offset = self.offset.as_str();
        match &mut self.next_offset {
            Some(token) => token.replace(next_offset),
            None => next_offset.parse().map(|token| self.next_offset = Some(token)),
        }
        .map_err(|_| MalformedControl)?;
        read_string(&object, CURSOR, CURSOR_BYTES_MAX, &mut self.cursor);
        let is_set = |field| object.field(field) == Some(b"true");
        let closed = is_set(CLOSED);
        Ok(Control {
            // A closed stream at its final offset is up to date by definition.
            up_to_date: is_set(UP_TO_DATE) || closed,
            closed,
            message_count: object.field(MESSAGE_COUNT).and_then(message_count),
        })
    }

    /// Where to resume, as the last one that was read said. To be exchanged for the one that was good until then.
    pub(super) fn next_offset(&mut self) -> &mut Option<OffsetToken> {
        &mut self.next_offset
    }

    /// Its collapsing cursor, section 10.1; empty without one.
    pub(super) fn cursor(&self) -> &str {
        &self.cursor
    }
}

/// A field that is a string of at most so many bytes, otherwise an empty one.
fn read_string(object: &ObjectView<'_, '_>, field: usize, bytes_max: usize, text: &mut String) {
    text.clear();
    if let Some(string) =
        object.string(field).filter(|string| string.written_len() <= bytes_max * ESCAPE_BYTES)
    {
        string.push_to(text);
    }
    if text.len() > bytes_max {
        text.clear();
    }
}

/// Reads one as the protocol has it, for who passes it on.
pub(crate) fn read_control(text: &[u8]) -> Result<durable_sessions_protocol::Control, MalformedControl> {
    let mut reader = ControlReader::default();
    let Control { up_to_date, closed, message_count } = reader.read(&mut Parser::new(), text)?;
    let next_offset = reader.next_offset.take().ok_or(MalformedControl)?;
    let cursor = Some(reader.cursor()).filter(|cursor| !cursor.is_empty()).map(str::to_owned);
    Ok(durable_sessions_protocol::Control { next_offset, cursor, up_to_date, closed, message_count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_sessions_protocol::{Control as Written, MESSAGE_COUNT_MAX};
    use proptest::prelude::*;

    /// Position, cursor, the rest.
    fn read(text: &[u8]) -> Result<(String, String, Control), MalformedControl> {
        let mut reader = ControlReader::default();
        let control = reader.read(&mut Parser::new(), text)?;
        let next_offset = reader.next_offset().as_ref().map(ToString::to_string);
        Ok((next_offset.unwrap_or_default(), reader.cursor().to_owned(), control))
    }

    #[test]
    fn what_is_too_long_is_told_by_the_value_however_it_is_written() {
        let control = |offset: usize, cursor: usize| {
            let [offset, cursor] = [offset, cursor].map(|length| "\\u0061".repeat(length));
            read(format!(r#"{{"streamNextOffset":"{offset}","streamCursor":"{cursor}"}}"#).as_bytes())
        };
        let (offset, cursor, _) = control(OFFSET_TOKEN_BYTES_MAX, CURSOR_BYTES_MAX).unwrap();
        assert_eq!((offset.len(), cursor.len()), (OFFSET_TOKEN_BYTES_MAX, CURSOR_BYTES_MAX));
        let (offset, cursor, _) = control(1, CURSOR_BYTES_MAX + 1).unwrap();
        assert_eq!((offset.as_str(), cursor.as_str()), ("a", ""));
        assert!(control(OFFSET_TOKEN_BYTES_MAX + 1, 1).is_err());
    }

    #[test]
    fn other_servers_may_write_it_differently() {
        let text = r#" {
"extra" : {"streamNextOffset":[1,{}]} , "up\u0054oDate":true,"streamCursor":"a\"\ud83d\ude00",
            "streamMessageCount":7.5, "streamNextOffset" : "1_\u0032\/" } "#;
        let (next_offset, cursor, control) = read(text.as_bytes()).unwrap();
        assert_eq!((next_offset.as_str(), cursor.as_str()), ("1_2/", "a\"\u{1f600}"));
        assert_eq!(control, Control { up_to_date: true, closed: false, message_count: None });
        let rest = |text: &str| read(text.as_bytes()).unwrap().2;
        assert!(rest(r#"{"streamClosed":true,"streamNextOffset":"1"}"#).up_to_date);
        assert!(!rest(r#"{"streamClosed":"true","streamNextOffset":"1"}"#).closed);
        for (count, known) in
            [("9007199254740992", None), ("9007199254740991", Some(MESSAGE_COUNT_MAX)), ("-1", None)]
        {
            let text = format!(r#"{{"streamNextOffset":"1","streamCursor":5,"streamMessageCount":{count}}}"#);
            assert_eq!(rest(&text).message_count, known);
        }
        let odd = r#"{"streamNextOffset":"5","streamCursor":"\ud800","x":1e400,"streamClosed":true}"#;
        assert!(read(odd.as_bytes()).unwrap().2.closed);
        let long = format!(r#"{{"streamNextOffset":"1","streamCursor":"{}"}}"#, "x".repeat(257));
        assert_eq!(read(long.as_bytes()).unwrap().1, "");
    }

    #[test]
    fn a_control_event_without_a_position_is_refused() {
        for text in [
            "{}",
            r#"{"streamNextOffset":5}"#,
            r#"{"streamNextOffset":""}"#,
            r#"{"streamNextOffset":"-1"}"#,
            r#"{"streamNextOffset":"1","streamNextOffset":"2"}"#,
            "[]",
            "",
            "{",
            "{]",
            r#"{"streamNextOffset":"1",}"#,
            r#"{"streamNextOffset":"1"} x"#,
            "nul",
        ] {
            assert_eq!(read(text.as_bytes()), Err(MalformedControl), "{text}");
        }
        assert_eq!(read(b"{\"streamNextOffset\":\"\xff\"}"), Err(MalformedControl));
    }

    proptest! {
        #[test]
        fn what_the_protocol_writes_is_read_back(
            token in "[^\\p{Cc}]{1,40}", cursor in proptest::option::of(".{1,20}"), up: bool, closed: bool,
            count in proptest::option::of(0..=MESSAGE_COUNT_MAX),
        ) {
            prop_assume!(token.parse::<OffsetToken>().is_ok());
            let written = Written {
                next_offset: token.parse().unwrap(), cursor: cursor.clone(), up_to_date: up, closed, message_count: count,
            };
            let mut text = Vec::new();
            written.encode(&mut text);
            let control = Control { up_to_date: up || closed, closed, message_count: count };
            prop_assert_eq!(read(&text), Ok((token, cursor.unwrap_or_default(), control)));
        }

        #[test]
        fn damage_never_panics(at in 0usize..80, byte: u8) {
            let mut text = br#"{"streamNextOffset":"00\u00e9","streamCursor":"3\n","upToDate":true,"streamClosed":false}"#.to_vec();
            text[at] = byte;
            let _ = read(&text);
        }
    }
}
