//! Typed wire events: constructed and read in Rust. Must not decide what is valid: that is the parser's.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalogue::{Meta, Payload};
use crate::channel::Channel;
use crate::id::EventId;
use crate::parser::{EventKind, EventView, Parser};
use crate::rejection::Rejection;
use crate::spec::JsonObject;

/// An event as appended and streamed: `{ id, type, timestamp, data, meta? }`.
///
/// ```
/// use durable_sessions_schema::{ChunkPayload, Event, Payload};
///
/// let event = Event::new("e-1".parse()?, 1_700_000_000_000, Payload::Chunk(ChunkPayload::new("Hello").turn(1_u64)));
/// assert_eq!(
///     event.to_json(),
///     r#"{"id":"e-1","type":"chunk","timestamp":1700000000000,"data":{"text":"Hello","turn":1}}"#
/// );
/// assert_eq!(Event::from_json(event.to_json().as_bytes())?, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique within the session; whoever makes the event makes it.
    pub id: EventId,
    /// Unix milliseconds.
    pub timestamp_ms: u64,
    /// `type` and `data`.
    pub payload: Payload,
    /// How the event relates to others.
    pub meta: Option<Meta>,
    /// Fields of the envelope this version does not know, kept as they came.
    pub extra: JsonObject,
}

/// An event as appended and streamed, by the name that sets it apart from a [`Record`](crate::Record).
pub type WireEvent = Event;

/// Text that did not become an [`Event`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventFault {
    /// It is not a valid event.
    #[error("not a valid event: {0}")]
    Rejected(#[source] Rejection),
    /// The parser takes it but the Rust types do not: a fault of this crate.
    #[error("a valid event that the Rust types do not read: {0}")]
    Unread(#[source] serde_json::Error),
}

impl Event {
    /// An event without `meta`.
    #[must_use]
    pub fn new(id: EventId, timestamp_ms: u64, payload: Payload) -> Self {
        Self { id, timestamp_ms, payload, meta: None, extra: JsonObject::new() }
    }

    /// The same event with `meta`.
    #[must_use]
    pub fn with_meta(self, meta: Meta) -> Self {
        Self { meta: Some(meta), ..self }
    }

    /// The `type` on the wire.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.payload.event_type()
    }

    /// The channel that the event's record goes to.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.payload.channel()
    }

    /// The event as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[expect(clippy::expect_used, reason = "writing to memory with string keys only cannot fail")]
        serde_json::to_string(self).expect("an event serialises")
    }

    /// Reads one event, validating it.
    ///
    /// # Errors
    /// The text is not a valid event.
    pub fn from_json(json: &[u8]) -> Result<Self, EventFault> {
        Parser::new().parse_event(json).map_err(EventFault::Rejected)?.to_event()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("type", self.event_type())?;
        map.serialize_entry("timestamp", &self.timestamp_ms)?;
        map.serialize_entry("data", &self.payload)?;
        if let Some(meta) = &self.meta {
            map.serialize_entry("meta", meta)?;
        }
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    /// Validates as [`Event::from_json`] does; prefer that on text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(value.to_string().as_bytes()).map_err(serde::de::Error::custom)
    }
}

impl EventView<'_, '_> {
    /// The event as Rust types. Numbers beyond what `u64` and `f64` hold exactly are rounded; the text is the truth.
    ///
    /// # Errors
    /// Never [`EventFault::Rejected`]; [`EventFault::Unread`] would be a fault of this crate.
    pub fn to_event(&self) -> Result<Event, EventFault> {
        self.read().map_err(EventFault::Unread)
    }

    fn read(&self) -> Result<Event, serde_json::Error> {
        let payload = match self.kind() {
            EventKind::Known(index) => Payload::read(index, self.data())?,
            EventKind::Custom(_) | EventKind::Unknown => Payload::Unknown {
                event_type: self.event_type().into_owned(),
                data: serde_json::from_slice(self.data())?,
            },
        };
        let mut extra = JsonObject::new();
        for (name, value) in self.envelope_extras() {
            extra.insert(serde_json::from_slice(name)?, serde_json::from_slice(value)?);
        }
        Ok(Event {
            id: serde_json::from_slice(self.id_raw())?,
            timestamp_ms: self.timestamp_ms(),
            payload,
            meta: self.meta().map(serde_json::from_slice).transpose()?,
            extra,
        })
    }
}
