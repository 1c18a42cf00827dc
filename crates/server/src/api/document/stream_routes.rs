//! The protocol's own routes, described for the document. What they do, the protocol says; what is here is what a client
//! generated from the document needs. Must not hold behaviour: `stream` handles all of them.
#![expect(dead_code, reason = "functions without a body that carry a description")]

use serde::Serialize;
use utoipa::ToSchema;

/// A failure, as the protocol's routes tell it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamFailure {
    error: super::FailureError,
}

/// That an append is queued, and not in its stream yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueuedAppendAnswer {
    queued: bool,
    durable: bool,
    /// What it is called if it ends as a dead letter.
    id: String,
}

/// Reads a stream.
///
/// From an offset, at once or live; Durable Streams, sections 5.6 to 5.8. What it holds has the stream's content type;
/// server-sent events with `live=sse`.
#[utoipa::path(
    get,
    path = "/v1/stream/{path}",
    tag = "streams",
    operation_id = "readStream",
    params(
        ("path" = String, Path, description = "The path of the stream; may hold slashes.", min_length = 1, max_length = 1024),
        ("offset" = Option<String>, Query, description = "Where to begin: an offset of this server, `-1` for the start, `now` for the end. Needed with `live`."),
        ("live" = Option<String>, Query, description = "`long-poll` waits for something new; `sse` goes on."),
        ("cursor" = Option<String>, Query, description = "The `Stream-Cursor` of the last answer."),
        ("ephemeral" = Option<bool>, Query, description = "With `live=sse` on a session: also what is not stored."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer."),
    ),
    responses(
        (status = 200, description = "What there is.", content_type = "*/*", headers(
            ("Stream-Next-Offset" = String, description = "Where to go on."),
            ("Stream-Up-To-Date" = String, description = "`true` when there was nothing more."),
            ("Stream-Closed" = String, description = "`true` at the end of a closed stream."),
        )),
        (status = 204, description = "Nothing new came while a long-poll waited."),
        (status = 304, description = "As it was."),
        (status = 400, description = "INVALID_OFFSET, INVALID_PARAMETER, INVALID_HEADER, INVALID_STREAM_PATH, INVALID_SESSION_ID, MISSING_SESSION_ID", body = StreamFailure),
        (status = 404, description = "STREAM_NOT_FOUND, SESSION_NOT_FOUND, NOT_FOUND", body = StreamFailure),
        (status = 410, description = "STREAM_GONE. HISTORY_TRIMMED: `Stream-First-Offset` says where it begins now.", body = StreamFailure),
        (status = 429, description = "TOO_MANY_CONNECTIONS: `details.fallback` is `long-poll`", body = StreamFailure),
        (status = 503, description = "STREAM_UNAVAILABLE, TOO_MANY_CONNECTIONS, SHUTTING_DOWN", body = StreamFailure),
    ),
)]
fn read_stream() {}

/// Tells where a stream ends, without its content.
#[utoipa::path(
    head,
    path = "/v1/stream/{path}",
    tag = "streams",
    operation_id = "headStream",
    params(("path" = String, Path, description = "The path of the stream; may hold slashes.", min_length = 1, max_length = 1024)),
    responses(
        (status = 200, description = "It is there."),
        (status = 400, description = "INVALID_STREAM_PATH, INVALID_SESSION_ID, MISSING_SESSION_ID"),
        (status = 404, description = "STREAM_NOT_FOUND, SESSION_NOT_FOUND, NOT_FOUND"),
        (status = 410, description = "STREAM_GONE"),
    ),
)]
fn head_stream() {}

