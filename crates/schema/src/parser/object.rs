//! Objects and values by their tables. Must not know the catalogue beyond the tables it is given.

use super::expected::Expected;
use super::number::plain_integer;
use super::reader::{Reader, Step, Stop, byte, skip_whitespace};
use super::string::{self, Content};
use super::view::{EventKind, Marks, Place, SPANS, Span};
use crate::catalogue::{DATA, ENVELOPE_FIELDS, TIMESTAMP, TYPE};
use crate::id;
use crate::limits::{DEPTH_MAX, ID_CHARS_MAX, SCHEMA_VERSION};
use crate::rejection::RejectionCode;
use crate::spec::{FieldSpec, Kind, StructSpec};

/// What a key names.
enum Key {
    Field(usize, &'static FieldSpec),
    Ignored,
    Unknown,
}

impl Reader<'_, '_> {
    /// Reads the object at the current position by its table and moves behind it. `depth` counts the object itself.
    ///
    /// Every byte of a stream passes through here, so the position is a local of this function, in a register, and
    /// what nearly all events consist of is read without a call: names in the table's order, strings that are their
    /// own value, whole numbers. Everything else goes through the slow path, which knows the whole grammar.
    pub(super) fn object(&mut self, spec: &'static StructSpec, place: Place, depth: u32) -> Step {
        let text = self.text;
        let open = self.at;
        let (mut seen, mut plain, mut escaped) = (0_u32, 0_u32, 0_u32);
        let mut predicted = 0;
        // Where the fields' spans are; behind the last one they are not kept.
        let first = match place {
            Place::Envelope => 0,
            Place::Payload => ENVELOPE_FIELDS,
            Place::Nested => SPANS,
        };
        let mut at = skip_whitespace(text, open + 1);
        if byte(text, at) == b'}' {
            self.at = at + 1;
        } else {
            loop {
                let key = at;
                let named = match predict(spec, predicted, text, at) {
                    Some((i, field)) => {
                        at = skip_whitespace(text, at + field.name.written_len());
                        Some((i, field))
                    }
                    None => {
                        self.at = at;
                        let named = self.unpredicted(spec, place, depth)?;
                        at = self.at;
                        named
                    }
                };
                if let Some((i, field)) = named {
                    let start = at;
                    let bit = 1 << i;
                    if seen & bit != 0 {
                        let expected = Expected::Words("each field once");
                        return Err(self.fail(RejectionCode::DuplicateField, key, expected));
                    }
                    seen |= bit;
                    predicted = i + 1;
                    // Of a kind that is no string the bits say nothing, and nobody asks.
                    if let Some(end) = self.usual(&field.kind, at) {
                        at = end;
                        plain |= bit;
                    } else {
                        self.at = at;
                        self.field(&field.kind, depth)?;
                        at = self.at;
                        plain |= u32::from(self.plain) << i;
                        escaped |= u32::from(self.escaped) << i;
                    }
                    if first + i == TIMESTAMP {
                        self.scratch.timestamp_ms = self.scratch.integer;
                    }
                    if let Some(slot) = self.scratch.spans.get_mut(first + i) {
                        *slot = Span::new(start, at);
                    }
                }
                at = skip_whitespace(text, at);
                match byte(text, at) {
                    b',' => at = skip_whitespace(text, at + 1),
                    b'}' => {
                        self.at = at + 1;
                        break;
                    }
                    _ => {
                        self.at = at;
                        return Err(self.syntax("a comma or the end of the object"));
                    }
                }
            }
        }
        let missing = spec.required_mask & !seen;
        if missing != 0 {
            let name = spec.fields.get(missing.trailing_zeros() as usize).map(|field| &field.name);
            let expected = name.map_or(Expected::Words(""), Expected::Field);
            return Err(self.fail(RejectionCode::MissingField, open, expected));
        }
        if let Some(marks) = self.scratch.marks.get_mut(place as usize) {
            *marks = Marks { seen, plain, escaped };
        }
        Ok(())
    }

