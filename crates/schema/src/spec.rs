//! The shape of the static tables. Must not know any event by name, nor how text is parsed.

use crate::channel::Channel;
use crate::field_name::FieldName;

/// What a field's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any string.
    Text,
    /// A string of 1 to 256 characters without control characters.
    Id,
    /// A session id: `^[A-Za-z0-9_-]{1,100}$`.
    SessionId,
    /// A plain integer from 0 to 2^53 - 1.
    Integer,
    /// Any number below 1e308 in magnitude.
    Number,
    /// `true` or `false`.
    Bool,
    /// One of a closed set of strings.
    Enum(&'static EnumSpec),
    /// Any JSON value.
    Any,
    /// Any JSON object.
    Object,
    /// An object of the catalogue.
    Struct(&'static StructSpec),
    /// The kind inside, or `null`.
    Nullable(&'static Kind),
    /// An array of the kind inside.
    List(&'static Kind),
    /// The number 1.
    SchemaVersion,
    /// Envelope only: an event type name, which selects the payload's table.
    EventType,
    /// Envelope only: the payload, by the table that the event type selected.
    Payload,
}

/// A closed set of strings.
#[derive(Debug, PartialEq, Eq)]
pub struct EnumSpec {
    /// The strings, in the order of the Rust variants.
    pub values: &'static [&'static str],
    /// The Rust and TypeScript name.
    #[cfg(feature = "serde")]
    pub name: &'static str,
}

impl EnumSpec {
    /// A closed set of that name; without feature `serde` the name is not kept.
    #[must_use]
    pub const fn new(name: &'static str, values: &'static [&'static str]) -> Self {
        #[cfg(not(feature = "serde"))]
        let _ = name;
        Self {
            values,
            #[cfg(feature = "serde")]
            name,
        }
    }
}

/// One field of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// The name on the wire, and the name every reader gets.
    pub name: FieldName,
    /// Other names accepted on the wire.
    pub aliases: &'static [&'static str],
    /// What the value must be.
    pub kind: Kind,
    /// Whether the field must be there.
    pub required: bool,
    #[cfg(feature = "serde")]
    doc: &'static str,
}

impl FieldSpec {
    /// A field that must be there. A name has 1 to 19 letters, digits or `_`, or the constant does not compile; aliases
    /// may be any text.
    #[must_use]
    pub const fn required(name: &str, kind: Kind) -> Self {
        Self {
            name: FieldName::new(name),
            aliases: &[],
            kind,
            required: true,
            #[cfg(feature = "serde")]
            doc: "",
        }
    }

    /// A field that may be absent; `null` is not absence.
    #[must_use]
    pub const fn optional(name: &str, kind: Kind) -> Self {
        Self { required: false, ..Self::required(name, kind) }
    }

    /// The same field, also accepted under other names.
    #[must_use]
    pub const fn with_aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The same field with a description; without feature `serde` the text is not kept.
    #[must_use]
    pub const fn with_doc(self, doc: &'static str) -> Self {
        #[cfg(feature = "serde")]
        return Self { doc, ..self };
        #[cfg(not(feature = "serde"))]
        {
            let _ = doc;
            self
        }
    }

    /// The description, for schema documents.
    #[cfg(feature = "serde")]
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }
}

/// The fields of an object, in schema order.
#[derive(Debug, PartialEq, Eq)]
pub struct StructSpec {
    /// The fields; at most [`FIELDS_MAX`](crate::FIELDS_MAX).
    pub fields: &'static [FieldSpec],
    /// Names that are accepted with any value and then dropped.
    pub ignored: &'static [&'static str],
    /// One bit per required field, bit `i` for `fields[i]`.
    pub required_mask: u32,
    /// The Rust and TypeScript name.
    #[cfg(feature = "serde")]
    pub name: &'static str,
    #[cfg(feature = "serde")]
    doc: &'static str,
}

impl StructSpec {
    /// An object with these fields; without feature `serde` the name is not kept. Evaluated in a constant, more than
    /// [`FIELDS_MAX`](crate::FIELDS_MAX) fields are an error at compile time.
    #[must_use]
    pub const fn new(name: &'static str, fields: &'static [FieldSpec]) -> Self {
        assert!(fields.len() <= crate::limits::FIELDS_MAX, "too many fields");
        let mut required_mask = 0;
        let mut i = 0;
        while i < fields.len() {
            if fields[i].required {
                required_mask |= 1 << i;
            }
            i += 1;
        }
        #[cfg(not(feature = "serde"))]
        let _ = name;
        Self {
            fields,
            ignored: &[],
            required_mask,
            #[cfg(feature = "serde")]
            name,
            #[cfg(feature = "serde")]
            doc: "",
        }
    }

