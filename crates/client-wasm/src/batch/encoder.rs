//! Writes the items of a batch. Must not know where the messages come from or who reads the batch.

use durable_sessions_client_core::{EventSink, FrameProblem};
use durable_sessions_schema::{
    EventKind, EventView, FIELDS_MAX, FieldSpec, Kind, Rejection, StringView, utf8_len,
};

use super::buffer::Buffer;
use super::digits::push_number;
use super::word;

/// Capacity that is kept from one batch to the next; a single huge batch does not hold its memory for good.
const KEPT_BYTES_MAX: usize = 1 << 20;
const KEPT_WORDS_MAX: usize = KEPT_BYTES_MAX / 4;
/// What an event takes at most: kind, id, timestamp and its fields.
const WORDS_PER_EVENT_MAX: usize = 5 + FIELDS_MAX;
/// A payload of so many bytes of JSON is not parsed before somebody looks at it: that costs more than all else about its event,
/// and a list of tool calls shows few of them. Shorter ones are plain properties, which consoles show.
const LATE_BYTES_MIN: usize = 256;
/// Digits of a number that surely is below 2^31.
const WORD_DIGITS_MAX: usize = 9;
/// `code` of a message that is JSON but no valid event.
const CODE_INVALID_EVENT: &str = "INVALID_EVENT";

/// What is shown of a frame that is no JSON is cut out of so much of it.
const FRAME_EXCERPT_BYTES_MAX: usize = 256;

/// Collects items until [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct BatchEncoder {
    ascii: Buffer,
    wide: Buffer,
    /// Every value with a comma before it; the first comma becomes the bracket.
    open: Vec<u8>,
    /// The same, of the long ones.
    late: Vec<u8>,
    words: Vec<u32>,
    /// Messages before the next event, as the reader counts them.
    count: Option<u64>,
    /// Of the event before, or 0.
    timestamp_ms: u64,
    checkpoint: Checkpoint,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy, Default)]
struct Checkpoint {
    ascii: usize,
    wide: usize,
    open: usize,
    late: usize,
    words: usize,
    count: Option<u64>,
    timestamp_ms: u64,
}

/// What one delivery carries.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Strings that are ASCII.
    pub ascii: &'a [u8],
    /// Strings that are not, in UTF-16, little endian.
    pub wide: &'a [u8],
    /// One JSON array of the open values; empty without one.
    pub open: &'a [u8],
    /// Another of the long ones, which nobody reads before somebody looks at one.
    pub late: &'a [u8],
    /// The items.
    pub words: &'a [u32],
}

