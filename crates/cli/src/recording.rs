//! The recording format: a session as JSON lines. Must not know servers or files.
//!
//! ```text
//! {"format":"durable-sessions-recording","version":1,"session":"run-1"}
//! {"id":"e1","type":"chunk","timestamp":1700000000000,"data":{"text":"Hello"}}
//! ...
//! ```
//!
//! Each line after the header is one message of the stream, in order, byte for byte as stored, with one
//! exception: a line break that stands between the tokens of a message becomes a space, since JSON gives it no
//! meaning and a line has to stay one line. Inside a JSON string a raw line break cannot stand.

use std::io::{self, Write};

use durable_sessions_client::schema::{Parser, Rejection};
use serde::{Deserialize, Serialize};

const FORMAT: &str = "durable-sessions-recording";
const VERSION: u32 = 1;

/// The first line of a recording. Unknown fields are left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// Which session was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// One line of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedEvent {
    /// Where it stands in the file, from 1.
    pub(crate) line: usize,
    pub(crate) json: Vec<u8>,
    pub(crate) timestamp_ms: u64,
}

/// Why a text is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    /// The first line is no header of ours.
    #[error("line 1: not the header of a recording, {{\"format\":\"{FORMAT}\",\"version\":{VERSION},...}}")]
    Header,
    /// Written by a later version.
    #[error("line 1: the recording has version {found}, this program reads version {VERSION}")]
    Version { found: u32 },
    /// A line is no valid event.
    #[error("line {line}: {rejection}")]
    Event { line: usize, rejection: Box<Rejection> },
    /// The recording was cut off while it was written.
    #[error("line {line}: cut off in the middle of an event")]
    CutOff { line: usize },
}

/// Whether `file` begins as a recording does, whatever its version.
pub(crate) fn is_recording(file: &[u8]) -> bool {
    header(file).is_some_and(|header| header.format == FORMAT)
}

fn header(file: &[u8]) -> Option<Header> {
    let first = file.split(|&byte| byte == b'\n').next()?;
    serde_json::from_slice(first).ok()
}

/// Reads a whole recording and checks every event with the validating parser.
pub(crate) fn parse(file: &[u8]) -> Result<Vec<RecordedEvent>, RecordingError> {
    match header(file) {
        Some(Header { format, version, .. }) if format == FORMAT => {
            if version != VERSION {
                return Err(RecordingError::Version { found: version });
            }
        }
        _ => return Err(RecordingError::Header),
    }
    let mut parser = Parser::new();
    let mut events = Vec::new();
    let mut lines = file.split(|&byte| byte == b'\n').enumerate().skip(1).peekable();
    while let Some((index, line)) = lines.next() {
        let line_number = index + 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parser.parse_event(line) {
            Ok(event) => {
                let timestamp_ms = event.timestamp_ms();
                events.push(RecordedEvent { line: line_number, json: line.to_vec(), timestamp_ms });
            }
            Err(_) if lines.peek().is_none() && is_cut_off(line) => {
                return Err(RecordingError::CutOff { line: line_number });
            }
            Err(rejection) => {
                return Err(RecordingError::Event { line: line_number, rejection: Box::new(rejection) });
            }
        }
    }
    Ok(events)
}

fn is_cut_off(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

/// Writes the header of a recording of `session`.
pub(crate) fn write_header(out: &mut impl Write, session: &str) -> io::Result<()> {
    let header = Header { format: FORMAT.to_owned(), version: VERSION, session: Some(session.to_owned()) };
    serde_json::to_writer(&mut *out, &header)?;
    out.write_all(b"\n")
}

/// Writes one message as a line.
pub(crate) fn write_event(out: &mut impl Write, json: &[u8]) -> io::Result<()> {
    let is_break = |&byte: &u8| matches!(byte, b'\n' | b'\r');
    if json.iter().any(is_break) {
        let line: Vec<u8> = json.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect();
        out.write_all(&line)?;
    } else {
        out.write_all(json)?;
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "{\"format\":\"durable-sessions-recording\",\"version\":1,\"session\":\"run-1\"}\n";

    fn event(id: usize, text: &str) -> String {
        let text = serde_json::to_string(text).unwrap();
        format!(
            "{{\"id\":\"e{id}\",\"type\":\"chunk\",\"timestamp\":{},\"data\":{{\"text\":{text}}}}}",
            1000 + id
        )
    }

    #[test]
    fn says_which_line_is_wrong() {
        let good = event(1, "a");
        for (file, expected) in [
            ("".to_owned(), "line 1: not the header"),
            (format!("{good}\n"), "line 1: not the header"),
            (HEADER.replace(":1,", ":2,"), "line 1: the recording has version 2"),
            (format!("{HEADER}{good}\n\nnot json\n"), "line 4: "),
            (format!("{HEADER}{good}\n{{\"id\":\"e2\"}}\n"), "line 3: "),
            (format!("{HEADER}{good}\n{}", &event(2, "b")[..30]), "line 3: cut off"),
        ] {
            let error = parse(file.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{file}: {error}");
        }
        assert!(is_recording(HEADER.as_bytes()));
        assert!(!is_recording(b"{\"trajectory\": []}"));
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        let mut out = Vec::new();
        write_event(&mut out, b"{\n  \"a\":\r\n1\n}").unwrap();
        assert_eq!(out, b"{   \"a\":  1 }\n");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_byte_for_byte(texts in proptest::collection::vec("(?s).{0,40}", 0..12)) {
            let events: Vec<String> = texts.iter().enumerate().map(|(id, text)| event(id, text)).collect();
            let mut file = Vec::new();
            write_header(&mut file, "run-1").unwrap();
            for event in &events {
                write_event(&mut file, event.as_bytes()).unwrap();
            }
            let read = parse(&file).unwrap();
            prop_assert_eq!(read.len(), events.len());
            for (index, (read, written)) in read.iter().zip(&events).enumerate() {
                prop_assert_eq!(&read.json[..], written.as_bytes());
                prop_assert_eq!(read.line, index + 2);
                prop_assert_eq!(read.timestamp_ms, 1000 + index as u64);
            }
        }
    }
}
