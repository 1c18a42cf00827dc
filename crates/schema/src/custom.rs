//! Event types of an application's own, without touching this crate. Must not know any of them.

use crate::spec::EventSpec;

/// An event type that an application adds.
///
/// ```
/// use durable_sessions_schema::{Channel, CustomEvent, CustomEvents, Discriminant, EventSpec, FieldSpec, Kind, Parser, StructSpec};
///
/// struct Deployed;
///
/// impl CustomEvent for Deployed {
///     const SPEC: &'static EventSpec = &EventSpec::new(
///         "Deployed",
///         "acme:deployed",
///         Channel::Unknown,
///         &StructSpec::new("DeployedPayload", &[FieldSpec::required("commit", Kind::Text)]),
///         Discriminant::None,
///     );
///
///     fn check(data: &[u8]) -> Result<(), String> {
///         if data.len() < 1000 { Ok(()) } else { Err("a short payload".into()) }
///     }
/// }
///
/// let mut parser = Parser::with_custom(CustomEvents::new().with::<Deployed>());
/// let bad = br#"{"id":"1","type":"acme:deployed","timestamp":1,"data":{}}"#;
/// assert_eq!(parser.parse_event(bad).unwrap_err().path, "$.data.commit");
/// ```
pub trait CustomEvent {
    /// The event type and the shape of its payload. The name of a catalogue event has no effect: the catalogue
    /// comes first.
    const SPEC: &'static EventSpec;

    /// What the table cannot say, given the payload's JSON text after it has passed the table. `Err` says what
    /// was expected.
    ///
    /// # Errors
    /// A payload that the application does not want.
    fn check(data: &[u8]) -> Result<(), String> {
        let _ = data;
        Ok(())
    }
}

/// The event types that an application adds. Without feature `serde` there are none: the browser's applications check
/// theirs in JavaScript, and a call that the compiler cannot see through would keep a table of functions in the module.
#[derive(Debug, Clone, Default)]
pub struct CustomEvents {
    #[cfg(feature = "serde")]
    entries: Vec<CustomEntry>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomEntry {
    pub(crate) spec: &'static EventSpec,
    pub(crate) check: fn(&[u8]) -> Result<(), String>,
}

impl CustomEvents {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            #[cfg(feature = "serde")]
            entries: Vec::new(),
        }
    }

    /// One more.
    #[cfg(feature = "serde")]
    #[must_use]
    pub fn with<E: CustomEvent>(mut self) -> Self {
        self.entries.push(CustomEntry { spec: E::SPEC, check: E::check });
        self
    }

    /// The shape of the event type at this position.
    #[must_use]
    pub fn spec(&self, position: CustomIndex) -> Option<&'static EventSpec> {
        self.entry(position).map(|entry| entry.spec)
    }

    pub(crate) fn entry(&self, position: CustomIndex) -> Option<CustomEntry> {
        self.entries().get(usize::from(position.0)).copied()
    }

    pub(crate) fn find(&self, event_type: &[u8]) -> Option<CustomIndex> {
        let position =
            self.entries().iter().position(|entry| entry.spec.event_type.as_bytes() == event_type)?;
        Some(CustomIndex(position as u16))
    }

    #[cfg(feature = "serde")]
    fn entries(&self) -> &[CustomEntry] {
        &self.entries
    }

    #[cfg(not(feature = "serde"))]
    #[expect(clippy::unused_self, reason = "the same call with and without")]
    const fn entries(&self) -> &[CustomEntry] {
        &[]
    }
}

/// A position in [`CustomEvents`], in the order they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CustomIndex(pub u16);
