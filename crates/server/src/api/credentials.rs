//! `/api/auth`: stream tokens, the cookie, and API keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::{ProjectId, SessionId};
use durable_sessions_storage::{DeleteError, ReadError};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::PathId;
use crate::Code;
use crate::access::{Action, Ownership, Role, guard, guard_head};
use crate::answer::NO_STORE;
use crate::app::App;
use crate::audit;
use crate::error::ApiError;
use crate::identity::{
    ApiKey, COOKIE_PLAIN, COOKIE_SECURE, Caller, Claims, KeepError, NAME_CHARS_MAX, Purpose, RolesClaim,
    Sealed, Source, Texts, is_key_id,
};
use crate::store_error::StoreError as _;
use crate::stream::{Namespace, body};

/// Bodies of these routes are small.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Which session a token is to be for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StreamTokenRequest {
    #[schema(pattern = "^[A-Za-z0-9_-]{1,100}$")]
    session_id: String,
}

/// What a key is to be: the claims of its bearer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyRequest {
    #[schema(min_length = 1, max_length = 256)]
    subject: String,
    /// What people call it.
    name: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    project: Option<String>,
    /// Of `stream:read`, `stream:write`, `presence` and `admin`, separated by spaces.
    scope: String,
    #[schema(value_type = Option<PatternsShape>)]
    sessions: Option<Texts>,
    #[schema(value_type = Option<RolesShape>)]
    roles: Option<RolesClaim>,
    /// Seconds until it ends; without it, never.
    expires_in: Option<u32>,
}

/// Patterns of sessions and streams: one, or several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) enum PatternsShape {
    One(String),
    Several(Vec<String>),
}

/// A role in all sessions of the patterns, or roles by pattern.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a body")]
pub(crate) enum RolesShape {
    Same(Role),
    ByPattern(BTreeMap<String, Role>),
}

/// A token for reading one session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamTokenShape {
    ok: bool,
    data: StreamTokenDataShape,
}

/// A token for reading one session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamTokenDataShape {
    token: String,
    session_id: String,
    /// Unix milliseconds.
    expires_at: i64,
}

/// A key, as it is listed; `key` is there once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub(crate) struct KeyShape {
    id: String,
    /// The key itself.
    key: Option<String>,
    name: Option<String>,
    subject: String,
    project: Option<String>,
    scope: Option<String>,
    sessions: Option<PatternsShape>,
    roles: Option<RolesShape>,
    created_by: String,
    /// Unix milliseconds.
    created_at: i64,
    /// Unix milliseconds.
    expires_at: Option<i64>,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeyAnswer)]
pub(crate) struct KeyAnswerShape {
    ok: bool,
    data: KeyShape,
}

/// Keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeyListAnswer)]
pub(crate) struct KeyListAnswerShape {
    ok: bool,
    data: KeyListShape,
}

/// Keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeyList)]
pub(crate) struct KeyListShape {
    keys: Vec<KeyShape>,
}

