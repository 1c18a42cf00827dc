//! `/api/sessions` and `/api/sessions/{id}`: create, look, change, close, delete.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_schema::{AgentId, ProjectId, SessionStatus, TITLE_CHARS_MAX, TaskId};
use durable_sessions_storage::CreateStream;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, SessionPath, json_body, parse, session_id, success};
use super::session_view::{SessionView, SessionWithPresenceView, StatusShape};
use crate::Code;
use crate::access::{Action, Ownership, guard, guard_existing, guard_head, guard_new};
use crate::app::App;
use crate::audit;
use crate::coalesce;
use crate::config::COALESCE_WINDOW_MAX;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::session::{self, Found, SessionRow, Step};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// A session to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewSession {
    /// 1 to 100 letters, digits, '-' or '_'; made up when absent.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,100}$")]
    id: Option<String>,
    /// The project it belongs to.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    project_id: ProjectId,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    task_id: Option<TaskId>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    agent_id: Option<AgentId>,
    #[schema(max_length = 500)]
    title: Option<String>,
    /// How long its chunks wait for others, to be stored as one event, in milliseconds; 0 stores each by itself. As the
    /// server does by default, when absent.
    #[schema(maximum = 1000)]
    coalesce_ms: Option<u32>,
}

/// What of a session is to change. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SessionChange {
    /// Must follow the status it has: idle, initializing, active, paused or active again, closing, closed; error from
    /// any but closed, and active from error.
    #[schema(value_type = Option<StatusShape>)]
    status: Option<SessionStatus>,
    #[schema(max_length = 500)]
    title: Option<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    task_id: Option<TaskId>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    agent_id: Option<AgentId>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionAnswer {
    ok: bool,
    data: SessionView,
}

/// A session and who is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionWithPresenceAnswer {
    ok: bool,
    data: SessionWithPresenceView,
}

/// That a session is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedAnswer {
    ok: bool,
    data: Deleted,
}

/// Which session is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    id: String,
    deleted: bool,
}

/// Creates a session.
///
/// The same session as `PUT /v1/stream/sessions/{id}` creates, which leaves `projectId` null. One that exists with the
/// same values is confirmed with 200, so that a request may be sent again.
#[utoipa::path(
    post,
    path = "/api/sessions",
    tag = "sessions",
    operation_id = "createSession",
    request_body = NewSession,
    responses(
        (status = 201, description = "Created.", body = SessionAnswer),
        (status = 200, description = "It exists with these values.", body = SessionAnswer),
        (status = 400, description = "INVALID_JSON, INVALID_REQUEST, INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 409, description = "STREAM_EXISTS: with other values. STREAM_GONE: forks of a deleted session keep its content.", body = Failure),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = Failure),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
        (status = 507, description = "STORAGE_FULL", body = Failure),
    ),
)]
pub(crate) async fn create_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Answer {
    let body = json_body(&app, request).await?;
    let new: NewSession = parse(&body)?;
    check_title(new.title.as_deref())?;
    check_window(new.coalesce_ms)?;
    let id = match &new.id {
        Some(id) => session_id(id)?,
        None => session::fresh_session_id(),
    };
    let path = session::path_of(&id);
    guard(&app, &caller, Action::Create, &path).await?;
    guard_new(&caller, &path, Some(&new.project_id))?;
    let row = SessionRow {
        project_id: Some(new.project_id),
        task_id: new.task_id,
        agent_id: new.agent_id,
        title: new.title,
        coalesce_ms: new.coalesce_ms,
        ..SessionRow::of_creator(Ownership::of_creator(&caller))
    };
    let create = CreateStream::of(ContentType::json());
    // Given back when the request is over, unless there is a session by then.
    let _place = app.open_streams.place(&*app.store, &caller, &path).await?;
    let created =
        session::create(&app, &path, create, &row).await.map_err(|e| e.answer(Namespace::Sessions))?;
    if !created.is_new {
        // It may have been made since it was looked for.
        guard_head(&caller, Action::Create, &path, &created.head)?;
    }
    let existing = SessionRow::of_head(&created.head);
    let same = existing.project_id == row.project_id
        && existing.task_id == row.task_id
        && existing.agent_id == row.agent_id
        && existing.title == row.title
        && existing.coalesce_ms == row.coalesce_ms;
    if !created.is_new && !same {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            Code::StreamExists,
            "a session with this id and other values exists",
        )
        .into());
    }
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    success(status, SessionView::new(id.as_str(), &existing, &created.head))
}

