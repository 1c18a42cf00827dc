//! Session events: polls are written out as the frames that SSE would have brought. Must not know modes.

use durable_sessions_protocol::json;
use durable_sessions_protocol::sse;

use super::content::{Content, Page};
use super::modes::essence;
use crate::{EventSink, Millis, ResponseHead, Subscription};

/// Messages of one page are framed in pieces of about so many bytes, far below any cap on frames.
const FRAME_BYTES: usize = 1 << 20;

/// Reads the events of a JSON stream.
#[derive(Debug, Default)]
pub struct Events {
    wire: Vec<u8>,
}

impl Content for Events {
    type Sink<'s> = dyn EventSink + 's;

    fn begin(&mut self) {}

    fn reads(&self, content_type: Option<&str>) -> bool {
        essence(content_type).eq_ignore_ascii_case(b"application/json")
    }

    fn sse_head(&mut self, head: ResponseHead) -> ResponseHead {
        head
    }

    fn push(&mut self, inner: &mut Subscription, bytes: &[u8]) {
        inner.push(bytes);
    }

    fn drain(&mut self, inner: &mut Subscription, now: Millis, sink: &mut (dyn EventSink + '_)) {
        inner.drain(now, sink);
    }

    fn end(&mut self, _inner: &mut Subscription) {}

    fn page(
        &mut self,
        inner: &mut Subscription,
        now: Millis,
        page: Page<'_>,
        sink: &mut (dyn EventSink + '_),
    ) {
        let Page { body, mut control, count } = page;
        self.wire.clear();
        match json::split_messages(body) {
            Ok(messages) => {
                control.message_count = count.map(|count| count.saturating_add(messages.ends.len() as u64));
                self.frame(messages.joined(body), &messages.ends);
            }
            Err(_) if body.is_empty() => control.message_count = count,
            // The reader says what is wrong with it, and that it cannot be counted.
            Err(_) => sse::encode_data_event(&mut self.wire, body),
        }
        sse::encode_control_event(&mut self.wire, &control);
        inner.push(&self.wire);
        inner.drain(now, sink);
        // One large page is no reason to hold so much for ever.
        self.wire.shrink_to(FRAME_BYTES);
    }
}

impl Events {
    fn frame(&mut self, joined: &[u8], ends: &[u32]) {
        let mut start = 0;
        for (i, &end) in ends.iter().enumerate() {
            let end = end as usize;
            let is_last = i + 1 == ends.len();
            if is_last || end - start >= FRAME_BYTES {
                sse::encode_json_data_event(&mut self.wire, joined.get(start..end).unwrap_or_default());
                start = end + 1;
            }
        }
    }
}
