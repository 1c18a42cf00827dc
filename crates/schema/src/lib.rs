//! Session events, ids, channels and error codes, and the one validating parser.
//!
//! Everything about events is defined here, once: the [`catalogue`](EVENTS) names every event and its payload; from
//! it come the Rust types ([`Event`], [`Payload`]), the static tables that the [`Parser`] runs on (server and browser
//! alike), the JSON Schema document and the TypeScript declarations. A *wire event* `{ id, type, timestamp, data,
//! meta? }` is what is appended and streamed; a *channel record* ([`Record`]) is what a consumer gets after mapping.
//!
//! Pure data: this crate must not know HTTP, SSE or storage, and has neither IO nor clocks nor randomness.
//!
//! Without feature `serde` (default) only ids, enums, tables and the parser remain; that is what the browser links.

#[macro_use]
mod define;

mod catalogue;
mod channel;
mod custom;
mod enums;
mod error_code;
#[cfg(feature = "serde")]
mod event;
mod field_name;
mod id;
#[cfg(feature = "serde")]
mod json_schema;
mod limits;
mod parser;
#[cfg(feature = "serde")]
mod record;
mod rejection;
mod session;
mod spec;
#[cfg(feature = "typescript")]
mod typescript;

pub use catalogue::*;
pub use channel::Channel;
pub use custom::{CustomEvent, CustomEvents, CustomIndex};
pub use enums::*;
pub use error_code::ErrorCode;
#[cfg(feature = "serde")]
pub use event::{Event, EventFault, WireEvent};
pub use field_name::{FIELD_NAME_BYTES_MAX, FieldName};
pub use id::{
    AgentId, BlockId, EventId, MalformedId, MessageId, ProjectId, RunId, SessionId, TaskId, ToolCallId,
    UserId, WorktreeId,
};
#[cfg(feature = "serde")]
pub use json_schema::json_schema;
pub use limits::*;
pub use parser::{
    EventKind, EventView, ObjectView, Parser, StringView, UTF16_SLACK_BYTES, Verdict, encode_utf16, utf8_len,
};
#[cfg(feature = "serde")]
pub use record::{Record, RecordPlace};
pub use rejection::{Rejection, RejectionCode};
pub use session::{PresenceEntry, Session, SessionWithPresence};
pub use spec::*;
#[cfg(feature = "typescript")]
pub use typescript::typescript;
