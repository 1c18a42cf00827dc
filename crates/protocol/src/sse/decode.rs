//! Reads SSE incrementally, one copy of the bytes at most: they are received into the decoder's own buffer, and
//! the lines of a frame's data are joined in place. Must not know what a frame means.

use core::ops::Range;

use super::{EVENT_CONTROL, EVENT_DATA};
use crate::swar::find_line_end;

/// Cap of one frame unless another is given: 16 MiB.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 16 << 20;
/// Smallest cap; below it not even a control event would fit.
const FRAME_BYTES_MAX_LEAST: usize = 1024;
/// An empty buffer larger than this is given back when so much is not needed again.
const IDLE_BYTES_MAX: usize = 1 << 20;

/// One thing read from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SseItem<'a> {
    /// A frame that had data.
    Frame(SseFrame<'a>),
    /// A comment, without its colon. Pings are comments.
    Comment(&'a [u8]),
    /// A `retry` field, in milliseconds.
    Retry(u64),
    /// A frame grew over the cap. It is dropped up to its end, and reading goes on after it; memory stays bounded.
    TooLarge {
        /// The cap.
        frame_bytes_max: usize,
    },
}

/// A frame with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseFrame<'a> {
    /// The `event` field as it came; empty when there was none.
    pub event: &'a [u8],
    /// The `data` lines, joined by LF.
    pub data: &'a [u8],
    /// The `id` field of this very frame, as it came.
    pub id: Option<&'a [u8]>,
}

/// The incremental decoder.
///
/// Bytes go in through [`spare`](Self::spare) and [`filled`](Self::filled) (or [`push`](Self::push)); then
/// [`next_item`](Self::next_item) is called until it returns `None`. Nothing moves inside the buffer between two
/// calls of `spare`, which alone compacts it. How the input is cut changes nothing about the items.
#[derive(Debug)]
pub struct SseDecoder {
    /// Initialised to its whole length; received up to `end`.
    buf: Vec<u8>,
    end: usize,
    /// Start of the first line not taken yet, and how far it was searched for its end.
    line: usize,
    scan: usize,
    /// Data of the frame so far, joined in place somewhere before `line`.
    data: Range<usize>,
    has_data: bool,
    event: EventName,
    /// The name, where it is none of ours.
    other_event: Vec<u8>,
    id: Vec<u8>,
    has_id: bool,
    /// Bytes of the complete lines of the frame so far.
    frame_bytes: usize,
    frame_bytes_max: usize,
    /// The last line ended with CR: an LF right after it belongs to it.
    after_cr: bool,
    first_line: bool,
    /// Inside a frame over the cap; `cut` says that the beginning of the current line is gone already.
    skipping: bool,
    cut: bool,
    /// The frame's fields were lent out and are cleared on the next call.
    lent: bool,
}

