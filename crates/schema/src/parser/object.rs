//! Objects and values by their tables. Must not know the catalogue beyond the tables it is given.

use super::reader::{Expected, Reader, Step, Stop};
use super::string::{self, Content};
use super::view::{EventKind, Span};
use crate::catalogue::{DATA, TIMESTAMP, TYPE};
use crate::id;
use crate::limits::{DEPTH_MAX, ID_CHARS_MAX, SCHEMA_VERSION};
use crate::rejection::RejectionCode;
use crate::spec::{FieldSpec, Kind, StructSpec};

/// Whose fields an object's spans are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Envelope,
    Payload,
    /// Deeper: checked, but its fields are not kept apart.
    Nested,
}

/// What a key names.
enum Key {
    Field(usize, &'static FieldSpec),
    Ignored,
    Unknown,
}

impl Reader<'_, '_> {
    /// Reads the object at the current position by its table and moves behind it. `depth` counts the object itself.
    pub(super) fn object(&mut self, spec: &'static StructSpec, place: Place, depth: u32) -> Step {
        let open = self.at;
        let mut seen = 0_u32;
        let mut plain = 0_u32;
        let mut predicted = 0;
        self.at += 1;
        self.whitespace();
        if place == Place::Envelope {
            self.scratch.envelope_seen = 0;
        }
        if self.peek() == b'}' {
            self.at += 1;
        } else {
            loop {
                let key = self.at;
                let named = self.key(spec, predicted)?;
                let key_end = self.at;
                self.colon()?;
                let start = self.at;
                match named {
                    Key::Field(i, field) => {
                        let bit = 1 << i;
                        if seen & bit != 0 {
                            let expected = Expected::Words("each field once");
                            return Err(self.fail(RejectionCode::DuplicateField, key, expected));
                        }
                        seen |= bit;
                        predicted = i + 1;
                        self.field(&field.kind, depth)?;
                        // Of a kind that is no string the bit says nothing, and nobody asks.
                        plain |= u32::from(self.plain) << i;
                        if i == TIMESTAMP && place == Place::Envelope {
                            self.scratch.timestamp_ms = self.scratch.integer;
                        }
                        let span = Span::new(start, self.at);
                        let spans: &mut [Span] = match place {
                            Place::Envelope => &mut self.scratch.envelope,
                            Place::Payload => &mut self.scratch.fields,
                            Place::Nested => &mut [],
                        };
                        if let Some(slot) = spans.get_mut(i) {
                            *slot = span;
                        }
                    }
                    Key::Ignored => self.value(depth)?,
                    Key::Unknown => {
                        self.value(depth)?;
                        let extra = (Span::new(key, key_end), Span::new(start, self.at));
                        match place {
                            Place::Envelope => self.scratch.envelope_extras.push(extra),
                            Place::Payload => self.scratch.extras.push(extra),
                            Place::Nested => {}
                        }
                    }
                }
                self.whitespace();
                match self.peek() {
                    b',' => self.at += 1,
                    b'}' => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.syntax("a comma or the end of the object")),
                }
                self.whitespace();
            }
        }
        let missing = spec.required_mask & !seen;
        if missing != 0 {
            let name = spec.fields.get(missing.trailing_zeros() as usize).map_or("", |field| field.name);
            return Err(self.fail(RejectionCode::MissingField, open, Expected::Field(name)));
        }
        match place {
            Place::Envelope => (self.scratch.envelope_seen, self.scratch.envelope_plain) = (seen, plain),
            Place::Payload => (self.scratch.fields_seen, self.scratch.fields_plain) = (seen, plain),
            Place::Nested => {}
        }
        Ok(())
    }

    /// Reads a key. Writers keep an order, nearly always ours: the field after the last one is tried first, by one
    /// comparison and without looking for the key's end.
    fn key(&mut self, spec: &'static StructSpec, predicted: usize) -> Result<Key, Stop> {
        if let Some(field) = spec.fields.get(predicted) {
            let name = field.name.as_bytes();
            if let Some([b'"', rest @ ..]) = self.text.get(self.at..)
                && rest.get(name.len()) == Some(&b'"')
                && rest.starts_with(name)
            {
                self.at += name.len() + 2;
                return Ok(Key::Field(predicted, field));
            }
        }
        let start = self.at;
        let content = self.string()?;
        let raw = string::contents(self.since(start));
        if content.escaped {
            return Ok(find(spec, predicted, string::decode(raw).as_bytes()));
        }
        Ok(find(spec, predicted, raw))
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
                    spec.values.iter().any(|value| *value == decoded)
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
        let (name, data) = (self.scratch.envelope[TYPE], self.scratch.envelope[DATA]);
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
            !raw.contains(&0x7f)
        } else {
            id::is_valid(*kind, &string::decode(raw))
        };
        if valid { Ok(()) } else { Err(self.fail(RejectionCode::MalformedId, start, Expected::Kind(kind))) }
    }
}

fn find(spec: &'static StructSpec, predicted: usize, key: &[u8]) -> Key {
    let named = |field: &FieldSpec| {
        field.name.as_bytes() == key || field.aliases.iter().any(|alias| alias.as_bytes() == key)
    };
    // From the prediction on: what is absent most often is one optional field.
    let mut i = predicted;
    for _ in spec.fields {
        if i >= spec.fields.len() {
            i = 0;
        }
        match spec.fields.get(i) {
            Some(field) if named(field) => return Key::Field(i, field),
            _ => i += 1,
        }
    }
    if spec.ignored.iter().any(|name| name.as_bytes() == key) { Key::Ignored } else { Key::Unknown }
}
