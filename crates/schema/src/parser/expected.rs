//! What should have stood where the parser stopped, and its words. Must not know the text.

use crate::field_name::FieldName;
use crate::rejection::push;
use crate::spec::{EnumSpec, Kind};

/// What should have been there; made into text only when a rejection is built.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    Words(&'static str),
    /// An absent field of the object at the failure's position.
    Field(&'static FieldName),
    Kind(&'static Kind),
    OneOf(&'static EnumSpec),
    /// What the application's own validator said.
    Custom,
}

impl Expected {
    /// For a rejection; an application's own validator has words of its own.
    pub(super) fn words(self) -> String {
        let mut words = String::new();
        match self {
            Self::Words(text) => push(&mut words, text),
            Self::Field(name) => {
                push(&mut words, "field ");
                name.push_to(&mut words);
            }
            Self::Kind(kind) => push(&mut words, kind_name(kind)),
            Self::OneOf(spec) => {
                let mut separator = "one of ";
                for value in spec.values {
                    push(&mut words, separator);
                    push(&mut words, value);
                    separator = ", ";
                }
            }
            Self::Custom => {}
        }
        words
    }
}

/// What a value of this kind is called in a rejection.
fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Id => "a string of 1 to 256 characters without control characters",
        Kind::SessionId => "a session id: 1 to 100 of A-Z a-z 0-9 _ -",
        Kind::Integer => "an integer from 0 to 9007199254740991",
        Kind::Number => "a number",
        Kind::Bool => "true or false",
        Kind::Enum(_) => "a string of a closed set",
        Kind::Any => "a JSON value",
        Kind::Object | Kind::Struct(_) | Kind::Payload => "an object",
        Kind::Nullable(inner) => kind_name(inner),
        Kind::List(_) => "an array",
        Kind::SchemaVersion => "schema version 1",
        Kind::EventType => "an event type: a string of 1 to 256 characters without control characters",
    }
}
