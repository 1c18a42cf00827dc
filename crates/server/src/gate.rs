//! What stands before and after every route: request id, authentication, cross-origin rules, security headers
//! and the access log. One service instead of a stack of middleware, so that a request pays once.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use tower::Service as _;
use tracing::Instrument as _;

use crate::Code;
use crate::app::App;
use crate::audit;
use crate::config::AuthConfig;
use crate::error::{ApiError, ErrorMark};
use crate::identity::Caller;
use crate::quota::{self, Limit, client_address};
use crate::request_id::X_REQUEST_ID;
use crate::subscriptions::is_public;

/// The whole server as one service of hyper.
#[derive(Clone)]
pub(crate) struct Gate {
    app: Arc<App>,
    router: Router,
    /// Whoever can connect may ask: for the address of metrics, which has nothing else.
    open: bool,
    /// Who is at the other end of the connection.
    peer: Option<IpAddr>,
}

impl Gate {
    pub(crate) fn new(app: Arc<App>, router: Router) -> Self {
        Self { app, router, open: false, peer: None }
    }

    /// One that asks nobody who they are.
    pub(crate) fn open(app: Arc<App>, router: Router) -> Self {
        Self { app, router, open: true, peer: None }
    }

    /// The gate of one connection.
    pub(crate) fn of_peer(&self, peer: IpAddr) -> Self {
        Self { peer: Some(peer), ..self.clone() }
    }

    pub(crate) async fn handle(mut self, request: Request<Incoming>) -> Response {
        let started = Instant::now();
        let id = self.app.request_ids.of(request.headers());
        let method = request.method().clone();
        let origin = request.headers().get(ORIGIN).cloned();
        let is_api = is_protected(request.uri().path()) || is_health(request.uri().path());
        // The path, never the query: offsets are harmless, but a token may end up there by mistake.
        let span = tracing::info_span!(
            "request",
            request_id = id.to_str().unwrap_or_default(),
            method = method.as_str(),
            path = request.uri().path(),
            otel.kind = tracing::field::Empty,
            otel.name = tracing::field::Empty,
        );
        let follower = self.app.config.request_tracing.clone();
        if let Some(follower) = &follower {
            follower.started(&span, &method, request.uri().path(), request.headers());
        }
        let mut response = self.answer(request, origin.as_ref()).instrument(span.clone()).await;
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(X_REQUEST_ID), id);
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
        // Streams are for fetch() from pages of allowed origins; pages and scripts are for our own origin only.
        let embedding = if is_api { "cross-origin" } else { "same-origin" };
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static(embedding),
        );
        if is_api {
            self.app.cors.mark(origin.as_ref(), headers);
        }
        self.app.metrics.answered(&response);
        span.in_scope(|| log(&response, started));
        if let Some(follower) = &follower {
            follower.answered(&span, response.status());
        }
        response
    }

    async fn answer(&mut self, request: Request<Incoming>, origin: Option<&HeaderValue>) -> Response {
        let path = request.uri().path();
        let headers = request.headers();
        let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let max = self.app.config.limits.url_bytes_max;
        if length > max {
            let message = format!("the request target is longer than {max} bytes");
            let error = ApiError::new(StatusCode::URI_TOO_LONG, Code::UriTooLong, message);
            return refuse(path, error.limit(Limit::UrlBytes));
        }
        let preflight = request.method() == Method::OPTIONS
            && origin.is_some()
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if preflight {
            let mut response = StatusCode::NO_CONTENT.into_response();
            self.app.cors.mark_preflight(response.headers_mut());
            return response;
        }
        let caller = if !is_protected(path) || self.open {
            Ok(None)
        } else if is_public(request.method(), path) {
            self.app.quota.address(self.client(headers)).map(|()| None)
        } else {
            self.admit(&request).await
        };
        let mut standing = None;
        let caller = caller.and_then(|caller| {
            if let Some(caller) = &caller {
                standing = self.app.quota.identity(caller)?;
            }
            Ok(caller)
        });
        let mut body = self.app.bodies.share();
        if caller.is_ok() && !body.set(self.body_bytes(request.body())) {
            let busy = ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::StreamUnavailable,
                "too many request bodies are under way",
            );
            return refuse(path, busy.limit(Limit::BodiesBytes).retry_after(1));
        }
        let mut request = request.map(Body::new);
        match caller {
            Ok(Some(caller)) => {
                tracing::trace!(subject = &*caller.subject, "authenticated");
                request.extensions_mut().insert(caller);
            }
            Ok(None) => {}
            Err(error) => return refusal(&request, error),
        }
        let mut response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Some(standing) = standing {
            quota::mark(&standing, response.headers_mut());
        }
        response
    }

    /// How much memory a body may take. It is refused before it is read, so that an overload costs little.
    fn body_bytes(&self, body: &Incoming) -> usize {
        let max = self.app.config.limits.body_bytes_max;
        // Longer ones are refused where they are read.
        body.size_hint().upper().map_or(max, |length| usize::try_from(length).unwrap_or(max).min(max))
    }

    /// The address that limits count by.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        self.peer.map(|peer| client_address(peer, &self.app.config.trusted_proxies, headers))
    }

    async fn admit(&self, request: &Request<Incoming>) -> Result<Option<Caller>, ApiError> {
        let headers = request.headers();
        let open = matches!(self.app.config.auth, AuthConfig::DevNoAuth);
        if open && !self.app.cors.permits_unauthenticated(request.method(), headers) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                Code::Forbidden,
                "without authentication, only pages of this machine may do this",
            ));
        }
        let authenticator = &self.app.authenticator;
        if let Some(caller) = authenticator.at_once(request) {
            return Ok(Some(caller));
        }
        self.app.quota.address(self.client(headers))?;
        let uri = request.uri();
        authenticator.authenticate(request.method(), uri.path(), uri.query(), headers).await.map(Some)
    }
}

/// Everything but health, static files, preflights and what subscriptions protect themselves needs a caller, unknown routes included: a stranger learns
/// nothing about what exists.
fn is_protected(path: &str) -> bool {
    ["/v1", "/api", "/metrics"]
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// In the envelope of the part of the URL space that was asked.
fn refuse(path: &str, error: ApiError) -> Response {
    if is_api(path) { error.into_api_response() } else { error.into_response() }
}

fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The answer to who may not come in, and the record of who tried.
fn refusal(request: &Request<Body>, error: ApiError) -> Response {
    let path = request.uri().path();
    let tried = request.headers().contains_key(AUTHORIZATION) || request.uri().query().is_some_and(has_token);
    let refused = matches!(error.code(), Code::Unauthorized | Code::Forbidden);
    if tried && refused {
        audit::authentication_refused(request.method().as_str(), path, error.code().as_str());
    }
    refuse(path, error)
}

fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("token="))
}

/// Whether a path is of the session API, whose answers have an envelope.
fn is_api(path: &str) -> bool {
    path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Errors are logged with their code, at a level by whose fault they are.
fn log(response: &Response, started: Instant) {
    let status = response.status().as_u16();
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    match response.extensions().get::<ErrorMark>() {
        Some(ErrorMark(code)) if status >= 500 => {
            tracing::warn!(status, code = code.as_str(), micros, "request failed");
        }
        Some(ErrorMark(code)) => tracing::info!(status, code = code.as_str(), micros, "request refused"),
        None => tracing::debug!(status, micros, "request answered"),
    }
}

impl hyper::service::Service<Request<Incoming>> for Gate {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move { Ok(gate.handle(request).await) })
    }
}
