//! Durable Streams on the wire: offsets, headers, SSE frames both ways, control events, cursors, producer
//! headers and content types. The source is `PROTOCOL.md` 1.0 of durable-streams/durable-streams.
//!
//! This crate must not know sessions, IO, clocks or randomness.

mod content_type;
mod control;
pub mod header;
pub mod json;
mod live_cursor;
mod offset;
mod offset_token;
mod producer;
mod retention;
pub mod sse;
mod stream_path;
mod swar;

pub use content_type::{CONTENT_TYPE_LEN_MAX, ContentType, MalformedContentType, Unit};
pub use control::{Control, MESSAGE_COUNT_MAX};
pub use live_cursor::{LIVE_CURSOR_EPOCH_SECS, LIVE_CURSOR_INTERVAL_SECS, LiveCursor};
pub use offset::{MalformedOffset, OFFSET_TOKEN_LEN, Offset, ReadFrom};
pub use offset_token::{MalformedOffsetToken, OFFSET_TOKEN_BYTES_MAX, OffsetToken};
pub use producer::{
    InvalidProducer, PRODUCER_ID_LEN_MAX, PRODUCER_NUMBER_MAX, ProducerClaim, ProducerEpoch, ProducerId,
    ProducerSeq,
};
pub use retention::{InvalidRetention, Retention};
pub use stream_path::{InvalidStreamPath, STREAM_PATH_LEN_MAX, StreamPath};
