//! Where a program that embeds the server, or our own command, hears of requests to follow them elsewhere. The server
//! itself must not know who listens.

use std::fmt;

use http::{HeaderMap, Method, StatusCode};
use tracing::Span;

/// Told of each request's span, for tracing across processes.
///
/// The span is named `request`. Its fields `otel.kind` and `otel.name` are empty and may be recorded; it ends when the
/// head of the answer is known, which for live reads is long before the answer's end.
pub trait RequestTracing: fmt::Debug + Send + Sync {
    /// A request has come; nothing ran in its span yet. `path` is without the query, which may hold a token.
    fn started(&self, span: &Span, method: &Method, path: &str, headers: &HeaderMap);
    /// It is answered.
    fn answered(&self, span: &Span, status: StatusCode);
}
