//! Every header and query parameter name of the protocol, in one place. Lower case, as HTTP/2 sends them.

/// Tail or continuation offset of an answer.
pub const STREAM_NEXT_OFFSET: &str = "stream-next-offset";
/// `true` when the answer reaches the tail.
pub const STREAM_UP_TO_DATE: &str = "stream-up-to-date";
/// `true` (any case) closes a stream, or says that it is closed at this offset.
pub const STREAM_CLOSED: &str = "stream-closed";
/// Collapsing cursor of live answers, PROTOCOL.md section 10.1. Not a position.
pub const STREAM_CURSOR: &str = "stream-cursor";
/// Writer sequence, compared byte-wise.
pub const STREAM_SEQ: &str = "stream-seq";
/// Sliding time to live, in whole seconds.
pub const STREAM_TTL: &str = "stream-ttl";
/// Absolute expiry, RFC 3339.
pub const STREAM_EXPIRES_AT: &str = "stream-expires-at";
/// Path of the source of a fork.
pub const STREAM_FORKED_FROM: &str = "stream-forked-from";
/// Divergence point of a fork.
pub const STREAM_FORK_OFFSET: &str = "stream-fork-offset";
/// Refinement of the divergence point, in messages or bytes.
pub const STREAM_FORK_SUB_OFFSET: &str = "stream-fork-sub-offset";
/// `base64` when SSE data frames carry binary.
pub const STREAM_SSE_DATA_ENCODING: &str = "stream-sse-data-encoding";
/// How much of the stream is kept, at creation and in metadata (extension): see [`Retention`](crate::Retention).
pub const STREAM_RETENTION: &str = "stream-retention";
/// First offset still retained, on a 410 for trimmed history and in metadata (extension).
pub const STREAM_FIRST_OFFSET: &str = "stream-first-offset";
/// How many messages stand before the first one this answer can hold (extension). On a 410 it belongs to
/// [`STREAM_FIRST_OFFSET`].
pub const STREAM_MESSAGE_COUNT: &str = "stream-message-count";
/// What an answer to an append means, when it is less than stored in the stream: `queued` (extension).
pub const STREAM_DURABILITY: &str = "stream-durability";
/// Idempotent producer: its id.
pub const PRODUCER_ID: &str = "producer-id";
/// Idempotent producer: its epoch.
pub const PRODUCER_EPOCH: &str = "producer-epoch";
/// Idempotent producer: sequence of the batch.
pub const PRODUCER_SEQ: &str = "producer-seq";
/// Idempotent producer: the sequence the server would accept next, on a gap.
pub const PRODUCER_EXPECTED_SEQ: &str = "producer-expected-seq";
/// Idempotent producer: the sequence the server got, on a gap.
pub const PRODUCER_RECEIVED_SEQ: &str = "producer-received-seq";

/// Query parameter: where to read from.
pub const QUERY_OFFSET: &str = "offset";
/// Query parameter: live mode, `long-poll` or `sse`.
pub const QUERY_LIVE: &str = "live";
/// Query parameter: echo of [`STREAM_CURSOR`].
pub const QUERY_CURSOR: &str = "cursor";
/// Query parameter of appends: `synced` (as without it) or `queued` (extension).
pub const QUERY_DURABILITY: &str = "durability";
