//! An accepted event as spans into its text. Must not know how it was parsed.

use std::borrow::Cow;

use super::string;
use crate::catalogue::{DATA, ENVELOPE_FIELDS, EventIndex, ID, META, TYPE};
use crate::channel::Channel;
use crate::custom::{CustomEvents, CustomIndex};
use crate::limits::FIELDS_MAX;
use crate::spec::EventSpec;

/// A range of bytes of the text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// As many fields as are kept apart.
pub(super) const SPANS: usize = ENVELOPE_FIELDS + FIELDS_MAX;

/// Whose fields those of an object are. The order is that of [`Scratch::marks`]; nothing is kept of nested ones, which are
/// behind its end.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Envelope,
    Payload,
    /// Deeper: checked, but its fields are not kept apart.
    Nested,
}

/// What is known of an object's fields: one bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) seen: u32,
    /// Of strings: the text is the value, in ASCII.
    pub(super) plain: u32,
    /// Of strings: the text is not the value.
    pub(super) escaped: u32,
}

impl Marks {
    #[inline]
    fn string<'j>(&self, i: usize, raw: &'j [u8]) -> StringView<'j> {
        let has = |bits: u32| bits >> i & 1 != 0;
        StringView { contents: string::contents(raw), plain: has(self.plain), escaped: has(self.escaped) }
    }
}

/// Where the parts of the current event are; reused from event to event.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) kind: EventKind,
    /// Those of the envelope's fields, then those of the payload's.
    pub(super) spans: [Span; SPANS],
    /// Of the envelope, and of the payload.
    pub(super) marks: [Marks; 2],
    /// The integer that was read last, and the timestamp once it was.
    pub(super) integer: u64,
    pub(super) timestamp_ms: u64,
    pub(super) extras: Vec<(Span, Span)>,
    pub(super) envelope_extras: Vec<(Span, Span)>,
}

impl Scratch {
    fn envelope(&self) -> &Marks {
        &self.marks[Place::Envelope as usize]
    }

    fn payload(&self) -> &Marks {
        &self.marks[Place::Payload as usize]
    }
}

/// What an event's `type` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventKind {
    /// An event of the catalogue.
    Known(EventIndex),
    /// An event type that the application added.
    Custom(CustomIndex),
    /// Neither: passed through as it is.
    #[default]
    Unknown,
}

/// A valid JSON string.
#[derive(Debug, Clone, Copy)]
pub struct StringView<'j> {
    contents: &'j [u8],
    plain: bool,
    escaped: bool,
}

impl<'j> StringView<'j> {
    /// The value, if the text is the value: ASCII without escapes.
    #[must_use]
    pub fn plain(&self) -> Option<&'j [u8]> {
        self.plain.then_some(self.contents)
    }

    /// The value, as UTF-8; a part of the text unless something in it is escaped.
    #[must_use]
    #[inline]
    pub fn decode(&self) -> Cow<'j, [u8]> {
        if self.escaped { string::decode(self.contents) } else { Cow::Borrowed(self.contents) }
    }

    /// Appends the value to a text. For short strings: it goes by characters.
    pub fn push_to(&self, out: &mut String) {
        string::push_utf8(out, &self.decode());
    }

    /// Length of the value as it is written, in bytes; decoded it is at most as long.
    #[must_use]
    pub fn written_len(&self) -> usize {
        self.contents.len()
    }
}

/// A valid object: spans into the text `'j`, valid until the parser `'p` goes on.
#[derive(Debug, Clone, Copy)]
pub struct ObjectView<'j, 'p> {
    text: &'j [u8],
    scratch: &'p Scratch,
}

impl<'j, 'p> ObjectView<'j, 'p> {
    pub(super) fn new(text: &'j [u8], scratch: &'p Scratch) -> Self {
        Self { text, scratch }
    }

    /// The JSON value of the `i`-th field of the table; `None` if it is absent.
    #[must_use]
    #[inline]
    pub fn field(&self, i: usize) -> Option<&'j [u8]> {
        if self.scratch.payload().seen >> i & 1 == 0 {
            return None;
        }
        self.scratch.spans.get(ENVELOPE_FIELDS + i).map(|span| span.of(self.text))
    }

    /// The same, if it is a string.
    #[must_use]
    #[inline]
    pub fn string(&self, i: usize) -> Option<StringView<'j>> {
        let raw = self.field(i).filter(|raw| raw.first() == Some(&b'"'))?;
        Some(self.scratch.payload().string(i, raw))
    }
}

/// A valid event: spans into the text `'j`, valid until the parser `'p` goes on.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'j, 'p> {
    text: &'j [u8],
    span: Span,
    scratch: &'p Scratch,
    custom: &'p CustomEvents,
}

