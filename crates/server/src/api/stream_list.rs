//! `GET /api/admin/streams`: every stream with its size, who follows it and how far they are behind, page by page, for
//! the administrator. Must not keep anything: it looks when it is asked.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::SessionStatus;
use durable_sessions_storage::{ReadError, StreamHead};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Query, success};
use super::session_view::StatusShape;
use crate::Code;
use crate::admin::Admin;
use crate::app::App;
use crate::error::ApiError;
use crate::fanout::Following;
use crate::session::SessionRow;
use crate::store_error::StoreError as _;
use crate::stream::{Namespace, is_reserved_path};

/// A stream as an administrator sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamStanding)]
pub(crate) struct StreamRow {
    /// Below `/v1/stream/`.
    path: String,
    /// Of a session's stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Of a session that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Of a session that belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<String>,
    /// Of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<StatusShape>)]
    status: Option<SessionStatus>,
    /// Whether it takes no more appends.
    closed: bool,
    content_type: String,
    /// What `size`, `end` and `lag` count: messages of a JSON stream (events of a session), bytes of any other.
    unit: Unit,
    /// How much of it is kept.
    size: u64,
    /// Where it ends: how much there has ever been.
    end: u64,
    /// Unix milliseconds.
    created_at: i64,
    /// Unix milliseconds of the last change.
    updated_at: i64,
    /// SSE answers that are open, by the protocol and for plain `EventSource`. Long-polls hold no place between two
    /// requests and are not among them.
    subscribers: u64,
    /// How many of them have something left to take.
    lagging: u64,
    /// How far the slowest of them is behind: `end` minus the position up to which its answer was handed to its
    /// connection. 0 when all have taken everything, null when there is no subscriber.
    #[schema(required)]
    lag: Option<u64>,
}

/// What a stream is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamUnit)]
pub(crate) enum Unit {
    Messages,
    Bytes,
}

/// One page of the list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamStandingPage)]
pub(crate) struct StreamPage {
    streams: Vec<StreamRow>,
    /// Where the list goes on, as parameter `cursor`; null at its end. A page may hold fewer than `limit` before the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What the answer holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamStandingPageAnswer)]
pub(crate) struct StreamPageAnswer {
    ok: bool,
    data: StreamPage,
}

/// Lists all streams, with who follows them.
///
/// In order of path, whoever they belong to. For administrators of the whole server.
#[utoipa::path(
    get,
    path = "/api/admin/streams",
    tag = "operation",
    operation_id = "listStreams",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most, 1 to 1000.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
        ("prefix" = Option<String>, Query, description = "What the path begins with, such as `sessions/`."),
        ("followed" = Option<bool>, Query, description = "Only streams with subscribers."),
    ),
    responses(
        (status = 200, description = "A page of the list.", body = StreamPageAnswer),
        (status = 400, description = "INVALID_PARAMETER, INVALID_CURSOR", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn list_streams(
    admin: Result<Admin, ApiError>,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Answer {
    admin?;
    let query = Query::parse(query.as_deref())?;
    let limit = query.limit()?;
    let after = cursor(&query)?;
    let prefix = query.one("prefix")?.unwrap_or_default();
    let found = if query.flag("followed")? {
        followed(&app, prefix, after.as_ref(), limit).await
    } else {
        let found = app.store.list(prefix, after.as_ref(), limit + 1).await;
        found.map(|mut found| {
            let is_more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| is_more).map(|(path, _)| path.clone());
            (found, next)
        })
    };
    let (found, next) = found.map_err(|error| error.answer(Namespace::Plain))?;
    let visible = found.iter().filter(|(path, _)| !is_reserved_path(path.as_str()));
    let streams = visible.map(|(path, head)| {
        let following = app.fanout.following(path, head.stream_id, head.next_offset);
        StreamRow::new(path, head, following)
    });
    let next_cursor = next.map(|path| path.as_str().to_owned());
    success(StatusCode::OK, StreamPage { streams: streams.collect(), next_cursor })
}

type Found = (Vec<(StreamPath, StreamHead)>, Option<StreamPath>);

/// The streams that somebody follows.
async fn followed(
    app: &App,
    prefix: &str,
    after: Option<&StreamPath>,
    limit: usize,
) -> Result<Found, ReadError> {
    let mut paths = app.fanout.followed(prefix, after, limit + 1);
    let is_more = paths.len() > limit;
    paths.truncate(limit);
    let next = paths.last().filter(|_| is_more).cloned();
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        match app.store.head(&path).await {
            Ok(head) => found.push((path, head)),
            // Deleted while its readers are still being told.
            Err(ReadError::NotFound | ReadError::Gone) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((found, next))
}

fn cursor(query: &Query) -> Result<Option<StreamPath>, ApiError> {
    query
        .one("cursor")?
        .map(|text| {
            text.parse()
                .map_err(|_| ApiError::bad_request(Code::InvalidCursor, "this is not a cursor of this list"))
        })
        .transpose()
}

impl StreamRow {
    fn new(path: &StreamPath, head: &StreamHead, following: Following) -> Self {
        let session_id = path.child_of("sessions").map(str::to_owned);
        let row = session_id.is_some().then(|| SessionRow::of_head(head));
        let (status, title, project_id) = match row {
            Some(row) => (Some(row.status), row.title, row.project_id.map(String::from)),
            None => (None, None, None),
        };
        let (first, end) = (head.first_offset.position(), head.next_offset.position());
        Self {
            path: path.as_str().to_owned(),
            session_id,
            title,
            project_id,
            status,
            closed: head.closed,
            unit: if head.content_type.is_json() { Unit::Messages } else { Unit::Bytes },
            content_type: head.content_type.to_string(),
            size: end.saturating_sub(first),
            end,
            created_at: head.created_at_ms,
            updated_at: head.updated_at_ms,
            subscribers: following.subscribers,
            lagging: following.lagging,
            lag: (following.subscribers > 0).then_some(following.lag_max),
        }
    }
}