/// Shows a session and who is there.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}",
    tag = "sessions",
    operation_id = "getSession",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses(
        (status = 200, description = "The session.", body = SessionWithPresenceAnswer),
        (status = 400, description = "INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn get_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Read, &path).await?;
    let found = session::find(&app, &path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    let presence = app.presence.entries(&path);
    success(StatusCode::OK, SessionWithPresenceView { session: SessionView::of(&id, &found), presence })
}

/// Changes a session's status or what is said about it.
///
/// Becoming `closed` closes its stream in the same step.
#[utoipa::path(
    patch,
    path = "/api/sessions/{id}",
    tag = "sessions",
    operation_id = "changeSession",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    request_body = SessionChange,
    responses(
        (status = 200, description = "The session as it is now.", body = SessionAnswer),
        (status = 400, description = "INVALID_JSON, INVALID_REQUEST, INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 409, description = "INVALID_TRANSITION", body = Failure),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = Failure),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
        (status = 507, description = "STORAGE_FULL", body = Failure),
    ),
)]
pub(crate) async fn change_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
    request: Request<Body>,
) -> Answer {
    // Who may do neither is told so whatever the body says, and whether the session is there or not.
    guard_existing(&app, &caller, Action::Close, &path).await?;
    let body = json_body(&app, request).await?;
    let change: SessionChange = parse(&body)?;
    check_title(change.title.as_deref())?;
    if change.title.is_some() || change.task_id.is_some() || change.agent_id.is_some() {
        guard_existing(&app, &caller, Action::Manage, &path).await?;
    }
    if change.status == Some(SessionStatus::Closed) {
        after_queued(&app, &path).await;
    }
    let found = session::change(&app, &path, move |found, now_ms| change.plan(found, now_ms)).await;
    let found = found.map_err(|e| e.answer(Namespace::Sessions))?;
    success(StatusCode::OK, SessionView::of(&id, &found))
}

impl SessionChange {
    fn plan(&self, found: &Found, now_ms: i64) -> Result<Option<Step>, session::InvalidTransition> {
        let mut row = found.row.clone();
        if let Some(status) = self.status {
            row.become_status(status, now_ms)?;
        }
        row.title = self.title.clone().or(row.title);
        row.task_id = self.task_id.clone().or(row.task_id);
        row.agent_id = self.agent_id.clone().or(row.agent_id);
        let close = row.status == SessionStatus::Closed;
        Ok((row != found.row).then_some(Step { row, events: None, close }))
    }
}

/// Closes a session.
///
/// From any status: the steps that lead to `closed` are taken together, and its stream takes no more events. Closing
/// what is closed succeeds.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/close",
    tag = "sessions",
    operation_id = "closeSession",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses(
        (status = 200, description = "The closed session.", body = SessionAnswer),
        (status = 400, description = "INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn close_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Close, &path).await?;
    after_queued(&app, &path).await;
    let closed = session::change(&app, &path, |found, now_ms| {
        if found.head.closed {
            return Ok(None);
        }
        let mut row = found.row.clone();
        row.close(now_ms);
        Ok(Some(Step { row, events: None, close: true }))
    });
    let found = closed.await.map_err(|e| e.answer(Namespace::Sessions))?;
    success(StatusCode::OK, SessionView::of(&id, &found))
}

/// Deletes a session with all its events.
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}",
    tag = "sessions",
    operation_id = "deleteSession",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses(
        (status = 200, description = "It is gone.", body = DeletedAnswer),
        (status = 400, description = "INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn delete_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Delete, &path).await?;
    session::delete(&app, &path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    audit::done(&caller, "stream-deleted", path.as_str());
    success(StatusCode::OK, Deleted { id, deleted: true })
}

/// The end of a session comes behind what was queued for it, as far as that does not take too long: what is queued still
/// becomes dead letters then.
async fn after_queued(app: &Arc<App>, path: &StreamPath) {
    if session::after_queued(app, path).await.is_err() {
        tracing::info!(path = path.as_str(), "a session is closed before what is queued for it");
    }
    coalesce::flush(app, path).await;
}

fn check_window(coalesce_ms: Option<u32>) -> Result<(), ApiError> {
    let max = COALESCE_WINDOW_MAX.as_millis();
    if coalesce_ms.is_some_and(|ms| u128::from(ms) > max) {
        let message = format!("chunks wait for others at most {max} ms");
        return Err(ApiError::bad_request(Code::InvalidRequest, message)
            .details(serde_json::json!({ "path": "$.coalesceMs", "limit": 1000 })));
    }
    Ok(())
}

fn check_title(title: Option<&str>) -> Result<(), ApiError> {
    if title.is_some_and(|title| title.chars().count() > TITLE_CHARS_MAX) {
        let message = format!("a title has at most {TITLE_CHARS_MAX} characters");
        return Err(ApiError::bad_request(Code::InvalidRequest, message)
            .details(serde_json::json!({ "path": "$.title", "limit": TITLE_CHARS_MAX })));
    }
    Ok(())
}