/// Makes a token for reading one session.
///
/// For readers that cannot send headers: it is sent as `?token=`, as often as needed for five minutes unless configured.
#[utoipa::path(
    post,
    path = "/api/auth/stream-token",
    tag = "credentials",
    operation_id = "createStreamToken",
    request_body = StreamTokenRequest,
    responses(
        (status = 201, description = "The token.", body = StreamTokenShape),
        (status = 400, description = "INVALID_JSON, INVALID_REQUEST, INVALID_SESSION_ID", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 410, description = "STREAM_GONE", body = Failure),
    ),
)]
pub(crate) async fn create_stream_token(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Response {
    answer(stream_token(&app, &caller, request).await)
}

/// A token for reading one session, for readers that cannot send headers.
async fn stream_token(app: &App, caller: &Caller, request: Request<Body>) -> Result<Response, ApiError> {
    let asked: StreamTokenRequest = body_of(app, request).await?;
    let session: SessionId = asked
        .session_id
        .parse()
        .map_err(|_| ApiError::bad_request(Code::InvalidSessionId, "sessionId is not a session id"))?;
    let path: StreamPath = format!("sessions/{}", session.as_str())
        .parse()
        .map_err(|_| ApiError::bad_request(Code::InvalidSessionId, "sessionId is not a session id"))?;
    // The project is the session's: whoever may do everything has none.
    let ownership = match app.store.head(&path).await {
        Ok(head) => {
            guard_head(caller, Action::Read, &path, &head)?;
            Ownership::of_attributes(head.attributes.as_deref()).unwrap_or_default()
        }
        Err(why @ (ReadError::NotFound | ReadError::Gone)) => {
            guard(app, caller, Action::Read, &path).await?;
            return Err(why.answer(Namespace::Sessions));
        }
        Err(why) => return Err(why.answer(Namespace::Sessions)),
    };
    let ttl = app.config.identity.stream_token_ttl;
    let claims = Claims {
        sub: caller.subject.to_string(),
        project: ownership.project_id.map(|project| project.as_str().to_owned()),
        scope: Some("stream:read".to_owned()),
        sessions: Some(Texts::One(session.as_str().to_owned())),
        roles: None,
    };
    let (token, expires_at) = seal(app, caller, Purpose::StreamToken, claims, ttl).await?;
    audit::done(caller, "token-issued", path.as_str());
    Ok(success(
        StatusCode::CREATED,
        &json!({ "token": token, "sessionId": session.as_str(), "expiresAt": expires_at }),
    ))
}

/// Sets a cookie with which the caller can read.
///
/// For browsers, whose `EventSource` sends cookies and no headers. `HttpOnly` and `SameSite=Strict`.
#[utoipa::path(
    post,
    path = "/api/auth/cookie",
    tag = "credentials",
    operation_id = "createCookie",
    responses(
        (status = 201, description = "It is set; `data.expiresAt` says until when.", body = serde_json::Value, headers(("Set-Cookie" = String, description = "The cookie."))),
        (status = 400, description = "INVALID_REQUEST: the claims of the caller are too long for a cookie", body = Failure),
    ),
)]
pub(crate) async fn create_cookie(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    answer(cookie(&app, &caller).await)
}

/// The caller as a cookie, with which it can read and nothing else.
async fn cookie(app: &App, caller: &Caller) -> Result<Response, ApiError> {
    if caller.is_read_only() {
        return Err(forbidden("a cookie is made with the credential itself"));
    }
    let ttl = app.config.identity.cookie_ttl;
    let (token, expires_at) = seal(app, caller, Purpose::Cookie, caller.claims(), ttl).await?;
    let left_ms = expires_at.saturating_sub(app.authenticator.now_ms());
    let mut response = success(StatusCode::CREATED, &json!({ "expiresAt": expires_at }));
    set_cookie(app, &mut response, &token, u64::try_from(left_ms / 1_000).unwrap_or(0));
    audit::done(caller, "token-issued", "cookie");
    Ok(response)
}

/// Ends the cookie in the browser.
#[utoipa::path(
    delete,
    path = "/api/auth/cookie",
    tag = "credentials",
    operation_id = "deleteCookie",
    responses((status = 200, description = "It is ended.", body = serde_json::Value, headers(("Set-Cookie" = String, description = "An empty cookie.")))),
)]
pub(crate) async fn delete_cookie(State(app): State<Arc<App>>) -> Response {
    let mut response = success(StatusCode::OK, &json!({}));
    set_cookie(&app, &mut response, "", 0);
    response
}

