//! Any stream as it is: JSON not looked into, text, bytes. What came is held until the control event that says where it
//! ends, so that every batch has a cursor and none is given twice. Must not know modes.

use std::fmt;

use durable_sessions_protocol::sse::{EVENT_CONTROL, EVENT_DATA, SseDecoder, SseItem, decode_base64};
use durable_sessions_protocol::{Control, sse};
use durable_sessions_schema::{EventView, Rejection};

use super::content::{Content, Page};
use crate::subscription::{FrameProblem, read_control};
use crate::{EventSink, MalformedControl, Millis, ResponseHead, Subscription};

/// Receives batches in order: the pieces of one, then where it ends.
pub trait BatchSink {
    /// A piece of the batch: an array of messages where the stream is JSON, otherwise the next bytes of the stream.
    fn piece(&mut self, bytes: &[u8]);
    /// The batch ends here; a reader that starts at the cursor gets what comes after it.
    fn control(&mut self, control: &Control);
    /// Something that could not be read. What it held is missing.
    fn bad(&mut self, problem: BatchProblem);
}

/// Why a part of a stream could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchProblem {
    /// A frame, or what was sent without a control event after it, is larger than the cap.
    TooLarge {
        /// The cap.
        bytes_max: usize,
    },
    /// A frame that should be base64 is not.
    Base64,
    /// A control event that cannot be read.
    Control(MalformedControl),
}

impl BatchProblem {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "FRAME_TOO_LARGE",
            Self::Base64 => "INVALID_BASE64",
            Self::Control(_) => "INVALID_CONTROL",
        }
    }
}

impl fmt::Display for BatchProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes_max } => write!(f, "over {bytes_max} bytes at once were dropped"),
            Self::Base64 => f.write_str("a frame is not base64"),
            Self::Control(problem) => problem.fmt(f),
        }
    }
}

/// Reads a stream as it is.
///
/// By SSE, text comes with every line end as LF: SSE has no other. Read by polls where that matters.
#[derive(Debug)]
pub struct Batches {
    decoder: SseDecoder,
    is_base64: bool,
    pieces: Vec<Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
    wire: Vec<u8>,
}

impl Batches {
    /// With a cap on one frame, and on what is held until a control event.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            decoder: SseDecoder::new(bytes_max),
            is_base64: false,
            pieces: Vec::new(),
            bytes: 0,
            bytes_max,
            wire: Vec::new(),
        }
    }

    fn hold(&mut self, piece: Vec<u8>, sink: &mut (dyn BatchSink + '_)) {
        if self.bytes + piece.len() > self.bytes_max {
            self.forget();
            return sink.bad(BatchProblem::TooLarge { bytes_max: self.bytes_max });
        }
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push(piece);
        }
    }

    fn forget(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }
}

impl Content for Batches {
    type Sink<'s> = dyn BatchSink + 's;

    fn begin(&mut self) {
        self.decoder.reset();
        self.forget();
    }

    fn reads(&self, _content_type: Option<&str>) -> bool {
        true
    }

    fn sse_head(&mut self, mut head: ResponseHead) -> ResponseHead {
        self.is_base64 = head.data_encoding.take_if(|encoding| encoding == "base64").is_some();
        // Messages are not counted here.
        head.message_count = None;
        head
    }

    fn push(&mut self, _inner: &mut Subscription, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    fn drain(&mut self, inner: &mut Subscription, now: Millis, sink: &mut (dyn BatchSink + '_)) {
        enum Read {
            Ping,
            Piece(Vec<u8>),
            Control(Control),
            Bad(BatchProblem),
        }
        inner.drain(now, &mut Nowhere);
        loop {
            let read = match self.decoder.next_item() {
                None => return,
                Some(SseItem::Retry(_)) => continue,
                Some(SseItem::Comment(_)) => Read::Ping,
                Some(SseItem::TooLarge { frame_bytes_max }) => {
                    Read::Bad(BatchProblem::TooLarge { bytes_max: frame_bytes_max })
                }
                Some(SseItem::Frame(frame)) if frame.event == EVENT_DATA.as_bytes() && self.is_base64 => {
                    let text: Vec<u8> =
                        frame.data.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
                    decode_base64(&text).map_or(Read::Bad(BatchProblem::Base64), Read::Piece)
                }
                Some(SseItem::Frame(frame)) if frame.event == EVENT_DATA.as_bytes() => {
                    Read::Piece(frame.data.to_vec())
                }
                Some(SseItem::Frame(frame)) if frame.event == EVENT_CONTROL.as_bytes() => {
                    read_control(frame.data)
                        .map_or_else(|problem| Read::Bad(BatchProblem::Control(problem)), Read::Control)
                }
                // Events of other names are extensions that this client did not ask for.
                Some(SseItem::Frame(_)) => continue,
            };
            match read {
                Read::Ping => {
                    inner.push(b":\n\n");
                    inner.drain(now, &mut Nowhere);
                }
                Read::Piece(piece) => self.hold(piece, sink),
                Read::Bad(problem) => sink.bad(problem),
                Read::Control(control) => {
                    for piece in self.pieces.drain(..) {
                        sink.piece(&piece);
                    }
                    self.bytes = 0;
                    let closed = control.closed;
                    settle(&mut self.wire, inner, now, control, sink);
                    if closed {
                        return;
                    }
                }
            }
        }
    }

    fn end(&mut self, inner: &mut Subscription) {
        if self.decoder.is_mid_frame() || !self.pieces.is_empty() {
            // The machine inside sees whole frames only; this one tells it that the answer was cut.
            inner.push(b"data:");
        }
    }

    fn page(
        &mut self,
        inner: &mut Subscription,
        now: Millis,
        page: Page<'_>,
        sink: &mut (dyn BatchSink + '_),
    ) {
        if !page.body.is_empty() {
            sink.piece(page.body);
        }
        settle(&mut self.wire, inner, now, page.control, sink);
    }
}

/// Moves the machine inside to the control event and passes it on.
fn settle(
    wire: &mut Vec<u8>,
    inner: &mut Subscription,
    now: Millis,
    mut control: Control,
    sink: &mut (dyn BatchSink + '_),
) {
    control.message_count = None;
    wire.clear();
    sse::encode_control_event(wire, &control);
    sink.control(&control);
    inner.push(wire);
    inner.drain(now, &mut Nowhere);
}

/// Where the machine inside delivers: it is given no messages.
pub(super) struct Nowhere;

impl EventSink for Nowhere {
    fn event(&mut self, _: &EventView<'_, '_>, _: u64) {}
    fn rejected(&mut self, _: &Rejection, _: &[u8], _: u64) {}
    fn bad_frame(&mut self, _: &FrameProblem<'_>, _: u64) {}
    fn control(&mut self, _: &str, _: u64, _: bool, _: bool) {}
    fn checkpoint(&mut self) {}
    fn rollback(&mut self) {}
}