/// Creates a stream, or confirms that it exists as asked.
///
/// Durable Streams, section 5.1. `sessions/{id}` makes a session; `Stream-Forked-From` makes a fork.
#[utoipa::path(
    put,
    path = "/v1/stream/{path}",
    tag = "streams",
    operation_id = "createStream",
    params(
        ("path" = String, Path, description = "The path of the stream; may hold slashes.", min_length = 1, max_length = 1024),
        ("Stream-TTL" = Option<String>, Header, description = "Seconds until it ends."),
        ("Stream-Expires-At" = Option<String>, Header, description = "When it ends, RFC 3339."),
        ("Stream-Closed" = Option<String>, Header, description = "`true` creates it closed."),
        ("Stream-Forked-From" = Option<String>, Header, description = "The stream it begins as."),
        ("Stream-Fork-Offset" = Option<String>, Header, description = "How much of that."),
        ("Stream-Retention" = Option<String>, Header, description = "What is kept of it."),
    ),
    request_body(content = Option<serde_json::Value>, description = "What it begins with.", content_type = "application/json"),
    responses(
        (status = 201, description = "Created.", headers(("Stream-Next-Offset" = String, description = "Its end."), ("Location" = String, description = "Its URL."))),
        (status = 200, description = "It exists as asked.", headers(("Stream-Next-Offset" = String, description = "Its end."))),
        (status = 400, description = "INVALID_EVENT, INVALID_JSON, INVALID_HEADER, INVALID_FORK, INVALID_CONTENT_TYPE, CONTENT_TYPE_MISMATCH, INVALID_STREAM_PATH, INVALID_SESSION_ID, MISSING_SESSION_ID, BODY_ABORTED", body = StreamFailure),
        (status = 403, description = "FORBIDDEN, PRESENCE_IDENTITY_MISMATCH", body = StreamFailure),
        (status = 404, description = "STREAM_NOT_FOUND, SESSION_NOT_FOUND: the source of a fork. NOT_FOUND", body = StreamFailure),
        (status = 409, description = "STREAM_EXISTS, STREAM_GONE, CONTENT_TYPE_MISMATCH", body = StreamFailure),
        (status = 429, description = "TOO_MANY_STREAMS, RATE_LIMITED", body = StreamFailure),
        (status = 507, description = "STORAGE_FULL", body = StreamFailure),
    ),
)]
fn create_stream() {}

/// Appends to a stream, closes it, or both in one step.
///
/// Durable Streams, sections 5.2 and 5.3. What a session holds is checked against the schema of events.
#[utoipa::path(
    post,
    path = "/v1/stream/{path}",
    tag = "streams",
    operation_id = "appendToStream",
    params(
        ("path" = String, Path, description = "The path of the stream; may hold slashes.", min_length = 1, max_length = 1024),
        ("durability" = Option<String>, Query, description = "`queued` takes it at once, and brings it to its stream later; `synced` otherwise."),
        ("Stream-Closed" = Option<String>, Header, description = "`true` closes it."),
        ("Stream-Seq" = Option<String>, Header, description = "Must be greater than the last one."),
        ("Producer-Id" = Option<String>, Header, description = "Who appends, so that repetitions are recognised."),
        ("Producer-Epoch" = Option<String>, Header, description = "Its epoch."),
        ("Producer-Seq" = Option<String>, Header, description = "The number of this append in it."),
    ),
    request_body(content = Option<serde_json::Value>, description = "Of the stream's content type; on JSON streams one message, or an array of them.", content_type = "application/json"),
    responses(
        (status = 204, description = "It is there.", headers(("Stream-Next-Offset" = String, description = "The end of the stream now."))),
        (status = 200, description = "It is there, and new from this producer.", headers(("Stream-Next-Offset" = String, description = "The end of the stream now."))),
        (status = 202, description = "It is queued.", body = QueuedAppendAnswer),
        (status = 400, description = "EMPTY_APPEND, INVALID_EVENT, INVALID_JSON, INVALID_HEADER, INVALID_PRODUCER, INVALID_PARAMETER, CONTENT_TYPE_MISSING, INVALID_CONTENT_TYPE, INVALID_STREAM_PATH, INVALID_SESSION_ID, MISSING_SESSION_ID, BODY_ABORTED", body = StreamFailure),
        (status = 403, description = "FORBIDDEN, PRESENCE_IDENTITY_MISMATCH, STALE_EPOCH", body = StreamFailure),
        (status = 404, description = "STREAM_NOT_FOUND, SESSION_NOT_FOUND, NOT_FOUND", body = StreamFailure),
        (status = 409, description = "STREAM_CLOSED, SESSION_CLOSED, CONTENT_TYPE_MISMATCH, SEQUENCE_CONFLICT, SEQUENCE_GAP, CONFLICT", body = StreamFailure),
        (status = 410, description = "STREAM_GONE", body = StreamFailure),
        (status = 507, description = "STORAGE_FULL", body = StreamFailure),
    ),
)]
fn append_to_stream() {}

/// Deletes a stream.
#[utoipa::path(
    delete,
    path = "/v1/stream/{path}",
    tag = "streams",
    operation_id = "deleteStream",
    params(("path" = String, Path, description = "The path of the stream; may hold slashes.", min_length = 1, max_length = 1024)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 400, description = "INVALID_STREAM_PATH, INVALID_SESSION_ID, MISSING_SESSION_ID", body = StreamFailure),
        (status = 404, description = "STREAM_NOT_FOUND, SESSION_NOT_FOUND, NOT_FOUND", body = StreamFailure),
        (status = 410, description = "STREAM_GONE", body = StreamFailure),
    ),
)]
fn delete_stream() {}
