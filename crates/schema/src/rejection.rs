//! Why the parser did not accept something. Must not know what happens to the rejected input.

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

/// What the parser rejected, where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The cause.
    pub code: RejectionCode,
    /// The event's type, where it could be read.
    pub event_type: Option<String>,
    /// JSON path from the event on: `$.data.text`.
    pub path: String,
    /// What should have been there.
    pub expected: String,
    /// What was there: a short excerpt of the text.
    pub came: String,
    /// Where, in bytes from the start of the text.
    pub at: usize,
}

impl Rejection {
    /// One sentence for a person.
    #[must_use]
    pub fn message(&self) -> String {
        // Plain concatenation: this runs in the browser as well, where the formatting machinery is too large.
        let mut text = String::new();
        if let Some(event_type) = &self.event_type {
            text.push_str(event_type);
            text.push_str(": ");
        }
        text.push_str(&self.path);
        text.push_str(": expected ");
        text.push_str(&self.expected);
        text.push_str(", came ");
        text.push_str(if self.came.is_empty() { "nothing" } else { &self.came });
        text.push_str(" at byte ");
        push_decimal(&mut text, self.at);
        text
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl core::error::Error for Rejection {}

pub(crate) fn push_decimal(text: &mut String, mut number: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || at == 0 {
            break;
        }
    }
    for digit in &digits[at..] {
        text.push(char::from(*digit));
    }
}