    /// The end of the value at `at` if it is what it nearly always is for its kind, and valid.
    #[inline]
    fn usual(&mut self, kind: &'static Kind, at: usize) -> Option<usize> {
        match kind {
            Kind::Text | Kind::Id | Kind::EventType => {
                let end = string::plain_end(self.text, at)?;
                // Two quotes are no part of an id's length.
                if !matches!(kind, Kind::Text) && !(3..=ID_CHARS_MAX + 2).contains(&(end - at)) {
                    return None;
                }
                if matches!(kind, Kind::EventType) {
                    self.select(Span::new(at, end), false);
                }
                Some(end)
            }
            Kind::Integer => {
                let (number, end) = plain_integer(self.text, at)?;
                self.scratch.integer = number;
                Some(end)
            }
            _ => None,
        }
    }

    /// Reads a key that was not predicted, and its colon. If the table does not have it, its value too, which is kept apart
    /// unless the table says otherwise.
    #[inline(never)]
    fn unpredicted(
        &mut self,
        spec: &'static StructSpec,
        place: Place,
        depth: u32,
    ) -> Result<Option<(usize, &'static FieldSpec)>, Stop> {
        let start = self.at;
        let content = self.string()?;
        let end = self.at;
        let raw = string::contents(self.since(start));
        let key = if content.escaped { find(spec, &string::decode(raw)) } else { find(spec, raw) };
        self.colon()?;
        if let Key::Field(i, field) = key {
            return Ok(Some((i, field)));
        }
        let value = self.at;
        self.value(depth)?;
        if matches!(key, Key::Unknown) {
            let extra = (Span::new(start, end), Span::new(value, self.at));
            match place {
                Place::Envelope => self.scratch.envelope_extras.push(extra),
                Place::Payload => self.scratch.extras.push(extra),
                Place::Nested => {}
            }
        }
        Ok(None)
    }

    fn wrong_type(&mut self, kind: &'static Kind) -> Stop {
        let at = self.at;
        self.fail(RejectionCode::WrongType, at, Expected::Kind(kind))
    }

    /// Reads the string at the current position, which must be one.
    fn text(&mut self, kind: &'static Kind) -> Result<Content, Stop> {
        if self.peek() == b'"' { self.string() } else { Err(self.wrong_type(kind)) }
    }

    /// Reads a value by its kind. `depth` is that of the object around it.
    fn field(&mut self, kind: &'static Kind, depth: u32) -> Step {
        let start = self.at;
        let first = self.peek();
        match kind {
            Kind::Text => {
                self.text(kind)?;
            }
            Kind::Id | Kind::SessionId => {
                let content = self.text(kind)?;
                self.id(start, content, kind)?;
            }
            Kind::EventType => {
                let content = self.text(kind)?;
                self.id(start, content, kind)?;
                self.select(Span::new(start, self.at), content.escaped);
            }
            Kind::Enum(spec) => {
                let content = self.text(kind)?;
                let raw = string::contents(self.since(start));
                let known = if content.escaped {
                    let decoded = string::decode(raw);
                    spec.values.iter().any(|value| value.as_bytes() == &*decoded)
                } else {
                    spec.values.iter().any(|value| value.as_bytes() == raw)
                };
                if !known {
                    return Err(self.fail(RejectionCode::UnknownValue, start, Expected::OneOf(spec)));
                }
            }
            Kind::Integer | Kind::SchemaVersion => {
                if !matches!(first, b'-' | b'0'..=b'9') {
                    return Err(self.wrong_type(kind));
                }
                let number = self.integer()?;
                if matches!(kind, Kind::SchemaVersion) && number != Some(SCHEMA_VERSION) {
                    return Err(self.fail(RejectionCode::SchemaVersion, start, Expected::Kind(kind)));
                }
                let Some(number) = number else {
                    return Err(self.fail(RejectionCode::NumberRange, start, Expected::Kind(kind)));
                };
                self.scratch.integer = number;
            }
            Kind::Number => {
                if !matches!(first, b'-' | b'0'..=b'9') {
                    return Err(self.wrong_type(kind));
                }
                self.number()?;
            }
            Kind::Bool => match first {
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                _ => return Err(self.wrong_type(kind)),
            },
            Kind::Any => self.value(depth)?,
            Kind::Object => {
                if first != b'{' {
                    return Err(self.wrong_type(kind));
                }
                self.value(depth)?;
            }
            Kind::Struct(spec) => self.nested(spec, Place::Nested, kind, depth)?,
            Kind::Nullable(inner) => {
                if first == b'n' {
                    self.literal(b"null")?;
                } else {
                    self.field(inner, depth)?;
                }
            }
            Kind::List(inner) => self.list(inner, kind, depth)?,
            Kind::Payload => {
                // Before `type` its table is not known: then only the grammar counts, see `late_payload`.
                if let Some(spec) = self.payload_spec() {
                    self.nested(spec, Place::Payload, kind, depth)?;
                } else {
                    self.value(depth)?;
                }
            }
        }
        Ok(())
    }