/// The `event` field of the frame so far. The names of the protocol are not copied.
#[derive(Debug, Clone, Copy)]
enum EventName {
    Ours(&'static str),
    Other,
}

/// What a line amounts to, as positions, so that no borrow outlives the loop.
enum Step {
    Frame,
    Comment(Range<usize>),
    Retry(u64),
    TooLarge,
}

impl Default for SseDecoder {
    fn default() -> Self {
        Self::new(FRAME_BYTES_MAX_DEFAULT)
    }
}

impl SseDecoder {
    /// A decoder for frames up to `frame_bytes_max` (not below 1 KiB). No memory is taken yet.
    #[must_use]
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            buf: Vec::new(),
            end: 0,
            line: 0,
            scan: 0,
            data: 0..0,
            has_data: false,
            event: EventName::Ours(""),
            other_event: Vec::new(),
            id: Vec::new(),
            has_id: false,
            frame_bytes: 0,
            frame_bytes_max: frame_bytes_max.max(FRAME_BYTES_MAX_LEAST),
            after_cr: false,
            first_line: true,
            skipping: false,
            cut: false,
            lent: false,
        }
    }

    /// Forgets everything, for a new connection. The buffer is kept.
    pub fn reset(&mut self) {
        self.clear_frame();
        (self.end, self.line, self.scan) = (0, 0, 0);
        (self.after_cr, self.first_line) = (false, true);
        (self.skipping, self.cut) = (false, false);
    }

    /// Whether a frame has begun and not ended: what a cut connection leaves behind.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.line < self.end || self.skipping || (self.frame_bytes > 0 && !self.lent)
    }

    /// Room for at least `n` more bytes. Write to its beginning, then tell [`filled`](Self::filled) how many.
    pub fn spare(&mut self, n: usize) -> &mut [u8] {
        self.return_lent();
        if self.buf.len() - self.end < n {
            self.make_room(n);
        }
        &mut self.buf[self.end..]
    }

    /// The first `n` bytes of [`spare`](Self::spare) were received.
    pub fn filled(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.buf.len());
    }

    /// Takes a copy of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// The next item, or `None` until more bytes arrive.
    pub fn next_item(&mut self) -> Option<SseItem<'_>> {
        self.return_lent();
        Some(match self.step()? {
            Step::Frame => {
                self.lent = true;
                SseItem::Frame(SseFrame {
                    event: match self.event {
                        EventName::Ours(name) => name.as_bytes(),
                        EventName::Other => &self.other_event,
                    },
                    data: &self.buf[self.data.clone()],
                    id: self.has_id.then_some(self.id.as_slice()),
                })
            }
            Step::Comment(range) => SseItem::Comment(&self.buf[range]),
            Step::Retry(ms) => SseItem::Retry(ms),
            Step::TooLarge => SseItem::TooLarge { frame_bytes_max: self.frame_bytes_max },
        })
    }

    fn step(&mut self) -> Option<Step> {
        loop {
            if self.after_cr && self.line < self.end {
                self.after_cr = false;
                self.line += usize::from(self.buf[self.line] == b'\n');
                self.scan = self.line;
            }
            let Some(stop) = find_line_end(&self.buf[self.scan..self.end]) else {
                self.scan = self.end;
                return self.check_unfinished_line();
            };
            let stop = self.scan + stop;
            let line = core::mem::replace(&mut self.line, stop + 1)..stop;
            self.scan = self.line;
            self.after_cr = self.buf[stop] == b'\r';
            let cut = core::mem::take(&mut self.cut);
            let first = core::mem::take(&mut self.first_line);
            if self.skipping {
                self.skipping = cut || !line.is_empty();
            } else if !line.is_empty() && self.frame_bytes + line.len() > self.frame_bytes_max {
                return Some(self.skip_frame());
            } else if let Some(step) = self.take_line(line, first) {
                return Some(step);
            }
        }
    }

    /// The same measure as for complete lines, so that the cut of the input decides nothing.
    fn check_unfinished_line(&mut self) -> Option<Step> {
        let pending = self.end - self.line;
        let over = pending > 0 && self.frame_bytes + pending > self.frame_bytes_max;
        if !self.skipping && !over {
            return None;
        }
        self.cut |= pending > 0;
        self.line = self.end;
        if self.skipping { None } else { Some(self.skip_frame()) }
    }

    fn skip_frame(&mut self) -> Step {
        self.clear_frame();
        self.skipping = true;
        Step::TooLarge
    }

    fn take_line(&mut self, mut line: Range<usize>, first: bool) -> Option<Step> {
        if first && self.buf[line.clone()].starts_with(b"\xef\xbb\xbf") {
            line.start += 3;
        }
        let bytes = &self.buf[line.clone()];
        if bytes.is_empty() {
            if self.has_data {
                return Some(Step::Frame);
            }
            self.clear_frame();
            return None;
        }
        // The two fields that nearly all lines are.
        let colon = match bytes {
            [b'd', b'a', b't', b'a', b':', ..] => Some(4),
            [b'e', b'v', b'e', b'n', b't', b':', ..] => Some(5),
            _ => bytes.iter().position(|&b| b == b':'),
        };
        if colon == Some(0) {
            return Some(Step::Comment(line.start + 1..line.end));
        }
        self.frame_bytes += bytes.len() + 1;
        let name = &bytes[..colon.unwrap_or(bytes.len())];
        let mut value = line.start + colon.map_or(bytes.len(), |colon| colon + 1)..line.end;
        if self.buf[value.clone()].first() == Some(&b' ') {
            value.start += 1;
        }
        match name {
            b"data" if self.has_data => {
                // The line break and the field name behind us leave room for the joining LF, so that the copy
                // never overtakes what it reads.
                self.buf[self.data.end] = b'\n';
                let len = value.len();
                self.buf.copy_within(value, self.data.end + 1);
                self.data.end += 1 + len;
            }
            b"data" => (self.data, self.has_data) = (value, true),
            b"event" => {
                let value = &self.buf[value];
                self.event =
                    match [EVENT_DATA, EVENT_CONTROL].into_iter().find(|name| name.as_bytes() == value) {
                        Some(name) => EventName::Ours(name),
                        None => {
                            replace(&mut self.other_event, value);
                            EventName::Other
                        }
                    };
            }
            b"id" if self.buf[value.clone()].iter().all(|&b| b != 0) => {
                replace(&mut self.id, &self.buf[value]);
                self.has_id = true;
            }
            b"retry" => return milliseconds(&self.buf[value]).map(Step::Retry),
            _ => {}
        }
        None
    }

    #[inline]
    fn return_lent(&mut self) {
        if self.lent {
            self.clear_frame();
        }
    }

    #[inline]
    fn clear_frame(&mut self) {
        self.data = 0..0;
        self.event = EventName::Ours("");
        self.id.clear();
        (self.has_data, self.has_id, self.lent) = (false, false, false);
        self.frame_bytes = 0;
    }

    fn make_room(&mut self, n: usize) {
        let pending = self.end - self.line;
        let live = self.data.len() + pending;
        if live == 0 && self.buf.len() > IDLE_BYTES_MAX && n <= self.buf.len() / 4 {
            self.buf = Vec::new();
        }
        // Moving only when at least as much is gained as is moved keeps the total linear, and the buffer at twice
        // the largest frame and one read.
        if self.end >= 2 * live {
            self.buf.copy_within(self.data.clone(), 0);
            let searched = self.scan - self.line;
            let data_len = self.data.len();
            if !self.buf.is_empty() {
                self.buf.copy_within(self.line..self.end, data_len);
            }
            self.data = 0..data_len;
            self.line = data_len;
            self.scan = self.line + searched;
            self.end = self.line + pending;
        }
        if self.buf.len() - self.end < n {
            self.buf.resize(self.end + n, 0);
        }
    }
}

#[inline]
fn replace(field: &mut Vec<u8>, value: &[u8]) {
    field.clear();
    field.extend_from_slice(value);
}

fn milliseconds(digits: &[u8]) -> Option<u64> {
    // So many digits cannot overflow; no server means a delay of more.
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit & 15)))
}