fn set_cookie(app: &App, response: &mut Response, value: &str, max_age_secs: u64) {
    let tls = app.config.is_reached_over_tls();
    let (name, secure) = if tls { (COOKIE_SECURE, "; Secure") } else { (COOKIE_PLAIN, "") };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_secs}{secure}");
    // A token is base64url and dots.
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// A token, and when it ends: after `ttl`, and with the credential of who asks for it.
async fn seal(
    app: &App,
    caller: &Caller,
    purpose: Purpose,
    claims: Claims,
    ttl: std::time::Duration,
) -> Result<(String, i64), ApiError> {
    let keys = app.authenticator.seals().await?;
    let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    let validity = &caller.validity;
    let expires_at_ms = app.authenticator.now_ms().saturating_add(ttl_ms);
    let expires_at_ms = validity.ends_at_ms.map_or(expires_at_ms, |at| at.min(expires_at_ms));
    let api_key = validity.api_key.as_deref().map(str::to_owned);
    let sealed = Sealed { purpose, expires_at_ms, api_key, claims };
    let token = sealed.seal(&keys.tokens).ok_or_else(|| {
        ApiError::bad_request(Code::InvalidRequest, "the claims of the caller are too long for such a token")
    })?;
    Ok((token, expires_at_ms))
}

/// Makes an API key.
///
/// For administrators, whose own credentials are not narrowed by patterns. The key is shown this once.
#[utoipa::path(
    post,
    path = "/api/auth/keys",
    tag = "credentials",
    operation_id = "createKey",
    request_body = KeyRequest,
    responses(
        (status = 201, description = "The key.", body = KeyAnswerShape),
        (status = 400, description = "INVALID_JSON, INVALID_REQUEST", body = Failure),
        (status = 409, description = "STREAM_EXISTS, STREAM_GONE", body = Failure),
        (status = 507, description = "STORAGE_FULL: there are as many keys as there may be", body = Failure),
    ),
)]
pub(crate) async fn create_key(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Response {
    answer(new_key(&app, &caller, request).await)
}

async fn new_key(app: &App, caller: &Caller, request: Request<Body>) -> Result<Response, ApiError> {
    administers(caller)?;
    let asked: KeyRequest = body_of(app, request).await?;
    let wrong = |why: String| ApiError::bad_request(Code::InvalidRequest, why);
    if asked.name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
        return Err(wrong(format!("name has more than {NAME_CHARS_MAX} characters")));
    }
    let own = caller.project.as_ref().map(|project| project.as_str().to_owned());
    let project = match (asked.project, own) {
        (None, own) => own,
        (Some(project), None) => Some(project),
        (Some(project), Some(own)) if project == own => Some(own),
        (Some(_), Some(_)) => return Err(forbidden("a key belongs to the project of who makes it")),
    };
    let claims = Claims {
        sub: asked.subject,
        project,
        scope: Some(asked.scope),
        sessions: asked.sessions,
        roles: asked.roles,
    };
    let bearer = claims.caller(Source::ApiKey).map_err(|why| wrong(why.to_string()))?;
    if bearer.scopes.is_empty() {
        return Err(wrong("scope has none of stream:read, stream:write, presence and admin".into()));
    }
    let now_ms = app.authenticator.now_ms();
    let expires_at = asked.expires_in.map(|secs| now_ms.saturating_add(i64::from(secs) * 1000));
    let (key, text) =
        ApiKey::mint(claims, asked.name, &caller.subject, now_ms, expires_at).map_err(|why| {
            tracing::error!(error_id = "api-key-chance", %why, "no key can be made");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "no key can be made")
        })?;
    app.authenticator.api_keys.keep(&key).await.map_err(|why| match why {
        KeepError::TooMany(max) => {
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, why.to_string())
                .details(json!({ "limit": max }))
        }
        KeepError::Create(why) => why.answer(Namespace::Plain),
        KeepError::Read(why) => why.answer(Namespace::Plain),
    })?;
    audit::done(caller, "key-created", &key.id);
    let mut shown = described(&key);
    // The one time it is shown.
    shown["key"] = text.into();
    Ok(success(StatusCode::CREATED, &shown))
}

