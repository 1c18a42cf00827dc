//! `POST /api/streams`: events into a session, in the forms applications write them. Each event id counts once within a
//! session, as far back as the server looks.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{AppendError, Batch, StreamHead};
use http::{Request, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Query, json_answer, json_body, session_id};
use super::written_form::{Made, wire_events};
use crate::Code;
use crate::access::{Action, Writer, guard_existing};
use crate::app::App;
use crate::coalesce;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::session::{self, Content, Publication};
use crate::spool::{QueuedAppend, id_text};
use crate::store_error::StoreError as _;
use crate::stream::{DURABILITY, Durability, Namespace, QUEUED};

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

/// That events are taken, and not in their session yet. `durable` is false: it is about the session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queued {
    queued: bool,
    /// The entry of the queue; a dead letter has the same id, should it become one.
    id: String,
    /// `offset` is where the session ended when this was taken: the events will stand behind it. Among `duplicates` are
    /// those that wait in the queue already.
    #[serde(flatten)]
    published: Published,
}

/// When a write is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a parameter")]
pub(crate) enum DurabilityShape {
    Synced,
    Queued,
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
///
/// With `durability=queued` they are taken at once into a durable queue, and written later in the order in which the
/// session's were taken; the answer is 202. A write that is not queued waits for those that are.
#[utoipa::path(
    post,
    path = "/api/streams",
    tag = "events",
    operation_id = "publishEvents",
    params(
        ("sessionId" = String, Query, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$"),
        ("durability" = inline(Option<DurabilityShape>), Query, description = "When to answer: `synced`, when the events are in the session (the default), or `queued`, when they are in the queue."),
    ),
    request_body(content = WrittenEvents, description = "`{ type, data, id?, timestamp?, meta? }`, `{ channel, data, id? }`, or an array of them."),
    responses(
        (status = 200, description = "Written, or written before.", body = Published),
        (status = 202, description = "Queued, or queued before: durable, but not in the session yet.", body = Queued),
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
    RawQuery(raw_query): RawQuery,
    request: Request<Body>,
) -> Answer {
    let query = Query::parse(raw_query.as_deref())?;
    let durability = Durability::of_query(raw_query.as_deref())?;
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
    let mut answer =
        Published { ok: true, offset: head.next_offset.to_string(), durable: batch.is_some(), duplicates: 0 };
    let mut queued = None;
    if let Some(batch) = batch {
        // Events that are only passed on are not among the stored ones, nor are their ids.
        let ids = if ephemeral.is_empty() { given_ids } else { ids_of(&batch, &given_ids) };
        let publication = Publication { batch, ids, is_work: written.is_work(), producer: None };
        let (task_app, task_path) = (app.clone(), path.clone());
        let taken = session::to_the_end(async move {
            match durability {
                Durability::Synced => write(task_app, task_path, publication).await.map(Taken::Written),
                Durability::Queued => queue(task_app, task_path, head, publication).await,
            }
        });
        let taken = taken.await.unwrap_or_else(|| Err(failed("the server stops")));
        match taken? {
            Taken::Written(written) => {
                (answer.offset, answer.duplicates) = (written.offset.to_string(), written.duplicates);
            }
            Taken::Queued { entry, duplicates } => {
                (answer.durable, answer.duplicates, queued) = (false, duplicates, Some(entry));
            }
        }
    }
    for event in &ephemeral {
        app.presence.observe(&path, &event.event);
        app.fanout.pass_on(&path, &event.user_id, &event.event);
    }
    let Some(entry) = queued else { return json_answer(StatusCode::OK, &answer) };
    let answer = Queued { queued: true, id: id_text(entry), published: answer };
    let mut response = json_answer(StatusCode::ACCEPTED, &answer)?;
    response.headers_mut().insert(DURABILITY, QUEUED);
    Ok(response)
}

/// Writes a publication. Runs to the end whatever becomes of the request, as its ids want it.
async fn write(
    app: Arc<App>,
    path: StreamPath,
    publication: Publication,
) -> Result<session::Published, ApiError> {
    session::after_queued(&app, &path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    session::publish(&app, &path, publication).await.map_err(|error| match error {
        // What the checks before should have caught.
        AppendError::ContentType { .. } | AppendError::Empty | AppendError::StreamSeq => {
            failed(&error.to_string())
        }
        error => error.answer(Namespace::Sessions),
    })
}

/// What was to be queued.
enum Taken {
    /// It is in the queue, or parts of it were; the entry with the newest of it.
    Queued { entry: u64, duplicates: usize },
    /// All of it is in the session already.
    Written(session::Published),
}

/// Queues those events of a publication that are neither in the session nor in the queue. Runs to the end as well.
async fn queue(
    app: Arc<App>,
    path: StreamPath,
    head: StreamHead,
    publication: Publication,
) -> Result<Taken, ApiError> {
    let Publication { batch, ids, is_work, .. } = publication;
    let mut sifted = session::sift(&app, &path, &ids).await.map_err(|e| e.answer(Namespace::Sessions))?;
    let mut before = None;
    for (id, is_new) in ids.iter().zip(&mut sifted.is_new).filter(|(_, is_new)| **is_new) {
        // While its id is claimed here, an entry neither comes into the queue nor is delivered.
        if let Some(place) = id.as_ref().and_then(|id| app.spool.place_of(head.stream_id, id)) {
            *is_new = false;
            before = before.max(Some(place));
        }
    }
    let duplicates = sifted.duplicates();
    let Some(batch) = sifted.of(batch) else {
        return Ok(match before {
            Some(entry) => Taken::Queued { entry, duplicates },
            None => {
                Taken::Written(session::Published { offset: sifted.before.unwrap_or_default(), duplicates })
            }
        });
    };
    if head.closed {
        let closed = AppendError::Closed { next_offset: head.next_offset };
        return Err(closed.answer(Namespace::Sessions));
    }
    let new = ids.into_iter().zip(&sifted.is_new).filter(|(_, is_new)| **is_new).map(|(id, _)| id);
    let mut event_ids: Vec<_> = new.collect();
    if event_ids.iter().all(Option::is_none) {
        event_ids.clear();
    }
    let append = QueuedAppend {
        event_ids,
        is_work,
        stream_id: Some(head.stream_id),
        may_join: true,
        linger: coalesce::window_of(&app, &path).unwrap_or_default(),
        ..QueuedAppend::new(path, ContentType::json(), batch)
    };
    let entry = app.spool.accept(&append).await?;
    app.metrics.queued_accepted.inc();
    Ok(Taken::Queued { entry, duplicates })
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
