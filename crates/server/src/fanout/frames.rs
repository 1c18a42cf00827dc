//! Encodes stored rows as SSE events. Must not know subscribers.

use durable_sessions_protocol::{ContentType, Control, Offset, OffsetToken, sse};
use durable_sessions_storage::Batch;

/// How a stream's content is written into data events, PROTOCOL.md section 5.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A JSON array of messages.
    Json,
    /// Text, as it is.
    Text,
    /// Base64 of bytes.
    Base64,
    /// Not of the protocol: one unnamed frame per message, with the cursor behind it as its id, for a plain
    /// `EventSource`. There are no control events.
    EventSource,
}

impl Framing {
    pub(crate) fn of(content_type: &ContentType) -> Self {
        if content_type.is_json() {
            Self::Json
        } else if content_type.is_text() {
            Self::Text
        } else {
            Self::Base64
        }
    }
}

/// What a control event says beside the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// More is on its way.
    Behind,
    /// At the tail.
    UpToDate,
    /// At the end of a closed stream.
    Closed,
}

/// Appends one data event with all rows, which end at `next`, and returns where it really ends: text is never
/// cut inside a character as long as its rest can follow (`more`).
pub(crate) fn encode_data(
    out: &mut Vec<u8>,
    framing: Framing,
    rows: &[Batch],
    next: Offset,
    more: bool,
) -> Offset {
    match framing {
        Framing::Json => {
            let mut parts: Vec<&[u8]> = Vec::with_capacity(rows.len() * 2 + 1);
            for (index, row) in rows.iter().enumerate() {
                parts.push(if index == 0 { b"[" } else { b"," });
                parts.push(row.body());
            }
            parts.push(b"]");
            sse::encode_frame(out, Some(sse::EVENT_DATA), None, &parts);
            next
        }
        Framing::EventSource => {
            let count: u64 = rows.iter().map(Batch::units).sum();
            let mut at = next.position().saturating_sub(count);
            for message in rows.iter().flat_map(Batch::messages) {
                at += 1;
                let cursor = Offset::new(at).to_token();
                sse::encode_frame(out, None, std::str::from_utf8(&cursor).ok(), &[&message]);
            }
            next
        }
        Framing::Base64 => {
            match rows {
                [row] => sse::encode_base64_data_event(out, row.body()),
                rows => sse::encode_base64_data_event(out, &concat(rows)),
            }
            next
        }
        Framing::Text => {
            let bytes = concat(rows);
            let whole = match std::str::from_utf8(&bytes) {
                Err(error) if more && error.error_len().is_none() && error.valid_up_to() > 0 => {
                    error.valid_up_to()
                }
                _ => bytes.len(),
            };
            match std::str::from_utf8(&bytes[..whole]) {
                Ok(text) => sse::encode_data_event(out, text.as_bytes()),
                // SSE carries UTF-8 only; a stream declared as text that is none is shown as well as can be.
                Err(_) => sse::encode_data_event(out, String::from_utf8_lossy(&bytes[..whole]).as_bytes()),
            }
            Offset::new(next.position() - (bytes.len() - whole) as u64)
        }
    }
}

/// Appends a control event. `cursor` is left out at the end of a closed stream, where nobody comes back.
pub(crate) fn encode_control(
    out: &mut Vec<u8>,
    framing: Framing,
    next: Offset,
    cursor: u64,
    standing: Standing,
) {
    if framing == Framing::EventSource {
        if standing == Standing::Closed {
            encode_closed(out, next);
        }
        return;
    }
    sse::encode_control_event(
        out,
        &Control {
            next_offset: OffsetToken::from(next),
            cursor: (standing != Standing::Closed).then(|| cursor.to_string()),
            up_to_date: standing != Standing::Behind,
            closed: standing == Standing::Closed,
            message_count: (framing == Framing::Json).then_some(next.position()),
        },
    );
}

/// The last frame a plain `EventSource` gets of a closed session. When it comes back with this id, the answer is 204,
/// which is how it is told to stop.
fn encode_closed(out: &mut Vec<u8>, next: Offset) {
    let cursor = next.to_string();
    let frame = serde_json::json!({ "type": "closed", "offset": next.position(), "cursor": cursor });
    sse::encode_frame(out, None, Some(&cursor), &[frame.to_string().as_bytes()]);
}

fn concat(rows: &[Batch]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.iter().map(|row| row.body().len()).sum());
    for row in rows {
        bytes.extend_from_slice(row.body());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(parts: &[&'static [u8]], more: bool) -> (String, u64) {
        let rows: Vec<_> = parts.iter().map(|part| Batch::bytes(Bytes::from_static(part)).unwrap()).collect();
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let mut out = Vec::new();
        let end = encode_data(&mut out, Framing::Text, &rows, Offset::new(length), more);
        (String::from_utf8(out).unwrap(), end.position())
    }

    #[test]
    fn text_is_not_cut_inside_a_character_that_goes_on() {
        assert_eq!(text(&[b"a", b"b\xc3"], true), ("event: data\ndata:ab\n\n".into(), 2));
        assert_eq!(text(&[b"b\xc3", b"\xa9"], true), ("event: data\ndata:b\u{e9}\n\n".into(), 3));
        // At the tail nothing follows yet, and a reader must not wait for it.
        assert_eq!(text(&[b"b\xc3"], false), ("event: data\ndata:b\u{fffd}\n\n".into(), 2));
        // Progress is always made.
        assert_eq!(text(&[b"\xc3"], true).1, 1);
    }

    #[test]
    fn a_plain_event_source_gets_one_frame_per_message() {
        let rows = [
            Batch::joined_messages(Bytes::from_static(b"1,2"), vec![1, 3]).unwrap(),
            Batch::message(Bytes::from_static(b"{}")).unwrap(),
        ];
        let mut out = Vec::new();
        encode_data(&mut out, Framing::EventSource, &rows, Offset::new(7), false);
        encode_control(&mut out, Framing::EventSource, Offset::new(7), 9, Standing::UpToDate);
        let frame = |n: u32, data: &str| format!("id: {n:020}\ndata:{data}\n\n");
        assert_eq!(String::from_utf8(out).unwrap(), frame(5, "1") + &frame(6, "2") + &frame(7, "{}"));
    }

    #[test]
    fn json_rows_become_one_array() {
        let rows = [
            Batch::joined_messages(Bytes::from_static(b"1,2"), vec![1, 3]).unwrap(),
            Batch::message(Bytes::from_static(b"{}")).unwrap(),
        ];
        let mut out = Vec::new();
        encode_data(&mut out, Framing::Json, &rows, Offset::new(3), false);
        encode_control(&mut out, Framing::Json, Offset::new(3), 9, Standing::UpToDate);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "event: data\ndata:[1,2,{}]\n\nevent: control\ndata:{\"streamNextOffset\":\"00000000000000000003\",\
             \"streamCursor\":\"9\",\"upToDate\":true,\"streamMessageCount\":3}\n\n"
        );
    }
}
