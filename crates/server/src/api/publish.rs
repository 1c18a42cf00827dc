//! `POST /api/streams`: events into a session, in the forms applications write them. Each event id counts once within a
//! session, as far back as the server looks.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};
use durable_sessions_storage::{Append, AppendError, Batch};
use http::{Request, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Query, json_answer, json_body, session_id};
use super::written_form::{Made, wire_events};
use crate::Code;
use crate::access::{Action, Writer, guard_existing};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::session::{self, Claimed, Content};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Published {
    ok: bool,
    /// The cursor behind the last of them; of an event that was there before, behind that one.
    offset: String,
    /// Whether anything of them is stored. A cursor that moves is only passed on.
    durable: bool,
    /// How many were there before, by their ids.
    duplicates: usize,
}

/// An event to write: either `type` or `channel`. Bodies are not read into this, since their values are kept as they came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WrittenEvent {
    /// The type, such as `chunk`.
    #[schema(min_length = 1, max_length = 256)]
    r#type: Option<String>,
    /// The channel, such as `terminal`.
    channel: Option<String>,
    /// The payload.
    data: serde_json::Value,
    /// Counts once within the session; made up when absent.
    #[schema(min_length = 1, max_length = 256)]
    id: Option<String>,
    /// Unix milliseconds; now when absent.
    timestamp: Option<u64>,
}

/// One event or several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) enum WrittenEvents {
    One(WrittenEvent),
    Several(Vec<WrittenEvent>),
}

