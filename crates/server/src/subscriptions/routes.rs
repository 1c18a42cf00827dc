//! The routes below `/v1/stream/__ds`: requests become commands of a subscription, and its refusals answers.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::Offset;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::actor::{Command, Failure};
use super::machine::{Refusal, Subscription, WakeRef};
use super::refusals::{
    failed, gone, invalid, no_keys, not_found, not_subscribed, overloaded, stopping, wrong,
};
use super::specification::{self, Delivery, InvalidSpecification, Specification};
use super::token::{Grant, Purpose};
use super::view;
use crate::Code;
use crate::access::{Action, guard};
use crate::answer::NO_STORE;
use crate::app::App;
use crate::audit;
use crate::error::ApiError;
use crate::identity::{Caller, Scope, bearer_token};
use crate::reached;
use crate::stream::{STREAM_ROOT, body, percent_decode};

const BODY_BYTES_MAX: usize = 1 << 20;
const ID_LEN_MAX: usize = 128;
const WORKER_LEN_MAX: usize = 256;

/// Whether a request needs no credentials of the server: the public keys, and requests that carry the token of
/// one wake, which is checked here, with or without authentication.
pub(crate) fn is_public(method: &Method, path: &str) -> bool {
    match below_root(path).map(parts).as_deref() {
        Some(["jwks.json"]) => matches!(*method, Method::GET | Method::HEAD),
        Some(["subscriptions", _, "callback" | "ack" | "release"]) => *method == Method::POST,
        _ => false,
    }
}

/// Answers a request below the reserved prefix.
pub(crate) async fn handle(app: &Arc<App>, request: Request<Body>) -> Result<Response, ApiError> {
    if !is_public(request.method(), request.uri().path()) {
        let caller = Caller::of(request.extensions())?;
        if !caller.scopes.has(Scope::StreamRead) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                Code::Forbidden,
                "this needs the scope stream:read",
            ));
        }
    }
    let path = request.uri().path().to_owned();
    let rest = below_root(&path).unwrap_or_default();
    let method = request.method().clone();
    let parts = parts(rest);
    match (parts.as_slice(), &method) {
        (["jwks.json"], &Method::GET | &Method::HEAD) => jwks(app).await,
        (["jwks.json"], _) => Err(ApiError::method_not_allowed("GET, HEAD")),
        (["subscriptions", id], _) => {
            let id = subscription_id(id)?;
            match method {
                Method::PUT => put(app, id, request).await,
                Method::GET | Method::HEAD => get(app, &id, &Caller::of(request.extensions())?).await,
                Method::DELETE => delete(app, id, &Caller::of(request.extensions())?).await,
                _ => Err(ApiError::method_not_allowed("GET, HEAD, PUT, DELETE")),
            }
        }
        (["subscriptions", id, "streams"], &Method::POST) => link(app, &subscription_id(id)?, request).await,
        (["subscriptions", id, "streams", path @ ..], &Method::DELETE) if !path.is_empty() => {
            unlink(app, &subscription_id(id)?, &path.join("/"), &Caller::of(request.extensions())?).await
        }
        (["subscriptions", id, "callback"], &Method::POST) => {
            answer_wake(app, &subscription_id(id)?, request, Purpose::Callback).await
        }
        (["subscriptions", id, "ack"], &Method::POST) => {
            answer_wake(app, &subscription_id(id)?, request, Purpose::Claim).await
        }
        (["subscriptions", id, "claim"], &Method::POST) => claim(app, &subscription_id(id)?, request).await,
        (["subscriptions", id, "release"], &Method::POST) => {
            release(app, &subscription_id(id)?, request).await
        }
        (["subscriptions", _, "streams" | "callback" | "ack" | "claim" | "release"], _) => {
            Err(ApiError::method_not_allowed("POST"))
        }
        (["subscriptions", _, "streams", ..], _) => Err(ApiError::method_not_allowed("DELETE")),
        _ => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            "paths below __ds are reserved by the protocol",
        )),
    }
}

