//! Writes SSE frames. Whatever a payload holds, it cannot end its frame or start another field: every CR, LF and
//! CRLF in it becomes a new `data:` line.

use super::{EVENT_CONTROL, EVENT_DATA, base64};
use crate::Control;
use crate::swar::find_line_end;

/// A `data` event of a text stream.
pub fn encode_data_event(out: &mut Vec<u8>, payload: &[u8]) {
    encode_frame(out, Some(EVENT_DATA), None, &[payload]);
}

/// A `data` event of a JSON stream: the array of `messages`, which are already joined by `,`.
pub fn encode_json_data_event(out: &mut Vec<u8>, messages: &[u8]) {
    encode_frame(out, Some(EVENT_DATA), None, &[b"[", messages, b"]"]);
}

/// A `data` event of a binary stream (`Stream-SSE-Data-Encoding: base64`).
pub fn encode_base64_data_event(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"event: data\ndata:");
    base64::encode(out, bytes);
    out.extend_from_slice(b"\n\n");
}

/// The `control` event after data.
pub fn encode_control_event(out: &mut Vec<u8>, control: &Control) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(EVENT_CONTROL.as_bytes());
    out.extend_from_slice(b"\ndata:");
    // JSON escapes every control character, so this is one line whatever the tokens hold.
    control.encode(out);
    out.extend_from_slice(b"\n\n");
}

/// A comment, such as the ping `: ping`; readers ignore it, but it proves that the connection lives.
pub fn encode_comment(out: &mut Vec<u8>, text: &str) {
    write_lines(out, b": ", &[text.as_bytes()]);
    out.push(b'\n');
}

/// Tells a plain `EventSource` how long to wait before it reconnects.
pub fn encode_retry(out: &mut Vec<u8>, retry_ms: u32) {
    out.extend_from_slice(b"retry: ");
    out.extend_from_slice(retry_ms.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// Any frame: an event name and an id if wanted, and a payload given in parts that are not copied together.
/// Line breaks and NUL are left out of names and ids, where SSE has no way to carry them.
pub fn encode_frame(out: &mut Vec<u8>, event: Option<&str>, id: Option<&str>, payload: &[&[u8]]) {
    out.reserve(payload.iter().map(|part| part.len()).sum::<usize>() + 32);
    for (field, value) in [("event: ", event), ("id: ", id)] {
        if let Some(value) = value {
            out.extend_from_slice(field.as_bytes());
            out.extend(value.bytes().filter(|b| !matches!(b, b'\r' | b'\n' | 0)));
            out.push(b'\n');
        }
    }
    write_lines(out, b"data:", payload);
    out.push(b'\n');
}

/// Readers drop one space after the colon, so it is written only before a line that begins with a space itself:
/// the conformance suite looks for `data:` right before the payload.
fn begin(out: &mut Vec<u8>, empty_line: bool, rest: &[u8]) {
    if empty_line && rest.first() == Some(&b' ') {
        out.push(b' ');
    }
}

fn write_lines(out: &mut Vec<u8>, prefix: &[u8], parts: &[&[u8]]) {
    out.extend_from_slice(prefix);
    // Whether the line just begun is still empty: what follows may bring its first byte.
    let mut empty_line = true;
    // A CRLF may be cut by the border of two parts.
    let mut after_cr = false;
    for part in parts {
        let mut rest = *part;
        if after_cr && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        while let Some(stop) = find_line_end(rest) {
            begin(out, empty_line, rest);
            out.extend_from_slice(&rest[..stop]);
            out.push(b'\n');
            out.extend_from_slice(prefix);
            empty_line = true;
            let width = if rest[stop..].starts_with(b"\r\n") { 2 } else { 1 };
            after_cr = width == 1 && rest[stop] == b'\r' && stop + 1 == rest.len();
            rest = &rest[stop + width..];
        }
        begin(out, empty_line, rest);
        out.extend_from_slice(rest);
        empty_line &= rest.is_empty();
        after_cr &= rest.is_empty();
    }
    out.push(b'\n');
}
