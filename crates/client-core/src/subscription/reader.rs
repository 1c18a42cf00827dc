//! From bytes to the sink: SSE frames, messages, the skipping of those delivered before. Must not know
//! connections, attempts or time.

use durable_sessions_protocol::OffsetToken;
use durable_sessions_protocol::sse::{EVENT_CONTROL, EVENT_DATA, SseDecoder, SseItem};
use durable_sessions_schema::{Parser, Verdict};

use super::control::{Control, ControlReader};
use super::position::{Position, Turn};
use super::sink::{EventSink, FrameProblem};

/// SSE frames with one event that is told in passing: `ephemeral=true` in the query asks for them.
const EVENT_EPHEMERAL: &str = "ephemeral";

/// What one pass over the buffered bytes found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// Something valid: the connection is useful.
    pub(super) useful: bool,
    /// A message or a cursor: the connection brought progress.
    pub(super) progress: bool,
    /// A control event said that this is the end.
    pub(super) closed: bool,
}

/// Counters for whoever shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes of bodies received.
    pub bytes: u64,
    /// Messages delivered, rejected ones included.
    pub messages: u64,
    /// Messages rejected.
    pub rejected: u64,
    /// Messages skipped because they had been delivered before.
    pub skipped: u64,
    /// Frames that could not be read.
    pub bad_frames: u64,
    /// Requests made.
    pub requests: u64,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) decoder: SseDecoder,
    pub(super) position: Position,
    parser: Parser,
    control: ControlReader,
    live_cursor: String,
    /// Messages the server skipped at the beginning of this connection, to be told with the next bytes.
    missing_at_start: u64,
}

impl Reader {
    pub(super) fn new(frame_bytes_max: usize, position: Position, parser: Parser) -> Self {
        Self {
            decoder: SseDecoder::new(frame_bytes_max),
            position,
            parser,
            control: ControlReader::default(),
            live_cursor: String::new(),
            missing_at_start: 0,
        }
    }

    pub(super) fn begin_connection(&mut self) {
        self.decoder.reset();
        self.position.begin_connection();
    }

    /// The answer says that `count` messages stand before its first one.
    pub(super) fn begin_at(&mut self, count: u64) {
        self.missing_at_start += self.position.begin_at(count);
    }

    pub(super) fn live_cursor(&self) -> Option<&str> {
        Some(self.live_cursor.as_str()).filter(|cursor| !cursor.is_empty())
    }

    /// Reads everything that is complete.
    pub(super) fn drain(&mut self, stats: &mut Stats, sink: &mut dyn EventSink) -> Found {
        let mut found = Found::default();
        let Self { decoder, position, parser, control, live_cursor, missing_at_start } = self;
        report_missing(core::mem::take(missing_at_start), position, stats, sink);
        while let Some(item) = decoder.next_item() {
            match item {
                SseItem::Comment(_) => found.useful = true,
                SseItem::Retry(_) => {}
                SseItem::TooLarge { frame_bytes_max } => {
                    position.uncounted_frame();
                    stats.bad_frames += 1;
                    sink.bad_frame(&FrameProblem::TooLarge { frame_bytes_max }, position.delivered());
                }
                SseItem::Frame(frame) if frame.event == EVENT_DATA.as_bytes() => {
                    if let Some(count) = messages(parser, position, frame.data, false, stats, sink) {
                        found.useful = true;
                        found.progress |= count > 0;
                    }
                }
                SseItem::Frame(frame) if frame.event == EVENT_EPHEMERAL.as_bytes() => {
                    // No progress: it would not come again.
                    found.useful |= messages(parser, position, frame.data, true, stats, sink).is_some();
                }
                SseItem::Frame(frame) if frame.event == EVENT_CONTROL.as_bytes() => {
                    match control.read(parser, frame.data) {
                        Ok(said) => {
                            found.useful = true;
                            found.progress |= position.cursor() != control.next_offset().as_ref();
                            found.closed = said.closed;
                            if !control.cursor().is_empty() {
                                live_cursor.clear();
                                live_cursor.push_str(control.cursor());
                            }
                            apply(said, control.next_offset(), position, stats, sink);
                            if found.closed {
                                return found;
                            }
                        }
                        Err(problem) => {
                            stats.bad_frames += 1;
                            let problem = FrameProblem::Control { problem, raw: frame.data };
                            sink.bad_frame(&problem, position.delivered());
                        }
                    }
                }
                // Events of other names are extensions that this client did not ask for.
                SseItem::Frame(_) => {}
            }
        }
        found
    }
}

/// Delivers the messages of one frame: how many those are, or `None` if it is not JSON, in which case nothing of it was
/// delivered. What is ephemeral leaves the position alone.
fn messages(
    parser: &mut Parser,
    position: &mut Position,
    text: &[u8],
    ephemeral: bool,
    stats: &mut Stats,
    sink: &mut dyn EventSink,
) -> Option<u32> {
    let mark = position.mark();
    let before = *stats;
    sink.checkpoint();
    let verdict = parser.parse_messages(text, &mut |verdict| {
        if ephemeral {
            let count = position.delivered();
            return match verdict {
                Verdict::Event(view) => sink.ephemeral(&view, count),
                Verdict::Rejected { rejection, raw } => {
                    stats.bad_frames += 1;
                    sink.bad_frame(&FrameProblem::Ephemeral { rejection: &rejection, raw }, count);
                }
            };
        }
        match (position.message(), verdict) {
            (Turn::Skip, _) => stats.skipped += 1,
            (Turn::Deliver(count), Verdict::Event(view)) => {
                stats.messages += 1;
                sink.event(&view, count);
            }
            (Turn::Deliver(count), Verdict::Rejected { rejection, raw }) => {
                stats.messages += 1;
                stats.rejected += 1;
                sink.rejected(&rejection, raw, count);
            }
        }
    });
    let rejection = match verdict {
        Ok(count) => return Some(count),
        Err(rejection) => rejection,
    };
    sink.rollback();
    position.restore(mark);
    if !ephemeral {
        position.uncounted_frame();
    }
    *stats = Stats { bad_frames: before.bad_frames + 1, ..before };
    sink.bad_frame(&FrameProblem::Syntax { rejection: &rejection, raw: text }, position.delivered());
    None
}

fn apply(
    control: Control,
    next_offset: &mut Option<OffsetToken>,
    position: &mut Position,
    stats: &mut Stats,
    sink: &mut dyn EventSink,
) {
    let missing = position.control(next_offset, control.message_count);
    report_missing(missing, position, stats, sink);
    sink.control(position.offset(), position.delivered(), control.up_to_date, control.closed);
}

#[inline]
fn report_missing(messages: u64, position: &Position, stats: &mut Stats, sink: &mut dyn EventSink) {
    if messages > 0 {
        stats.bad_frames += 1;
        sink.bad_frame(&FrameProblem::Missing { messages }, position.delivered());
    }
}