/// Whether a URL path is answered here and not by a stream.
pub(crate) fn is_reserved(path: &str) -> bool {
    below_root(path).is_some()
}

/// What follows the reserved prefix.
fn below_root(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(STREAM_ROOT)?.strip_prefix("__ds")?;
    rest.strip_prefix('/').or_else(|| rest.is_empty().then_some(rest))
}

fn parts(rest: &str) -> Vec<&str> {
    rest.split('/').collect()
}

async fn jwks(app: &App) -> Result<Response, ApiError> {
    let keys = app.subscriptions.shared.keys().await.map_err(|why| no_keys(&why))?;
    let mut response = keys.jwks().to_string().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}

async fn put(app: &Arc<App>, id: String, request: Request<Body>) -> Result<Response, ApiError> {
    let base_url = reached::as_reached(app.config.tls.is_some(), request.headers(), request.uri())
        .unwrap_or_else(|| "http://localhost".into());
    let caller = Caller::of(request.extensions())?;
    let body = json_body(app, request).await?;
    let mut specification = Specification::parse(&body).map_err(|why| invalid(&why))?;
    may_read(app, &caller, &specification.streams).await?;
    if let Some(wake) = specification.wake_stream().and_then(|wake| wake.parse().ok()) {
        guard(app, &caller, Action::Write, &wake).await?;
    }
    specification.creator = (!caller.is_superuser()).then(|| caller.claims());
    if let Delivery::Webhook { url } = &specification.delivery {
        app.subscriptions
            .shared
            .caller
            .check(url)
            .map_err(|why| ApiError::bad_request(Code::WebhookUrlRejected, why.to_string()))?;
        // Who cannot sign cannot deliver: better known now than at the first wake.
        app.subscriptions.shared.keys().await.map_err(|why| no_keys(&why))?;
    }
    // A task of its own: a client that goes away must not leave half a subscription.
    let subscribing = tokio::spawn(app.subscriptions.clone().subscribe(id, specification, base_url));
    let (is_new, state) = subscribing.await.map_err(|_| stopping())?.map_err(not_subscribed)?;
    if is_new {
        audit::done(&caller, "subscription-created", &state.id);
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, described(app, &state).await?).into_response())
}

/// Whether a caller may read every one of these streams.
async fn may_read(app: &App, caller: &Caller, streams: &[String]) -> Result<(), ApiError> {
    if caller.is_superuser() {
        return Ok(());
    }
    for stream in streams {
        // They were checked to be paths.
        if let Ok(path) = stream.parse() {
            guard(app, caller, Action::Read, &path).await?;
        }
    }
    Ok(())
}

/// To everybody but those who share it, a subscription is not there.
fn is_shared(app: &App, id: &str, caller: &Caller) -> Result<(), ApiError> {
    let handle = app.subscriptions.shared.get(id).ok_or_else(not_found)?;
    if handle.sight.is_shared_with(caller) { Ok(()) } else { Err(not_found()) }
}

async fn get(app: &App, id: &str, caller: &Caller) -> Result<Response, ApiError> {
    is_shared(app, id, caller)?;
    let state = ask(app, id, Command::View).await?;
    described(app, &state).await
}

async fn delete(app: &App, id: String, caller: &Caller) -> Result<Response, ApiError> {
    is_shared(app, &id, caller)?;
    let deleting = tokio::spawn(app.subscriptions.clone().unsubscribe(id.clone()));
    match deleting.await.map_err(|_| stopping())?.map_err(not_subscribed)? {
        true => {
            audit::done(caller, "subscription-deleted", &id);
            Ok(no_content())
        }
        false => Err(not_found()),
    }
}

