//! `GET /api/sessions/{id}/events`: history by cursor, forwards and backwards.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use durable_sessions_protocol::{Offset, StreamPath};
use durable_sessions_storage::StreamHead;
use http::StatusCode;
use serde_json::json;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Query, SessionPath, invalid, raw_json};
use super::pages::Pages;
use crate::Code;
use crate::access::{Action, guard_existing};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// Some of a session's events, in the order of the stream.
#[derive(Debug, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventPage {
    /// Wire events, as they were written.
    events: Vec<serde_json::Value>,
    /// The cursor before the first of them: `before` it, history goes on backwards.
    prev_cursor: String,
    /// The cursor behind the last of them: `after` it, history goes on forwards.
    next_cursor: String,
    /// How many events stand before the first of them.
    offset: u64,
    /// Whether there are more in the direction and range that was asked for.
    has_more: bool,
}

/// What the answer holds.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct EventPageAnswer {
    ok: bool,
    data: EventPage,
}

/// Which events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    /// Forwards from here, to there at most.
    Forwards(Offset, Option<Offset>),
    /// The last ones before this.
    Before(Offset),
}

/// Reads a session's history.
///
/// Forwards from the start or `after` a cursor, backwards from `before` one, or between `from` and `to`. Cursors are as
/// in every other answer; a decimal count of events will do as well.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/events",
    tag = "events",
    operation_id = "readEvents",
    params(
        ("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$"),
        ("after" = Option<String>, Query, description = "Events behind this cursor."),
        ("before" = Option<String>, Query, description = "The last events before this cursor."),
        ("from" = Option<String>, Query, description = "Events from this cursor on; with `to`."),
        ("to" = Option<String>, Query, description = "Events up to this cursor; with `from`."),
        ("limit" = Option<u32>, Query, description = "How many at most, 1 to 1000; fewer when they are large.", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "Events.", body = EventPageAnswer),
        (status = 400, description = "INVALID_SESSION_ID, INVALID_PARAMETER, INVALID_CURSOR", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 410, description = "HISTORY_TRIMMED: details.firstCursor is where history begins now.", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn read_events(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { path, .. }: SessionPath,
    RawQuery(query): RawQuery,
) -> Answer {
    guard_existing(&app, &caller, Action::Read, &path).await?;
    let query = Query::parse(query.as_deref())?;
    let limit = query.limit()? as u64;
    let asked = range(&query)?;
    let head = app.store.head(&path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    let (first, tail) = (head.first_offset, head.next_offset);
    let (start, end, backwards) = match asked {
        None => (first, tail, false),
        Some(Range::Forwards(from, to)) => {
            (within(from, &head)?, to.map_or(Ok(tail), |to| within(to, &head))?, false)
        }
        Some(Range::Before(before)) => (first, within(before, &head)?, true),
    };
    if start > end {
        return Err(ApiError::bad_request(Code::InvalidCursor, "from must not be behind to").into());
    }
    let (from, to) = if backwards {
        (Offset::new(end.position().saturating_sub(limit).max(start.position())), end)
    } else {
        (start, Offset::new(end.position().min(start.position().saturating_add(limit))))
    };
    let found = collect(&app, &path, head.stream_id, (from, to), backwards).await?;
    let has_more = if backwards { found.start > start } else { found.end < end };
    let mut body = Vec::with_capacity(found.events.iter().map(|event| event.len() + 1).sum::<usize>() + 256);
    body.extend_from_slice(br#"{"ok":true,"data":{"events":["#);
    for (index, event) in found.events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(event);
    }
    let rest = format!(
        r#"],"prevCursor":"{}","nextCursor":"{}","offset":{},"hasMore":{has_more}}}}}"#,
        found.start,
        found.end,
        found.start.position(),
    );
    body.extend_from_slice(rest.as_bytes());
    Ok(raw_json(StatusCode::OK, body))
}

fn range(query: &Query) -> Result<Option<Range>, ApiError> {
    let given = |name| query.position(name);
    match (given("after")?, given("before")?, given("from")?, given("to")?) {
        (None, None, None, None) => Ok(None),
        (Some(after), None, None, None) => Ok(Some(Range::Forwards(after, None))),
        (None, Some(before), None, None) => Ok(Some(Range::Before(before))),
        (None, None, Some(from), Some(to)) => Ok(Some(Range::Forwards(from, Some(to)))),
        _ => Err(invalid("give one of: after; before; from and to".to_owned())),
    }
}

fn within(offset: Offset, head: &StreamHead) -> Result<Offset, ApiError> {
    if offset > head.next_offset {
        return Err(ApiError::bad_request(
            Code::InvalidCursor,
            "the cursor is beyond the end of the session",
        )
        .details(json!({ "cursor": head.next_offset.to_string() })));
    }
    if offset < head.first_offset {
        return Err(trimmed(head.first_offset));
    }
    Ok(offset)
}

fn trimmed(first: Offset) -> ApiError {
    ApiError::new(StatusCode::GONE, Code::HistoryTrimmed, "the history before the first cursor was given up")
        .details(json!({ "firstCursor": first.to_string(), "missed": first.position() }))
}

struct Found {
    events: VecDeque<Bytes>,
    start: Offset,
    end: Offset,
}

/// The events of a range, as many as one answer holds: the first ones, or backwards the last ones; one at least.
async fn collect(
    app: &App,
    path: &StreamPath,
    stream_id: u64,
    (from, to): (Offset, Offset),
    backwards: bool,
) -> Result<Found, ApiError> {
    let bytes_max = app.config.limits.page_bytes_max;
    let mut found = Found { events: VecDeque::new(), start: from, end: from };
    let mut bytes = 0;
    let mut pages = Pages::new(app, path, stream_id, (from, to));
    while let Some(page) = pages.next(&*app.store).await.map_err(|error| match error {
        durable_sessions_storage::ReadError::Trimmed { first, .. } => trimmed(first),
        error => error.answer(Namespace::Sessions),
    })? {
        for event in page.rows.iter().flat_map(durable_sessions_storage::Batch::messages) {
            bytes += event.len();
            if bytes > bytes_max && !found.events.is_empty() {
                if !backwards {
                    return Ok(found);
                }
                while bytes > bytes_max
                    && let Some(oldest) = found.events.pop_front()
                {
                    bytes -= oldest.len();
                    found.start = Offset::new(found.start.position() + 1);
                }
            }
            found.events.push_back(event);
            found.end = Offset::new(found.end.position() + 1);
        }
    }
    Ok(found)
}