impl BatchEncoder {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the batch. It stays readable until [`clear`](Self::clear).
    pub fn finish(&mut self) -> Batch<'_> {
        for values in [&mut self.open, &mut self.late] {
            if let Some(comma) = values.first_mut() {
                *comma = b'[';
                values.push(b']');
            }
        }
        Batch {
            ascii: self.ascii.written(),
            wide: self.wide.written(),
            open: &self.open,
            late: &self.late,
            words: &self.words,
        }
    }

    /// Begins the next batch, which refers to nothing before it: a reader that lost its way in one finds it in the next.
    pub fn clear(&mut self) {
        (self.count, self.timestamp_ms) = (None, 0);
        self.ascii.clear(KEPT_BYTES_MAX);
        self.wide.clear(KEPT_BYTES_MAX);
        reuse(&mut self.open, KEPT_BYTES_MAX);
        reuse(&mut self.late, KEPT_BYTES_MAX);
        reuse(&mut self.words, KEPT_WORDS_MAX);
    }

    /// The reader counts along, so only a jump is written out.
    #[inline]
    fn place(&mut self, count: u64) {
        if self.count != Some(count) {
            self.words.push(word::POSITION);
            self.number(count);
        }
        self.count = Some(count);
    }

    fn item(&mut self, view: &EventView<'_, '_>) {
        match view.kind() {
            EventKind::Known(index) => self.known(view, index.position(), index.spec().payload.fields),
            EventKind::Custom(_) | EventKind::Unknown => self.unknown(view),
        }
    }

    /// A timestamp as the difference from the one before, which nearly always fits a word.
    #[inline]
    fn timestamp(&mut self, now_ms: u64) {
        let before_ms = core::mem::replace(&mut self.timestamp_ms, now_ms);
        let difference = now_ms.wrapping_sub(before_ms);
        if difference < 1 << 31 {
            self.words.push(difference as u32);
        } else {
            // One that goes back, and the first of a batch, is written out.
            self.words.extend([word::OPEN, (now_ms >> 32) as u32, now_ms as u32]);
        }
    }

    fn known(&mut self, view: &EventView<'_, '_>, index: usize, fields: &[FieldSpec]) {
        let at = self.words.len();
        // Asked here, since `reserve` is a call.
        if self.words.capacity() - at < WORDS_PER_EVENT_MAX {
            self.words.reserve(WORDS_PER_EVENT_MAX);
        }
        // An index is below the number of events, which a word's low byte holds.
        self.words.push(index as u32);
        let text = view.text();
        // The values are parts of the event.
        self.ascii.reserve(view.raw().len());
        self.string(text, view.id_string());
        self.timestamp(view.timestamp_ms());
        for (i, field) in fields.iter().enumerate() {
            let Some(value) = view.field(i) else {
                self.words.push(word::ABSENT);
                continue;
            };
            match field.kind {
                Kind::Text | Kind::Enum(_) | Kind::Id | Kind::SessionId => {
                    self.string(text, view.string(i, value));
                }
                Kind::Integer | Kind::Number => self.json_number(value),
                // `true` or `false`.
                Kind::Bool => self.words.push(u32::from(value.len() == 4)),
                _ => {
                    let is_late = value.len() >= LATE_BYTES_MIN;
                    self.words.push(if is_late { word::LATE } else { word::OPEN });
                    append(if is_late { &mut self.late } else { &mut self.open }, value);
                }
            }
        }
        let mut bits = 0;
        if let Some(meta) = view.meta() {
            bits |= word::META;
            self.open(meta);
        }
        let mut first = true;
        for (key, value) in view.extras() {
            self.open.extend_from_slice(if first { b",{" } else { b"," });
            first = false;
            self.open.extend_from_slice(key);
            self.open.push(b':');
            self.open.extend_from_slice(value);
        }
        if !first {
            bits |= word::EXTRAS;
            self.open.push(b'}');
        }
        self.words[at] |= bits;
    }

    fn unknown(&mut self, view: &EventView<'_, '_>) {
        let meta = view.meta();
        self.words.push(word::UNKNOWN | meta.map_or(0, |_| word::META));
        self.ascii.reserve(view.raw().len());
        self.string(view.text(), view.id_string());
        self.string(view.text(), view.event_type_string());
        self.timestamp(view.timestamp_ms());
        self.open(view.data());
        if let Some(meta) = meta {
            self.open(meta);
        }
    }

    /// `before` and `behind` are the text around the place; together they are the message, if it is one.
    fn refusal(
        &mut self,
        count: u64,
        code: &str,
        reason: &str,
        expected: &[u8],
        before: &[u8],
        behind: &[u8],
    ) {
        self.words.push(word::REJECTED);
        for value in [code.as_bytes(), reason.as_bytes(), expected, before, behind] {
            self.words_of(value);
        }
        self.number(count);
        self.count = Some(count);
    }

    /// A string of the event that there is room for; `text` is what it is a part of.
    fn string(&mut self, text: &[u8], value: StringView<'_>) {
        match value.plain() {
            Some(plain) => {
                self.words.push(plain.len() as u32);
                self.ascii.push_part(text, plain);
            }
            None => self.words_of(&value.decode()),
        }
    }

    /// UTF-8 to the text it belongs to.
    fn words_of(&mut self, value: &[u8]) {
        if value.is_ascii() {
            self.words.push(value.len() as u32);
            self.ascii.extend_from_slice(value);
        } else {
            let units = self.wide.push_utf16(value);
            self.words.push(!(units as u32));
        }
    }

    /// The text of a number.
    fn json_number(&mut self, text: &[u8]) {
        let mut number = 0;
        for byte in text {
            if !byte.is_ascii_digit() || text.len() > WORD_DIGITS_MAX {
                self.words.push(word::OPEN);
                return self.open(text);
            }
            number = number * 10 + u32::from(byte & 15);
        }
        self.words.push(number);
    }

    fn number(&mut self, value: u64) {
        if value < 1 << 31 {
            self.words.push(value as u32);
        } else {
            self.words.push(word::OPEN);
            self.open.push(b',');
            push_number(&mut self.open, value);
        }
    }

    fn open(&mut self, value: &[u8]) {
        append(&mut self.open, value);
    }
}