    fn nested(&mut self, spec: &'static StructSpec, place: Place, kind: &'static Kind, depth: u32) -> Step {
        if self.peek() != b'{' {
            return Err(self.wrong_type(kind));
        }
        self.too_deep(depth)?;
        self.object(spec, place, depth + 1)
    }

    fn too_deep(&mut self, depth: u32) -> Step {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        let at = self.at;
        Err(self.fail(RejectionCode::TooDeep, at, Expected::Words("at most 64 levels of nesting")))
    }

    fn list(&mut self, inner: &'static Kind, kind: &'static Kind, depth: u32) -> Step {
        if self.peek() != b'[' {
            return Err(self.wrong_type(kind));
        }
        self.too_deep(depth)?;
        self.at += 1;
        self.whitespace();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.field(inner, depth + 1)?;
            self.whitespace();
            match self.peek() {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.syntax("a comma or the end of the array")),
            }
            self.whitespace();
        }
    }

    fn payload_spec(&self) -> Option<&'static StructSpec> {
        match self.scratch.kind {
            EventKind::Known(index) => Some(index.spec().payload),
            EventKind::Custom(index) => self.custom.spec(index).map(|spec| spec.payload),
            EventKind::Unknown => None,
        }
    }

    /// Reads by its table a payload that came before `type`.
    pub(super) fn late_payload(&mut self) -> Step {
        let (name, data) = (self.scratch.spans[TYPE], self.scratch.spans[DATA]);
        if data.start > name.start {
            return Ok(());
        }
        self.at = data.start as usize;
        self.field(&Kind::Payload, 1)
    }

    /// Checks the string that starts at `start` and has just been read.
    fn id(&mut self, start: usize, content: Content, kind: &'static Kind) -> Step {
        let raw = string::contents(self.since(start));
        let plain = !content.escaped && !content.wide && !raw.is_empty() && raw.len() <= ID_CHARS_MAX;
        let valid = if plain && !matches!(kind, Kind::SessionId) {
            // ASCII without escapes: below 0x20 the string scan has already refused.
            !content.del
        } else {
            id::is_valid(*kind, &string::decode(raw))
        };
        if valid { Ok(()) } else { Err(self.fail(RejectionCode::MalformedId, start, Expected::Kind(kind))) }
    }
}

/// The field whose name stands at `at`, quotes and colon included. Writers keep an order, nearly always ours: the field after
/// the last one is tried first, then those behind it (what is absent is optional), without looking for the key's end.
#[inline]
fn predict(
    spec: &'static StructSpec,
    predicted: usize,
    text: &[u8],
    at: usize,
) -> Option<(usize, &'static FieldSpec)> {
    let fields = spec.fields.get(predicted..)?;
    let i = fields.iter().position(|field| field.name.stands_at(text, at))?;
    Some((predicted + i, fields.get(i)?))
}

/// Names come before aliases, as when a key is predicted.
fn find(spec: &'static StructSpec, key: &[u8]) -> Key {
    let by_name = spec.fields.iter().position(|field| field.name.as_bytes() == key);
    let by_alias = |field: &FieldSpec| field.aliases.iter().any(|alias| alias.as_bytes() == key);
    let found = by_name.or_else(|| spec.fields.iter().position(by_alias));
    match found.and_then(|i| Some((i, spec.fields.get(i)?))) {
        Some((i, field)) => Key::Field(i, field),
        None if spec.ignored.iter().any(|name| name.as_bytes() == key) => Key::Ignored,
        None => Key::Unknown,
    }
}