async fn link(app: &App, id: &str, request: Request<Body>) -> Result<Response, ApiError> {
    let caller = Caller::of(request.extensions())?;
    is_shared(app, id, &caller)?;
    let body = json_body(app, request).await?;
    let state = ask(app, id, Command::View).await?;
    let paths = specification::paths(&body["streams"]).map_err(|why| invalid(&why))?;
    may_read(app, &caller, &paths).await?;
    if paths.len() > app.config.limits.subscription_streams_max {
        let max = app.config.limits.subscription_streams_max;
        return Err(failed(Refusal::TooManyStreams { max }.into()));
    }
    if state.specification.wake_stream().is_some_and(|wake| paths.iter().any(|path| path == wake)) {
        return Err(invalid(&InvalidSpecification("the wake stream cannot be one of the streams".into())));
    }
    ask(app, id, |reply| Command::Link { paths, reply }).await?;
    Ok(no_content())
}

async fn unlink(app: &App, id: &str, encoded: &str, caller: &Caller) -> Result<Response, ApiError> {
    is_shared(app, id, caller)?;
    let path = percent_decode(encoded).ok_or_else(|| {
        ApiError::bad_request(Code::InvalidStreamPath, "the stream path is not percent-encoded UTF-8")
    })?;
    ask(app, id, |reply| Command::Unlink { path, reply }).await?;
    Ok(no_content())
}

async fn claim(app: &App, id: &str, request: Request<Body>) -> Result<Response, ApiError> {
    is_shared(app, id, &Caller::of(request.extensions())?)?;
    let body = json_body(app, request).await?;
    let worker = match body["worker"].as_str() {
        Some(worker) if (1..=WORKER_LEN_MAX).contains(&worker.len()) => worker.to_owned(),
        _ => return Err(wrong(format!("worker must be a string of 1 to {WORKER_LEN_MAX} bytes"))),
    };
    let shared = &app.subscriptions.shared;
    let keys = shared.keys().await.map_err(|why| no_keys(&why))?;
    if !is_pull_wake(&ask(app, id, Command::View).await?) {
        return Err(wrong("only pull-wake subscriptions are claimed"));
    }
    let (state, wake_id) = ask(app, id, |reply| Command::Claim { worker, reply }).await?;
    let grant = Grant::new(id, state.birth, state.generation, Purpose::Claim, shared.clock.now_ms());
    Ok(answer(view::claim(&state, &wake_id, &grant.seal(&keys.tokens))))
}

/// `callback` and `ack`, which differ in their tokens only.
async fn answer_wake(
    app: &App,
    id: &str,
    request: Request<Body>,
    purpose: Purpose,
) -> Result<Response, ApiError> {
    let grant = granted(app, id, request.headers(), purpose).await?;
    let body = json_body(app, request).await?;
    let wake = wake_ref(&grant, &body)?;
    let acks = acks(&body)?;
    let done = match &body["done"] {
        Value::Null => false,
        Value::Bool(done) => *done,
        _ => return Err(wrong("done must be true or false")),
    };
    let next_wake = ask(app, id, |reply| Command::Ack { wake, acks, done, reply }).await?;
    Ok(answer(json!({ "ok": true, "next_wake": next_wake })))
}

async fn release(app: &App, id: &str, request: Request<Body>) -> Result<Response, ApiError> {
    let grant = granted(app, id, request.headers(), Purpose::Claim).await?;
    let wake = wake_ref(&grant, &json_body(app, request).await?)?;
    ask(app, id, |reply| Command::Release { wake, reply }).await?;
    Ok(no_content())
}

/// What the token of a request is good for. Checked before anything else: without one nobody learns whether a
/// subscription exists.
async fn granted(app: &App, id: &str, headers: &HeaderMap, purpose: Purpose) -> Result<Grant, ApiError> {
    let shared = &app.subscriptions.shared;
    let keys = shared.keys().await.map_err(|why| no_keys(&why))?;
    bearer_token(headers)
        .and_then(|token| std::str::from_utf8(token).ok())
        .and_then(|token| Grant::open(token, &keys.tokens, id, purpose, shared.clock.now_ms()))
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                Code::Unauthorized,
                "the token of this wake is required as bearer token",
            )
            .header("www-authenticate", HeaderValue::from_static("Bearer"))
        })
}