/// Lists API keys, without themselves.
#[utoipa::path(
    get,
    path = "/api/auth/keys",
    tag = "credentials",
    operation_id = "listKeys",
    responses((status = 200, description = "Those of the caller's project.", body = KeyListAnswerShape)),
)]
pub(crate) async fn list_keys(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let listed = async {
        administers(&caller)?;
        let keys = app.authenticator.api_keys.all().await.map_err(|why| why.answer(Namespace::Plain))?;
        let keys: Vec<_> = keys.iter().filter(|key| is_of(key, &caller)).map(described).collect();
        Ok(success(StatusCode::OK, &json!({ "keys": keys })))
    };
    answer(listed.await)
}

/// Revokes an API key.
#[utoipa::path(
    delete,
    path = "/api/auth/keys/{id}",
    tag = "credentials",
    operation_id = "revokeKey",
    params(("id" = String, Path, description = "The id of the key, which is not the key.")),
    responses(
        (status = 200, description = "It is refused from now on.", body = serde_json::Value),
        (status = 400, description = "The path is not UTF-8.", body = Failure),
        (status = 404, description = "KEY_NOT_FOUND", body = Failure),
    ),
)]
pub(crate) async fn revoke_key(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    id: PathId,
) -> Response {
    answer(revoke(&app, &caller, &id.0).await)
}

async fn revoke(app: &App, caller: &Caller, id: &str) -> Result<Response, ApiError> {
    administers(caller)?;
    let missing = || ApiError::new(StatusCode::NOT_FOUND, Code::KeyNotFound, "there is no such key");
    if !is_key_id(id) {
        return Err(missing());
    }
    let keys = &app.authenticator.api_keys;
    if !caller.is_superuser() {
        let found = keys.find(id).await.map_err(|why| why.answer(Namespace::Plain))?;
        found.filter(|key| is_of(key, caller)).ok_or_else(missing)?;
    }
    let was_there = keys.revoke(id).await.map_err(|why: DeleteError| why.answer(Namespace::Plain))?;
    if !was_there {
        return Err(missing());
    }
    audit::done(caller, "key-revoked", id);
    Ok(success(StatusCode::OK, &json!({ "id": id })))
}

/// Whether somebody may make keys: an administrator, of all or of a project, whose credential is not narrowed. Else a
/// narrow credential could make itself a wide one.
fn administers(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_admin() && caller.sessions.is_none() && !caller.is_read_only() {
        return Ok(());
    }
    Err(forbidden("this needs the scope admin, without session patterns"))
}

fn is_of(key: &ApiKey, caller: &Caller) -> bool {
    caller.is_superuser() || key.claims.project.as_deref() == caller.project.as_ref().map(ProjectId::as_str)
}

fn described(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "subject": key.claims.sub,
        "project": key.claims.project,
        "scope": key.claims.scope,
        "sessions": key.claims.sessions,
        "roles": key.claims.roles,
        "createdBy": key.created_by,
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
    })
}

fn forbidden(why: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, why)
}

async fn body_of<T: DeserializeOwned>(app: &App, request: Request<Body>) -> Result<T, ApiError> {
    let limits = &app.config.limits;
    let max = limits.body_bytes_max.min(BODY_BYTES_MAX);
    let body = body::read_up_to(request, max, limits.body_read_timeout).await?;
    serde_json::from_slice(&body).map_err(|why| match why.classify() {
        serde_json::error::Category::Data => ApiError::bad_request(Code::InvalidRequest, why.to_string()),
        _ => ApiError::bad_request(Code::InvalidJson, "the body is not JSON"),
    })
}

fn success(status: StatusCode, data: &Value) -> Response {
    (status, [(CACHE_CONTROL, NO_STORE)], Json(json!({ "ok": true, "data": data }))).into_response()
}

fn answer(outcome: Result<Response, ApiError>) -> Response {
    outcome.unwrap_or_else(ApiError::into_api_response)
}