impl<'j, 'p> EventView<'j, 'p> {
    pub(super) fn new(
        text: &'j [u8],
        start: usize,
        end: usize,
        scratch: &'p Scratch,
        custom: &'p CustomEvents,
    ) -> Self {
        Self { text, span: Span::new(start, end), scratch, custom }
    }

    /// What the event's `type` names.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.scratch.kind
    }

    /// The table of the event type; `None` if it is unknown.
    #[must_use]
    pub fn spec(&self) -> Option<&'static EventSpec> {
        match self.scratch.kind {
            EventKind::Known(index) => Some(index.spec()),
            EventKind::Custom(index) => self.custom.spec(index),
            EventKind::Unknown => None,
        }
    }

    /// The channel that the event's record goes to.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.spec().map_or(Channel::Unknown, |spec| spec.channel)
    }

    /// The event's text.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> &'j [u8] {
        self.span.of(self.text)
    }

    /// Where the event stands in the whole text, in bytes.
    #[must_use]
    pub fn range(&self) -> core::ops::Range<usize> {
        self.span.start as usize..self.span.end as usize
    }

    /// The whole text that the event stands in.
    #[must_use]
    pub fn text(&self) -> &'j [u8] {
        self.text
    }

    /// The JSON string `id`, quotes included.
    #[must_use]
    pub fn id_raw(&self) -> &'j [u8] {
        self.scratch.spans[ID].of(self.text)
    }

    /// The event's id, decoded.
    #[must_use]
    pub fn id(&self) -> Cow<'j, str> {
        string::decode_text(string::contents(self.id_raw()))
    }

    /// The event's id, not decoded yet.
    #[must_use]
    #[inline]
    pub fn id_string(&self) -> StringView<'j> {
        self.scratch.envelope().string(ID, self.id_raw())
    }

    /// The event's type, not decoded yet.
    #[must_use]
    pub fn event_type_string(&self) -> StringView<'j> {
        self.scratch.envelope().string(TYPE, self.event_type_raw())
    }

    /// The JSON string `type`, quotes included.
    #[must_use]
    pub fn event_type_raw(&self) -> &'j [u8] {
        self.scratch.spans[TYPE].of(self.text)
    }

    /// The event's type, decoded.
    #[must_use]
    pub fn event_type(&self) -> Cow<'j, str> {
        string::decode_text(string::contents(self.event_type_raw()))
    }

    /// When the event happened, in Unix milliseconds.
    #[must_use]
    pub fn timestamp_ms(&self) -> u64 {
        self.scratch.timestamp_ms
    }

    /// The JSON value `data`.
    #[must_use]
    pub fn data(&self) -> &'j [u8] {
        self.scratch.spans[DATA].of(self.text)
    }

    /// The JSON object `meta`, if it is there.
    #[must_use]
    #[inline]
    pub fn meta(&self) -> Option<&'j [u8]> {
        (self.scratch.envelope().seen & 1 << META != 0).then(|| self.scratch.spans[META].of(self.text))
    }

    /// The JSON value of the `i`-th field of the event type's table, whatever name it came under; `None` if it is
    /// absent, or the event type unknown.
    #[must_use]
    #[inline]
    pub fn field(&self, i: usize) -> Option<&'j [u8]> {
        if self.present_mask() & 1_u32.checked_shl(i as u32).unwrap_or(0) == 0 {
            return None;
        }
        self.scratch.spans.get(ENVELOPE_FIELDS + i).map(|span| span.of(self.text))
    }

    /// The `i`-th field, whose kind makes it a string, not decoded yet; `raw` is what [`field`](Self::field) gave.
    #[must_use]
    #[inline]
    pub fn string(&self, i: usize, raw: &'j [u8]) -> StringView<'j> {
        self.scratch.payload().string(i, raw)
    }

    /// One bit per field of the event type's table, set if it is there.
    #[must_use]
    pub fn present_mask(&self) -> u32 {
        self.scratch.payload().seen
    }

    /// One bit per field of the event type's table, set if it is absent (only optional ones can be).
    #[must_use]
    pub fn absent_mask(&self) -> u32 {
        self.spec().map_or(0, |spec| spec.payload.optional_mask()) & !self.scratch.payload().seen
    }

    /// The unknown fields of `data` in the order they came: key (a JSON string, quotes included) and value. A key
    /// may come more than once; readers of JSON take the last.
    pub fn extras(&self) -> impl ExactSizeIterator<Item = (&'j [u8], &'j [u8])> + use<'j, 'p> {
        let text = self.text;
        self.scratch.extras.iter().map(move |(key, value)| (key.of(text), value.of(text)))
    }

    /// The unknown fields of the envelope, likewise.
    pub fn envelope_extras(&self) -> impl ExactSizeIterator<Item = (&'j [u8], &'j [u8])> + use<'j, 'p> {
        let text = self.text;
        self.scratch.envelope_extras.iter().map(move |(key, value)| (key.of(text), value.of(text)))
    }
}
