//! Why the parser did not accept something. Must not know what happens to the rejected input.

#[cfg(feature = "serde")]
use core::fmt;

/// The cause of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCode {
    /// The text is not JSON, so none of it counts.
    Syntax,
    /// A value of another type than the field takes.
    WrongType,
    /// A required field is absent.
    MissingField,
    /// A field is there twice, perhaps under two of its names.
    DuplicateField,
    /// An id is empty, too long, or has characters it must not have.
    MalformedId,
    /// A string that is not in the field's closed enum.
    UnknownValue,
    /// A number that is not an integer in range, or too large in magnitude.
    NumberRange,
    /// Nested too deeply.
    TooDeep,
    /// An escape that is half of a surrogate pair.
    LoneSurrogate,
    /// `meta.schemaVersion` is not one this version reads.
    SchemaVersion,
    /// An application's own validator said no.
    Custom,
}

impl RejectionCode {
    /// Every code, in order.
    pub const ALL: &'static [Self] = &[
        Self::Syntax,
        Self::WrongType,
        Self::MissingField,
        Self::DuplicateField,
        Self::MalformedId,
        Self::UnknownValue,
        Self::NumberRange,
        Self::TooDeep,
        Self::LoneSurrogate,
        Self::SchemaVersion,
        Self::Custom,
    ];

    /// A stable name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        const NAMES: [&str; 11] = [
            "syntax",
            "wrong_type",
            "missing_field",
            "duplicate_field",
            "malformed_id",
            "unknown_value",
            "number_range",
            "too_deep",
            "lone_surrogate",
            "schema_version",
            "custom",
        ];
        NAMES[self as usize]
    }
}

/// What the parser rejected, where, and why. Without feature `serde` it says neither path nor type nor what came:
/// whoever has the text can read them there, and in the browser JavaScript does (`pkg/src/rejection.ts`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The cause.
    pub code: RejectionCode,
    /// The event's type, where it could be read.
    #[cfg(feature = "serde")]
    pub event_type: Option<String>,
    /// JSON path from the event on: `$.data.text`.
    #[cfg(feature = "serde")]
    pub path: String,
    /// What should have been there.
    pub expected: String,
    /// What was there: a short excerpt of the text.
    #[cfg(feature = "serde")]
    pub came: String,
    /// Where, in bytes from the start of the text.
    pub at: usize,
    /// Where the message begins, in bytes from the start of the text.
    pub message_at: usize,
}

#[cfg(feature = "serde")]
impl Rejection {
    /// One sentence for a person.
    #[must_use]
    pub fn message(&self) -> String {
        let mut text = String::new();
        if let Some(event_type) = &self.event_type {
            push(&mut text, event_type);
            push(&mut text, ": ");
        }
        push(&mut text, &self.path);
        push(&mut text, ": expected ");
        push(&mut text, &self.expected);
        push(&mut text, ", came ");
        push(&mut text, if self.came.is_empty() { "nothing" } else { &self.came });
        push(&mut text, " at byte ");
        push_decimal(&mut text, self.at);
        text
    }
}

#[cfg(feature = "serde")]
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

#[cfg(feature = "serde")]
impl core::error::Error for Rejection {}

/// Appends. One call instead of an inlined copy at every place: rejections are rare, code size counts.
#[inline(never)]
pub(crate) fn push(text: &mut String, more: &str) {
    text.push_str(more);
}

/// Appends a number, most significant digit first.
#[cfg(feature = "serde")]
pub(crate) fn push_decimal(text: &mut String, number: usize) {
    if number >= 10 {
        push_decimal(text, number / 10);
    }
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    push(text, DIGITS[number % 10]);
}
