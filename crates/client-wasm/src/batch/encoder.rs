//! Writes the items of a batch. Must not know where the messages come from or who reads the batch.

use durable_sessions_client_core::{EventSink, FrameProblem};
use durable_sessions_schema::{EventKind, EventView, FIELDS_MAX, FieldSpec, Kind, Rejection};

use super::ascii::escape_non_ascii;
use super::buffer::Buffer;
use super::repeats::Repeats;
use super::text::{push_number, push_string};
use super::word;

/// Capacity that is kept from one batch to the next; a single huge batch does not hold its memory for good.
const KEPT_BYTES_MAX: usize = 1 << 20;
const KEPT_WORDS_MAX: usize = KEPT_BYTES_MAX / 16;
/// Stands for an id that is the same as in the last event of the kind: no id is a number.
const REPEAT: u8 = b'0';
/// `code` of a message that is JSON but no valid event.
const CODE_INVALID_EVENT: &str = "INVALID_EVENT";

/// Collects items until [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct BatchEncoder {
    text: Buffer,
    words: Vec<u32>,
    scratch: Vec<u8>,
    /// Messages before the next event, as the reader counts them.
    count: Option<u64>,
    /// Of the event before, or 0.
    timestamp_ms: u64,
    repeats: Repeats,
    checkpoint: Checkpoint,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy, Default)]
struct Checkpoint {
    text: usize,
    words: usize,
    count: Option<u64>,
    timestamp_ms: u64,
}

/// What one delivery carries.
#[derive(Debug)]
pub struct Batch<'a> {
    /// One JSON array.
    pub text: &'a [u8],
    /// One word per item.
    pub words: &'a [u32],
}

impl BatchEncoder {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was added since [`clear`](Self::clear).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Ends the batch. It stays readable until [`clear`](Self::clear).
    pub fn finish(&mut self) -> Batch<'_> {
        match self.text.first_mut() {
            Some(comma) => *comma = b'[',
            None => self.text.push(b'['),
        }
        self.text.push(b']');
        let text = self.text.written();
        let text = if escape_non_ascii(text, &mut self.scratch) { &self.scratch } else { text };
        Batch { text, words: &self.words }
    }

    /// Begins the next batch.
    pub fn clear(&mut self) {
        self.text.clear(KEPT_BYTES_MAX);
        reuse(&mut self.scratch, KEPT_BYTES_MAX);
        reuse(&mut self.words, KEPT_WORDS_MAX);
        self.timestamp_ms = 0;
        self.repeats.forget();
    }

    /// The reader counts along, so only a jump is written out.
    fn place(&mut self, count: u64) {
        let before = count.saturating_sub(1);
        if self.count != Some(before) {
            self.words.push(word::POSITION);
            self.number(before);
        }
        self.count = Some(count);
    }

    /// A timestamp as the difference from the one before: engines read small integers at a fraction of the cost.
    fn timestamp(&mut self, view: &EventView<'_, '_>) {
        let now_ms = view.timestamp_ms();
        let before_ms = core::mem::replace(&mut self.timestamp_ms, now_ms);
        self.text.push(b',');
        if now_ms < before_ms {
            self.text.push(b'-');
        }
        self.text.push_number(now_ms.abs_diff(before_ms));
    }

    fn known(&mut self, view: &EventView<'_, '_>, index: usize, fields: &[FieldSpec]) {
        let at = self.words.len();
        // An index is below the number of events, which a word's low byte holds.
        self.words.push(index as u32);
        let text = view.text();
        // The values are parts of the event, and there are no more of them than fields; commas come on top, and a
        // timestamp may become longer by its sign.
        self.text.reserve(view.raw().len() + 2 * FIELDS_MAX);
        self.text.push_part(text, view.id_raw());
        self.timestamp(view);
        for (i, field) in fields.iter().enumerate() {
            let Some(value) = view.field(i) else { continue };
            if matches!(field.kind, Kind::Id)
                && self.repeats.is_repeat(&self.text, index * FIELDS_MAX + i, value)
            {
                self.text.push(b',');
                self.text.push(REPEAT);
            } else {
                self.text.push_part(text, value);
            }
        }
        let mut bits = view.absent_mask() << word::ABSENT_SHIFT;
        if let Some(meta) = view.meta() {
            bits |= word::META;
            self.raw(meta);
        }
        let mut first = true;
        for (key, value) in view.extras() {
            self.text.extend_from_slice(if first { b",{" } else { b"," });
            first = false;
            self.text.extend_from_slice(key);
            self.text.push(b':');
            self.text.extend_from_slice(value);
        }
        if !first {
            bits |= word::EXTRAS;
            self.text.push(b'}');
        }
        self.words[at] |= bits;
    }

    fn unknown(&mut self, view: &EventView<'_, '_>) {
        let at = self.words.len();
        self.words.push(word::UNKNOWN);
        self.raw(view.id_raw());
        self.raw(view.event_type_raw());
        self.timestamp(view);
        self.raw(view.data());
        if let Some(meta) = view.meta() {
            self.words[at] |= word::META;
            self.raw(meta);
        }
    }

    fn refusal(&mut self, count: u64, values: [Option<&str>; 6]) {
        self.words.push(word::REJECTED);
        for value in values {
            match value {
                Some(value) => self.string(value),
                None => self.raw(b"null"),
            }
        }
        self.number(count);
        self.count = Some(count);
    }

    fn raw(&mut self, value: &[u8]) {
        self.text.push(b',');
        self.text.extend_from_slice(value);
    }

    fn string(&mut self, value: &str) {
        self.scratch.clear();
        push_string(&mut self.scratch, value);
        self.text.push(b',');
        self.text.extend_from_slice(&self.scratch);
    }

    fn number(&mut self, value: u64) {
        self.text.push(b',');
        self.text.push_number(value);
    }
}