/// Writes events to a session.
///
/// All of them or none. Ids and timestamps that are absent are filled in. An event whose id the session has among its
/// newest events (4096 unless configured) is not written again; the answer is that of the first time.
#[utoipa::path(
    post,
    path = "/api/streams",
    tag = "events",
    operation_id = "publishEvents",
    params(("sessionId" = String, Query, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    request_body(content = WrittenEvents, description = "`{ type, data, id?, timestamp?, meta? }`, `{ channel, data, id? }`, or an array of them."),
    responses(
        (status = 200, description = "Written, or written before.", body = Published),
        (status = 400, description = "MISSING_SESSION_ID, INVALID_SESSION_ID, INVALID_PARAMETER, INVALID_JSON, INVALID_CHANNEL, INVALID_EVENT (with the path), EMPTY_APPEND", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN, PRESENCE_IDENTITY_MISMATCH", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 409, description = "SESSION_CLOSED", body = Failure),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = Failure),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = Failure),
        (status = 500, description = "PUBLISH_FAILED", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
        (status = 507, description = "STORAGE_FULL", body = Failure),
    ),
)]
pub(crate) async fn publish(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Answer {
    let query = Query::parse(query.as_deref())?;
    let id = query.one("sessionId")?.filter(|id| !id.is_empty()).ok_or_else(|| {
        ApiError::bad_request(Code::MissingSessionId, "the parameter sessionId says which session")
    })?;
    let path = session::path_of(&session_id(id)?);
    let permit = guard_existing(&app, &caller, Action::Write, &path).await?;
    let body = json_body(&app, request).await?;
    let head = app.store.head(&path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    // Who may write hears what the session is before what is wrong with the events, as on the stream itself; but what was
    // written before it was closed may be sent again.
    let closed = |error: ApiError| {
        let why = AppendError::Closed { next_offset: head.next_offset };
        if head.closed { why.answer(Namespace::Sessions) } else { error }
    };
    let now_ms = u64::try_from(app.config.store_options.clock.now_ms()).unwrap_or_default();
    let limits = &app.config.limits;
    let Made { events, given_ids } =
        wire_events(&body, now_ms, limits.append_messages_max).map_err(closed)?;
    let content = app.event_rules.read(&events, limits, true).map_err(closed)?;
    if content.batch.is_none() && (head.closed || content.ephemeral.is_empty()) {
        let error = ApiError::bad_request(Code::EmptyAppend, "an empty array writes nothing");
        return Err(closed(error).into());
    }
    Writer { caller: &caller, permit }.check(&app.config.event_policy, &content.written)?;
    app.quota.events(path.as_str(), content.count())?;
    let Content { batch, ephemeral, written } = content;
    let (mut offset, mut duplicates, durable) = (head.next_offset, 0, batch.is_some());
    if let Some(batch) = batch {
        // Events that are only passed on are not among the stored ones, nor are their ids.
        let ids = if ephemeral.is_empty() { given_ids } else { ids_of(&batch, &given_ids) };
        let writing = write(app.clone(), path.clone(), batch, ids, written.is_work());
        let stored = session::to_the_end(writing).await.unwrap_or_else(|| Err(failed("the server stops")))?;
        (offset, duplicates) = (stored.offset, stored.duplicates);
    }
    for event in &ephemeral {
        app.presence.observe(&path, &event.event);
        app.fanout.pass_on(&path, &event.user_id, &event.event);
    }
    json_answer(StatusCode::OK, &Published { ok: true, offset: offset.to_string(), durable, duplicates })
}

struct Stored {
    offset: Offset,
    duplicates: usize,
}

/// Writes those events whose ids are new. Runs to the end whatever becomes of the request: the claim on the ids must not
/// be dropped before it is known whether they are written.
async fn write(
    app: Arc<App>,
    path: StreamPath,
    batch: Batch,
    ids: Vec<Option<String>>,
    is_work: bool,
) -> Result<Stored, ApiError> {
    let given: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
    let mut duplicates = 0;
    let mut before = None;
    let claim = if given.is_empty() {
        None
    } else {
        let claim = app.event_ids.claim(&*app.store, &path, &given).await;
        Some(claim.map_err(|e| e.answer(Namespace::Sessions))?)
    };
    let mut claimed = claim.iter().flat_map(|claim| &claim.ids);
    let mut is_new = Vec::with_capacity(ids.len());
    for id in &ids {
        let known = if id.is_some() { claimed.next().copied().flatten() } else { Some(Claimed::New) };
        is_new.push(known == Some(Claimed::New));
        if let Some(Claimed::Written(end)) = known {
            before = before.max(Some(end));
        }
        duplicates += usize::from(known != Some(Claimed::New));
    }
    let batch = if duplicates == 0 { Some(batch) } else { only(&batch, &is_new) };
    let Some(batch) = batch else {
        return Ok(Stored { offset: before.unwrap_or_default(), duplicates });
    };
    let append = Append { content_type: Some(ContentType::json()), batch: Some(batch), ..Append::default() };
    match session::append(&app, &path, append, is_work).await {
        Ok(appended) => Ok(Stored { offset: appended.next_offset, duplicates }),
        // What the checks before should have caught.
        Err(error @ (AppendError::ContentType { .. } | AppendError::Empty | AppendError::StreamSeq)) => {
            Err(failed(&error.to_string()))
        }
        Err(error) => Err(error.answer(Namespace::Sessions)),
    }
}

/// The messages of a batch that are marked.
fn only(batch: &Batch, marked: &[bool]) -> Option<Batch> {
    let mut joined = Vec::with_capacity(batch.body().len());
    let mut ends = Vec::new();
    for (message, _) in batch.messages().zip(marked).filter(|(_, marked)| **marked) {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(&message);
        ends.push(u32::try_from(joined.len()).ok()?);
    }
    Batch::joined_messages(Bytes::from(joined), ends).ok()
}

/// The given ids of the messages that are stored.
fn ids_of(batch: &Batch, given: &[Option<String>]) -> Vec<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
    }
    let given: std::collections::HashSet<&str> = given.iter().flatten().map(String::as_str).collect();
    let id_of = |message: Bytes| serde_json::from_slice::<Named>(&message).ok().map(|named| named.id);
    batch.messages().map(|message| id_of(message).filter(|id| given.contains(id.as_str()))).collect()
}

fn failed(why: &str) -> ApiError {
    tracing::error!(error_id = "publish-failed", why, "a valid event was not published");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::PublishFailed, "the event could not be published")
}