/// One more of the open values, or of the late ones.
#[inline]
fn append(values: &mut Vec<u8>, value: &[u8]) {
    values.push(b',');
    values.extend_from_slice(value);
}

impl EventSink for BatchEncoder {
    fn event(&mut self, view: &EventView<'_, '_>, count: u64) {
        self.place(count.saturating_sub(1));
        self.count = Some(count);
        self.item(view);
    }

    fn ephemeral(&mut self, view: &EventView<'_, '_>, count: u64) {
        self.place(count);
        let at = self.words.len();
        self.item(view);
        self.words[at] |= word::UNCOUNTED;
    }

    fn rejected(&mut self, rejection: &Rejection, raw: &[u8], count: u64) {
        let at = rejection.at.saturating_sub(rejection.message_at).min(raw.len());
        let (before, behind) = raw.split_at(at);
        self.refusal(
            count,
            CODE_INVALID_EVENT,
            rejection.code.as_str(),
            rejection.expected.as_bytes(),
            before,
            behind,
        );
    }

    fn bad_frame(&mut self, problem: &FrameProblem<'_>, count: u64) {
        let at = self.words.len();
        let mut number = Vec::new();
        let (reason, expected, came) = match problem {
            FrameProblem::Ephemeral { rejection, raw } => {
                self.rejected(rejection, raw, count);
                return self.words[at] |= word::UNCOUNTED;
            }
            FrameProblem::Syntax { rejection, raw } => {
                let came = readable(raw.get(rejection.at..).unwrap_or_default());
                (rejection.code.as_str(), rejection.expected.as_str(), came)
            }
            FrameProblem::TooLarge { frame_bytes_max } => {
                push_number(&mut number, *frame_bytes_max as u64);
                ("too_large", "a frame within frameBytesMax", &*number)
            }
            FrameProblem::Control { .. } => ("control", "a control event", &b"something else"[..]),
            FrameProblem::Missing { messages } => {
                push_number(&mut number, *messages);
                ("missing", "every message that the server counts", &*number)
            }
        };
        self.refusal(count, problem.code(), reason, expected.as_bytes(), &[], came);
        self.words[at] |= word::UNCOUNTED;
    }

    fn control(&mut self, cursor: &str, count: u64, up_to_date: bool, closed: bool) {
        let follows = self.count == Some(count);
        let bits = if up_to_date { word::UP_TO_DATE } else { 0 }
            | if closed { word::CLOSED } else { 0 }
            | if follows { 0 } else { word::COUNT };
        self.words.push(word::CONTROL | bits);
        self.words_of(cursor.as_bytes());
        if !follows {
            self.number(count);
        }
        self.count = Some(count);
    }

    #[inline]
    fn checkpoint(&mut self) {
        self.checkpoint = Checkpoint {
            ascii: self.ascii.len(),
            wide: self.wide.len(),
            open: self.open.len(),
            late: self.late.len(),
            words: self.words.len(),
            count: self.count,
            timestamp_ms: self.timestamp_ms,
        };
    }

    fn rollback(&mut self) {
        let Checkpoint { ascii, wide, open, late, words, count, timestamp_ms } = self.checkpoint;
        self.ascii.truncate(ascii);
        self.wide.truncate(wide);
        self.open.truncate(open);
        self.late.truncate(late);
        self.words.truncate(words);
        self.count = count;
        self.timestamp_ms = timestamp_ms;
    }
}

/// The beginning of a text that may be no text: as much of it as is UTF-8.
fn readable(text: &[u8]) -> &[u8] {
    let beginning = text.get(..FRAME_EXCERPT_BYTES_MAX).unwrap_or(text);
    let valid = utf8_len(beginning);
    if valid == 0 && !text.is_empty() {
        "\u{fffd}".as_bytes()
    } else {
        beginning.get(..valid).unwrap_or_default()
    }
}

fn reuse<T>(buffer: &mut Vec<T>, kept_max: usize) {
    if buffer.capacity() > kept_max {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
