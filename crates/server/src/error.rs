//! The one shape of a failed request. Must not know the store; `store_error` turns its errors into this one.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::Offset;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::Code;
use crate::answer::offset_value;
use crate::quota::Limit;

/// A failed request: its status, its code, and a message for people. Never holds payloads or credentials.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    // Boxed, so that a `Result` of a handler stays small.
    inner: Box<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: Code,
    message: Cow<'static, str>,
    details: Option<Value>,
    fields: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    rejection: Option<&'static str>,
    limit: Option<Limit>,
}

/// Left on a response for the access log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorMark(pub(crate) Code);

/// Left on a response for the metrics: why an event was rejected, in the words of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RejectionMark(pub(crate) &'static str);

/// Left on a response for the metrics: which limit it was refused for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LimitMark(pub(crate) Limit);

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            inner: Box::new(Inner {
                status,
                code,
                message: message.into(),
                details: None,
                fields: vec![],
                headers: vec![],
                rejection: None,
                limit: None,
            }),
        }
    }

    pub(crate) fn bad_request(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn code(&self) -> Code {
        self.inner.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.inner.status
    }

    pub(crate) fn details(mut self, details: Value) -> Self {
        self.inner.details = Some(details);
        self
    }

    /// Says that an event was rejected, and why in the words of the schema.
    pub(crate) fn rejection(mut self, reason: &'static str) -> Self {
        self.inner.rejection = Some(reason);
        self
    }

    /// Says which limit this is beyond.
    pub(crate) fn limit(mut self, limit: Limit) -> Self {
        self.inner.limit = Some(limit);
        self
    }

    /// A member the protocol wants beside the code.
    pub(crate) fn field(mut self, name: &'static str, value: Value) -> Self {
        self.inner.fields.push((name, value));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.inner.headers.push((HeaderName::from_static(name), value));
        self
    }

    pub(crate) fn offset_header(self, name: &'static str, offset: Offset) -> Self {
        self.header(name, offset_value(offset))
    }

    /// Seconds after which the same request may succeed.
    pub(crate) fn retry_after(mut self, secs: u32) -> Self {
        self.inner.headers.push((RETRY_AFTER, HeaderValue::from(secs)));
        self
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::MethodNotAllowed,
            "this route does not know the method",
        )
        .header("allow", HeaderValue::from_static(allow))
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route")
    }

    /// The answer in the envelope of the session API, which says `ok: false` beside the error.
    pub(crate) fn into_api_response(self) -> Response {
        let error = self.body();
        self.respond(&json!({ "ok": false, "error": error }))
    }

    fn body(&self) -> Value {
        let Inner { code, message, details, fields, .. } = &*self.inner;
        let mut error = json!({ "code": code.as_str(), "message": message });
        if let Some(object) = error.as_object_mut() {
            object.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            object.extend(details.iter().map(|details| ("details".to_owned(), details.clone())));
        }
        error
    }

    fn respond(self, body: &Value) -> Response {
        let mut response = (self.inner.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let Inner { code, headers: extra, rejection, limit, .. } = *self.inner;
        for (name, value) in extra {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(ErrorMark(code));
        if let Some(reason) = rejection {
            response.extensions_mut().insert(RejectionMark(reason));
        }
        if let Some(limit) = limit {
            response.extensions_mut().insert(LimitMark(limit));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.body();
        self.respond(&json!({ "error": error }))
    }
}
