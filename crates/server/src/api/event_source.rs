//! `GET /api/sessions/{id}/stream`: live events for a plain `EventSource`, which knows neither names of frames nor
//! headers. Must not know how frames are shared.
//!
//! - first `{"type":"connected", sessionId, offset, cursor, timestamp}`, with `missed` when history before it was trimmed;
//! - then one unnamed frame per event, its `id` the cursor behind it, so that the browser resumes by itself;
//! - `event: ephemeral` frames without id for what is not stored, when asked for;
//! - at the end of a closed session `{"type":"closed"}`; who comes back then gets 204, which tells a browser to stop.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use durable_sessions_protocol::{Offset, ReadFrom, StreamPath, sse};
use durable_sessions_storage::{Page, ReadError};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Query, SessionPath, position};
use crate::Code;
use crate::access::{Action, guard_existing};
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;
use crate::fanout::{Framing, Standing, Wants, encode_control, encode_data};
use crate::identity::Caller;
use crate::store_error::StoreError as _;
use crate::stream::{self, Namespace};

/// How long a browser waits before it comes again.
const RETRY_MS: u32 = 1000;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// One frame of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventSourceFrame {
    /// The cursor behind the event; absent from frames that are not stored.
    id: Option<String>,
    /// `ephemeral` for what is not stored; absent otherwise, which is `message` to a browser.
    event: Option<String>,
    /// A wire event, or what is said about the connection: `{"type":"connected"}`, `{"type":"closed"}`.
    data: String,
}

/// Streams a session's events to an `EventSource`.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/stream",
    tag = "events",
    operation_id = "streamEvents",
    params(
        ("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$"),
        ("offset" = Option<String>, Query, description = "Where to begin: a cursor, a count of events already seen, or `now`. From the start when absent."),
        ("ephemeral" = Option<bool>, Query, description = "Also what is not stored, as `event: ephemeral`."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last frame seen; goes before `offset`."),
    ),
    responses(
        (status = 200, description = "Server-sent events. `data` is one wire event each, `id` the cursor behind it.", body = EventSourceFrame, content_type = "text/event-stream"),
        (status = 204, description = "The session is closed, and everything was seen."),
        (status = 400, description = "INVALID_SESSION_ID, INVALID_CURSOR, INVALID_PARAMETER", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE, TOO_MANY_CONNECTIONS, SHUTTING_DOWN", body = Failure),
    ),
)]
pub(crate) async fn stream_events(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Answer {
    guard_existing(&app, &caller, Action::Read, &path).await?;
    let query = Query::parse(query.as_deref())?;
    let ephemeral = query.flag("ephemeral")?;
    let from = from(&query, &headers)?;
    let resumes = headers.contains_key(LAST_EVENT_ID);
    if method == Method::HEAD {
        // Only the head of it: nobody stays.
        open(&app, &path, from).await?;
        return Ok(stream::event_stream(&app, Body::empty(), None));
    }
    let slot = stream::place(&app, &caller)?;
    let (first, missed) = open(&app, &path, from).await?;
    if resumes && stream::is_final(&first) && first.rows.is_empty() {
        return Ok((StatusCode::NO_CONTENT, [(CACHE_CONTROL, NO_STORE)]).into_response());
    }
    let connected = connected(&app, &id, &first, missed);
    if stream::is_final(&first) {
        let mut out = connected.to_vec();
        if !first.rows.is_empty() {
            encode_data(&mut out, Framing::EventSource, &first.rows, first.next, false);
        }
        encode_control(&mut out, Framing::EventSource, first.next, 0, Standing::Closed);
        return Ok(stream::event_stream(&app, Body::from(out), None));
    }
    let wants = Wants { framing: Framing::EventSource, own_cursor: 0, ephemeral, preamble: Some(connected) };
    let subscriber = app.fanout.subscribe(&app, &path, slot, &first, &wants).await;
    let subscriber = subscriber.map_err(|e| e.answer(Namespace::Sessions))?;
    let cut = subscriber.cut();
    Ok(stream::event_stream(&app, Body::new(subscriber), Some(cut)))
}

/// The browser's own memory of where it was goes before what the page asked for at first.
fn from(query: &Query, headers: &HeaderMap) -> Result<ReadFrom, ApiError> {
    if let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) {
        return position(id.to_str().unwrap_or_default(), "Last-Event-ID").map(ReadFrom::At);
    }
    match query.one("offset")? {
        None | Some("" | "-1") => Ok(ReadFrom::Start),
        Some("now") => Ok(ReadFrom::Now),
        Some(text) => position(text, "offset").map(ReadFrom::At),
    }
}

/// The first page, and how much before it the reader did not get because it was trimmed. An `EventSource` cannot read
/// an answer of 410, so it is told in the first frame instead.
async fn open(app: &App, path: &StreamPath, from: ReadFrom) -> Result<(Page, u64), ApiError> {
    let target = stream::Target { path: path.clone(), namespace: Namespace::Sessions };
    let limit = app.config.limits.sse_page_bytes_max;
    let wanted = match from {
        ReadFrom::At(offset) => offset,
        ReadFrom::Start | ReadFrom::Now => Offset::ZERO,
    };
    let page = match stream::open(&*app.store, &target, from, limit).await {
        Err(ReadError::Trimmed { .. }) => stream::open(&*app.store, &target, ReadFrom::Start, limit).await,
        page => page,
    };
    let page = page.map_err(|error| match error {
        ReadError::BeyondTail { tail } => {
            ApiError::bad_request(Code::InvalidCursor, "the cursor is beyond the end of the session")
                .details(json!({ "cursor": tail.to_string(), "offset": tail.position() }))
        }
        error => error.answer(Namespace::Sessions),
    })?;
    let missed = match from {
        ReadFrom::Now => 0,
        ReadFrom::At(_) | ReadFrom::Start => page.from.position().saturating_sub(wanted.position()),
    };
    Ok((page, missed))
}

fn connected(app: &App, id: &str, first: &Page, missed: u64) -> Bytes {
    let cursor = first.from.to_string();
    let mut frame = json!({
        "type": "connected",
        "sessionId": id,
        "offset": first.from.position(),
        "cursor": cursor,
        "timestamp": app.config.store_options.clock.now_ms(),
    });
    if missed > 0 {
        frame["missed"] = missed.into();
    }
    let mut out = Vec::with_capacity(256);
    sse::encode_retry(&mut out, RETRY_MS);
    sse::encode_frame(&mut out, None, Some(&cursor), &[frame.to_string().as_bytes()]);
    Bytes::from(out)
}
