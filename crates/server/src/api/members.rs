//! `/api/sessions/{id}/members`: who is what in a session. Must not know what a role may do; `access` says that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::UserId;
use http::request::Parts;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Refused, SessionPath, json_body, parse, session_id, success};
use crate::Code;
use crate::access::{Action, Role, guard_existing};
use crate::app::App;
use crate::audit;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::quota::Limit;
use crate::session::{self, Step};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// What somebody is to be in a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    role: Role,
}

/// Somebody in a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    /// The subject of its credentials.
    subject: String,
    /// What it is: `viewer`, `participant`, `operator` or `owner`; a word of a later version of the server, or null, gives no
    /// rights here.
    #[schema(required)]
    role: Option<String>,
}

/// Who is what in a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Members {
    /// Who created it, and owns it whatever the list says; null when that is nobody in particular.
    #[schema(required)]
    owner: Option<String>,
    /// Everybody else, by subject.
    members: Vec<Member>,
}

/// Who is what in a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembersAnswer {
    ok: bool,
    data: Members,
}

/// Somebody in a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberAnswer {
    ok: bool,
    data: Member,
}

/// That somebody is no member any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovedAnswer {
    ok: bool,
    data: Removed,
}

/// Who is no member any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    subject: String,
    removed: bool,
}

/// The session and the subject that a URL names. Of the subject nothing is said before the caller is known to manage the
/// session.
pub(crate) struct MemberPath {
    path: StreamPath,
    subject: String,
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let (id, subject) = match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path(named)) => named,
            Err(_) => {
                let message = "the path is not percent-encoded UTF-8";
                return Err(ApiError::bad_request(Code::InvalidSessionId, message).into());
            }
        };
        Ok(Self { path: session::path_of(&session_id(&id)?), subject })
    }
}

/// Lists who is what in a session.
///
/// For its owners and administrators.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/members",
    tag = "members",
    operation_id = "listMembers",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses(
        (status = 200, description = "Everybody who was given a role.", body = MembersAnswer),
        (status = 400, description = "INVALID_SESSION_ID", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
    ),
)]
pub(crate) async fn list_members(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { path, .. }: SessionPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Manage, &path).await?;
    let row = session::find(&app, &path).await.map_err(|e| e.answer(Namespace::Sessions))?.row;
    let members = row.members.into_iter().map(|(subject, role)| {
        let role = role.as_str().map(str::to_owned);
        Member { subject, role }
    });
    success(StatusCode::OK, Members { owner: row.owner, members: members.collect() })
}

/// Gives somebody a role in a session, or another one.
///
/// For its owners and administrators; it counts from the next request of whoever it is. The role of who created the session
/// cannot be changed.
#[utoipa::path(
    put,
    path = "/api/sessions/{id}/members/{subject}",
    tag = "members",
    operation_id = "setMember",
    params(
        ("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$"),
        ("subject" = String, Path, description = "The subject of its credentials, percent-encoded.", min_length = 1, max_length = 256),
    ),
    request_body = NewRole,
    responses(
        (status = 200, description = "What it is now.", body = MemberAnswer),
        (status = 400, description = "INVALID_SESSION_ID, INVALID_JSON, INVALID_REQUEST", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 409, description = "CONFLICT: it owns the session. TOO_MANY_MEMBERS", body = Failure),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = Failure),
        (status = 507, description = "STORAGE_FULL", body = Failure),
    ),
)]
pub(crate) async fn set_member(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    MemberPath { path, subject }: MemberPath,
    request: Request<Body>,
) -> Answer {
    guard_existing(&app, &caller, Action::Manage, &path).await?;
    let body = json_body(&app, request).await?;
    let NewRole { role } = parse(&body)?;
    check_subject(&app, &path, &subject).await?;
    let max = app.config.limits.session_members_max;
    let is_full = Arc::new(AtomicBool::new(false));
    let (name, full) = (subject.clone(), is_full.clone());
    let changed = session::change(&app, &path, move |found, _| {
        let mut row = found.row.clone();
        let is_over = !row.members.contains_key(&name) && row.members.len() >= max;
        full.store(is_over, Ordering::Relaxed);
        let before =
            if is_over { None } else { Some(row.members.insert(name.clone(), role.as_str().into())) };
        // What is so already is not written again.
        let changes =
            before.is_some_and(|before| before.as_ref().and_then(Value::as_str) != Some(role.as_str()));
        Ok(changes.then_some(Step { row, events: None, close: false }))
    });
    changed.await.map_err(|e| e.answer(Namespace::Sessions))?;
    if is_full.load(Ordering::Relaxed) {
        let message = format!("the session has {max} members, and no room for more");
        let error = ApiError::new(StatusCode::CONFLICT, Code::TooManyMembers, message);
        return Err(error.limit(Limit::Members).details(json!({ "limit": max })).into());
    }
    audit::member(&caller, path.as_str(), &subject, Some(role.as_str()));
    success(StatusCode::OK, Member { subject, role: Some(role.as_str().to_owned()) })
}

/// Takes somebody's role in a session away.
///
/// For its owners and administrators; it counts from the next request of whoever it is. What its credentials give by
/// themselves stays.
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}/members/{subject}",
    tag = "members",
    operation_id = "removeMember",
    params(
        ("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$"),
        ("subject" = String, Path, description = "The subject of its credentials, percent-encoded.", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "It is no member any more.", body = RemovedAnswer),
        (status = 400, description = "INVALID_SESSION_ID, INVALID_REQUEST", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND, MEMBER_NOT_FOUND", body = Failure),
        (status = 409, description = "CONFLICT: it owns the session", body = Failure),
        (status = 507, description = "STORAGE_FULL", body = Failure),
    ),
)]
pub(crate) async fn remove_member(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    MemberPath { path, subject }: MemberPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Manage, &path).await?;
    check_subject(&app, &path, &subject).await?;
    let was_there = Arc::new(AtomicBool::new(false));
    let (name, there) = (subject.clone(), was_there.clone());
    let changed = session::change(&app, &path, move |found, _| {
        let mut row = found.row.clone();
        let removed = row.members.remove(&name).is_some();
        there.fetch_or(removed, Ordering::Relaxed);
        Ok(removed.then_some(Step { row, events: None, close: false }))
    });
    changed.await.map_err(|e| e.answer(Namespace::Sessions))?;
    if !was_there.load(Ordering::Relaxed) {
        let message = "nobody by this name is a member of the session";
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::MemberNotFound, message).into());
    }
    audit::member(&caller, path.as_str(), &subject, None);
    success(StatusCode::OK, Removed { subject, removed: true })
}

/// Whether this can be a member: a subject, and not of the one who owns the session anyway.
async fn check_subject(app: &App, path: &StreamPath, subject: &str) -> Result<(), ApiError> {
    if subject.parse::<UserId>().is_err() {
        let message = "a subject has 1 to 256 characters without control characters";
        return Err(ApiError::bad_request(Code::InvalidRequest, message));
    }
    let row = session::find(app, path).await.map_err(|e| e.answer(Namespace::Sessions))?.row;
    if row.owner.as_deref() == Some(subject) {
        let message = "who created the session owns it";
        return Err(ApiError::new(StatusCode::CONFLICT, Code::Conflict, message));
    }
    Ok(())
}