    /// The same object, dropping these fields.
    #[must_use]
    pub const fn with_ignored(self, ignored: &'static [&'static str]) -> Self {
        Self { ignored, ..self }
    }

    /// The same object with a description; without feature `serde` the text is not kept.
    #[must_use]
    pub const fn with_doc(self, doc: &'static str) -> Self {
        #[cfg(feature = "serde")]
        return Self { doc, ..self };
        #[cfg(not(feature = "serde"))]
        {
            let _ = doc;
            self
        }
    }

    /// The description, for schema documents.
    #[cfg(feature = "serde")]
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// One bit per optional field, bit `i` for `fields[i]`.
    #[must_use]
    pub const fn optional_mask(&self) -> u32 {
        ((1 << self.fields.len()) - 1) & !self.required_mask
    }
}

/// The field that mapping to a channel record adds to the payload, so that a consumer of the channel can tell
/// the channel's events apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discriminant {
    /// Nothing is added: the channel has one event type.
    None,
    /// A field with a constant string, for example `action: "joined"`.
    Fixed {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// `status`: `"error"` if the payload's `isError` is true, otherwise `"complete"`.
    ToolOutcome,
}

/// One event type.
#[derive(Debug, PartialEq, Eq)]
pub struct EventSpec {
    /// The `type` on the wire.
    pub event_type: &'static str,
    /// The channel its records go to.
    pub channel: Channel,
    /// The shape of `data`.
    pub payload: &'static StructSpec,
    /// The name of the Rust variant and the stem of the TypeScript names.
    #[cfg(feature = "serde")]
    pub name: &'static str,
    /// What mapping to a record adds.
    #[cfg(feature = "serde")]
    pub discriminant: Discriminant,
    #[cfg(feature = "serde")]
    doc: &'static str,
}

impl EventSpec {
    /// An event type. Without feature `serde` neither name nor discriminant are kept: the parser needs neither.
    #[must_use]
    pub const fn new(
        name: &'static str,
        event_type: &'static str,
        channel: Channel,
        payload: &'static StructSpec,
        discriminant: Discriminant,
    ) -> Self {
        #[cfg(not(feature = "serde"))]
        let _ = (name, discriminant);
        Self {
            event_type,
            channel,
            payload,
            #[cfg(feature = "serde")]
            name,
            #[cfg(feature = "serde")]
            discriminant,
            #[cfg(feature = "serde")]
            doc: "",
        }
    }

    /// The same event type with a description; without feature `serde` the text is not kept.
    #[must_use]
    pub const fn with_doc(self, doc: &'static str) -> Self {
        #[cfg(feature = "serde")]
        return Self { doc, ..self };
        #[cfg(not(feature = "serde"))]
        {
            let _ = doc;
            self
        }
    }

    /// The description, for schema documents.
    #[cfg(feature = "serde")]
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }
}

/// A Rust type that may stand in a payload, and what the parser checks for it.
pub trait FieldType {
    /// What the parser checks.
    const KIND: Kind;
}

macro_rules! field_kinds {
    ($($ty:ty => $kind:expr;)*) => { $(impl FieldType for $ty { const KIND: Kind = $kind; })* };
}

field_kinds! {
    String => Kind::Text;
    u64 => Kind::Integer;
    f64 => Kind::Number;
    bool => Kind::Bool;
    Json => Kind::Any;
    JsonObject => Kind::Object;
    SchemaVersion => Kind::SchemaVersion;
}

impl<T: FieldType> FieldType for Nullable<T> {
    const KIND: Kind = Kind::Nullable(&T::KIND);
}

impl<T: FieldType> FieldType for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
}

/// Any JSON value.
#[cfg(feature = "serde")]
pub type Json = serde_json::Value;
/// Any JSON object.
#[cfg(feature = "serde")]
pub type JsonObject = serde_json::Map<String, serde_json::Value>;

/// Any JSON value; without feature `serde` only its name exists.
#[cfg(not(feature = "serde"))]
#[derive(Debug, Clone, PartialEq)]
pub struct Json;
/// Any JSON object; without feature `serde` only its name exists.
#[cfg(not(feature = "serde"))]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonObject;

/// A value that must be there but may be `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Nullable<T>(pub Option<T>);

impl<T> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

/// `meta.schemaVersion`: always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "u64", into = "u64")
)]
pub struct SchemaVersion;

impl From<SchemaVersion> for u64 {
    fn from(_: SchemaVersion) -> Self {
        crate::limits::SCHEMA_VERSION
    }
}

impl TryFrom<u64> for SchemaVersion {
    type Error = UnsupportedSchemaVersion;

    fn try_from(version: u64) -> Result<Self, UnsupportedSchemaVersion> {
        if version == crate::limits::SCHEMA_VERSION { Ok(Self) } else { Err(UnsupportedSchemaVersion) }
    }
}

/// A `schemaVersion` other than 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unsupported schema version: expected 1")]
pub struct UnsupportedSchemaVersion;

/// An object of the catalogue: the Rust type beside the parser's table.
pub trait ObjectType {
    /// The table.
    const SPEC: &'static StructSpec;

    /// The unknown fields.
    fn extra_mut(&mut self) -> &mut JsonObject;
}

/// Reads an optional field that is there: for a field that takes any JSON, `null` is a value, not absence.
#[cfg(feature = "serde")]
pub(crate) fn present<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