fn wake_ref(grant: &Grant, body: &Value) -> Result<WakeRef, ApiError> {
    match (body["wake_id"].as_str(), body["generation"].as_u64()) {
        (Some(wake_id), Some(generation)) => Ok(WakeRef {
            birth: grant.birth,
            token_generation: grant.generation,
            generation,
            wake_id: wake_id.to_owned(),
        }),
        _ => Err(wrong("wake_id and generation of the wake are required")),
    }
}

fn acks(body: &Value) -> Result<Vec<(String, u64)>, ApiError> {
    let list = match &body["acks"] {
        Value::Null => return Ok(vec![]),
        Value::Array(list) => list,
        _ => return Err(wrong("acks must be an array")),
    };
    let ack = |ack: &Value| {
        let offset = ack["offset"].as_str().and_then(|offset| offset.parse::<Offset>().ok());
        match (ack["stream"].as_str(), offset) {
            (Some(stream), Some(offset)) => Ok((stream.to_owned(), offset.position())),
            (None, _) => Err(wrong("an ack needs a stream")),
            (Some(_), None) => {
                Err(ApiError::bad_request(Code::InvalidOffset, "an ack needs an offset of its stream"))
            }
        }
    };
    list.iter().map(ack).collect()
}

/// Sends a command and waits for what becomes of it.
async fn ask<T>(
    app: &App,
    id: &str,
    command: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Command,
) -> Result<T, ApiError> {
    let handle = app.subscriptions.shared.get(id).ok_or_else(not_found)?;
    let (reply, answer) = oneshot::channel();
    match handle.commands.try_send(command(reply)) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return Err(overloaded()),
        Err(TrySendError::Closed(_)) => return Err(gone(app)),
    }
    answer.await.map_err(|_| gone(app))?.map_err(failed)
}

async fn described(app: &App, state: &Subscription) -> Result<Response, ApiError> {
    let shared = &app.subscriptions.shared;
    let kid = match &state.specification.delivery {
        Delivery::Webhook { .. } => Some(shared.keys().await.map_err(|why| no_keys(&why))?.kid()),
        Delivery::PullWake { .. } => None,
    };
    Ok(answer(view::subscription(state, shared.base_url(&state.base_url), kid)))
}

fn is_pull_wake(state: &Subscription) -> bool {
    matches!(state.specification.delivery, Delivery::PullWake { .. })
}

async fn json_body(app: &App, request: Request<Body>) -> Result<Value, ApiError> {
    let limits = &app.config.limits;
    let max = limits.body_bytes_max.min(BODY_BYTES_MAX);
    let body = body::read_up_to(request, max, limits.body_read_timeout).await?;
    serde_json::from_slice(&body)
        .map_err(|_| ApiError::bad_request(Code::InvalidJson, "the body must be a JSON object"))
        .and_then(
            |body: Value| {
                if body.is_object() { Ok(body) } else { Err(wrong("the body must be a JSON object")) }
            },
        )
}

fn subscription_id(encoded: &str) -> Result<String, ApiError> {
    percent_decode(encoded)
        .filter(|id| (1..=ID_LEN_MAX).contains(&id.len()) && !id.contains('/'))
        .filter(|id| format!("{}{id}", super::ROOT).parse::<durable_sessions_protocol::StreamPath>().is_ok())
        .ok_or_else(|| wrong(format!("a subscription id is one path segment of 1 to {ID_LEN_MAX} bytes")))
}

fn answer(body: Value) -> Response {
    ([(CACHE_CONTROL, NO_STORE)], Json(body)).into_response()
}

fn no_content() -> Response {
    (StatusCode::NO_CONTENT, [(CACHE_CONTROL, NO_STORE)]).into_response()
}
