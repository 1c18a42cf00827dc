//! What surrounds every payload: the envelope and `meta`. Must not know any event.

use crate::enums::{Durability, PartType};
use crate::id::{BlockId, EventId};
use crate::spec::{FieldSpec, FieldType, Kind, SchemaVersion, StructSpec};

payloads! {
    /// How an event relates to others. Events without it are valid.
    Meta {
        /// The version of this schema.
        schema_version: SchemaVersion = "schemaVersion";
        /// The event's id, again.
        event_id: EventId = "eventId";
        /// The block that the event belongs to.
        block_id?: BlockId = "blockId";
        /// Its part in the block.
        part_type?: PartType = "partType";
        /// Whether it is kept.
        durability?: Durability = "durability";
        /// Its place in the block.
        sequence?: u64 = "sequence";
        /// When it was made, in Unix milliseconds.
        created_at?: u64 = "createdAt";
    }
}

/// Index of `id` in the envelope.
pub(crate) const ID: usize = 0;
/// Index of `type` in the envelope.
pub(crate) const TYPE: usize = 1;
/// Index of `timestamp` in the envelope.
pub(crate) const TIMESTAMP: usize = 2;
/// Index of `data` in the envelope.
pub(crate) const DATA: usize = 3;
/// Index of `meta` in the envelope.
pub(crate) const META: usize = 4;
/// How many fields an envelope has.
pub(crate) const ENVELOPE_FIELDS: usize = 5;

/// The wire event's own fields: `{ id, type, timestamp, data, meta? }`.
pub static ENVELOPE: StructSpec = StructSpec::new(
    "WireEvent",
    &[
        FieldSpec::required("id", Kind::Id).with_doc("Unique within the session."),
        FieldSpec::required("type", Kind::EventType).with_doc("Selects the shape of `data`."),
        FieldSpec::required("timestamp", Kind::Integer).with_doc("Unix milliseconds."),
        FieldSpec::required("data", Kind::Payload).with_doc("The payload."),
        FieldSpec::optional("meta", <Meta as FieldType>::KIND).with_doc("How the event relates to others."),
    ],
)
.with_doc("An event as appended and streamed.");
