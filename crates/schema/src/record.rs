//! Channel records: what a consumer gets after mapping. Must not know how events travel.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::catalogue::{EVENTS, Meta, Payload};
use crate::channel::Channel;
use crate::event::Event;
use crate::id::{EventId, SessionId};
use crate::spec::{Discriminant, JsonObject};

/// Where an event stands: what the stream knows and the event does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// The session whose stream it stands in.
    pub session_id: SessionId,
    /// How many events stand up to and including this one, from the start of the stream.
    pub offset: u64,
    /// The last cursor known when the event arrived.
    pub cursor: Option<String>,
}

/// An event as a consumer of its channel gets it: `{ channel, type, id, data, offset, cursor, meta? }`, where `data` is the
/// payload with `sessionId` and `timestamp` and, where a channel has several event types, the field that tells them
/// apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The channel.
    pub channel: Channel,
    /// The event's id.
    pub id: EventId,
    /// Where the event stands.
    pub place: RecordPlace,
    /// Unix milliseconds.
    pub timestamp_ms: u64,
    /// The payload.
    pub payload: Payload,
    /// How the event relates to others.
    pub meta: Option<Meta>,
}

impl Event {
    /// Maps the event to its channel's record.
    #[must_use]
    pub fn into_record(self, place: RecordPlace) -> Record {
        Record {
            channel: self.channel(),
            id: self.id,
            place,
            timestamp_ms: self.timestamp_ms,
            payload: self.payload,
            meta: self.meta,
        }
    }
}

impl Record {
    /// `data` as the consumer sees it. What the mapping adds wins over fields of the payload with the same name.
    ///
    /// # Errors
    /// A payload that cannot be expressed in JSON (none of the catalogue's).
    pub fn data(&self) -> Result<JsonObject, serde_json::Error> {
        let mut data = match serde_json::to_value(&self.payload)? {
            serde_json::Value::Object(object) => object,
            // An unknown event may carry anything.
            other => [("data".to_owned(), other)].into_iter().collect(),
        };
        match self.payload.index().map(|index| EVENTS[index.position()].discriminant) {
            Some(Discriminant::Fixed { field, value }) => {
                data.insert(field.to_owned(), value.into());
            }
            Some(Discriminant::ToolOutcome) => {
                let failed = data.get("isError").and_then(serde_json::Value::as_bool).unwrap_or(false);
                data.insert("status".to_owned(), if failed { "error" } else { "complete" }.into());
            }
            Some(Discriminant::None) => {}
            None => {
                data.insert("type".to_owned(), self.payload.event_type().into());
            }
        }
        data.insert("sessionId".to_owned(), self.place.session_id.as_str().into());
        data.insert("timestamp".to_owned(), self.timestamp_ms.into());
        Ok(data)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = self.data().map_err(serde::ser::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("channel", &self.channel)?;
        map.serialize_entry("type", self.payload.event_type())?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("data", &data)?;
        map.serialize_entry("offset", &self.place.offset)?;
        map.serialize_entry("cursor", &self.place.cursor)?;
        if let Some(meta) = &self.meta {
            map.serialize_entry("meta", meta)?;
        }
        map.end()
    }
}