impl EventSink for BatchEncoder {
    fn event(&mut self, view: &EventView<'_, '_>, count: u64) {
        self.place(count);
        match view.kind() {
            EventKind::Known(index) => self.known(view, index.position(), index.spec().payload.fields),
            EventKind::Custom(_) | EventKind::Unknown => self.unknown(view),
        }
    }

    fn rejected(&mut self, rejection: &Rejection, _raw: &[u8], count: u64) {
        self.refusal(
            count,
            [
                Some(CODE_INVALID_EVENT),
                Some(rejection.code.as_str()),
                rejection.event_type.as_deref(),
                Some(&rejection.path),
                Some(&rejection.expected),
                Some(&rejection.came),
            ],
        );
    }

    fn bad_frame(&mut self, problem: &FrameProblem<'_>, count: u64) {
        let mut number = Vec::new();
        let (reason, path, expected, came) = match problem {
            FrameProblem::Syntax { rejection, .. } => (
                rejection.code.as_str(),
                rejection.path.as_str(),
                rejection.expected.as_str(),
                rejection.came.as_str(),
            ),
            FrameProblem::TooLarge { frame_bytes_max } => {
                push_number(&mut number, *frame_bytes_max as u64);
                ("too_large", "", "a frame within frameBytesMax", text_of(&number))
            }
            FrameProblem::Control { .. } => ("control", "", "a control event", "something else"),
            FrameProblem::Missing { messages } => {
                push_number(&mut number, *messages);
                ("missing", "", "every message that the server counts", text_of(&number))
            }
        };
        let path = Some(path).filter(|path| !path.is_empty());
        self.refusal(count, [Some(problem.code()), Some(reason), None, path, Some(expected), Some(came)]);
    }

    fn control(&mut self, cursor: &str, count: u64, up_to_date: bool, closed: bool) {
        let at = self.words.len();
        self.words.push(word::CONTROL);
        self.string(cursor);
        let mut bits = if up_to_date { word::UP_TO_DATE } else { 0 } | if closed { word::CLOSED } else { 0 };
        if self.count != Some(count) {
            bits |= word::COUNT;
            self.number(count);
        }
        self.words[at] |= bits;
        self.count = Some(count);
    }

    fn checkpoint(&mut self) {
        self.checkpoint = Checkpoint {
            text: self.text.len(),
            words: self.words.len(),
            count: self.count,
            timestamp_ms: self.timestamp_ms,
        };
    }

    fn rollback(&mut self) {
        let Checkpoint { text, words, count, timestamp_ms } = self.checkpoint;
        self.text.truncate(text);
        self.words.truncate(words);
        self.count = count;
        self.timestamp_ms = timestamp_ms;
        self.repeats.forget();
    }
}

// Only digits go in.
fn text_of(digits: &[u8]) -> &str {
    core::str::from_utf8(digits).unwrap_or_default()
}

fn reuse<T>(buffer: &mut Vec<T>, kept_max: usize) {
    if buffer.capacity() > kept_max {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
