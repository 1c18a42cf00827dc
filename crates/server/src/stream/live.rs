//! GET with `live=sse`, PROTOCOL.md section 5.8.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use durable_sessions_protocol::{LiveCursor, header};
use durable_sessions_storage::Page;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::query::ReadQuery;
use super::target::{Namespace, Target};
use super::{page, read, unix_secs};
use crate::Code;
use crate::app::{App, Slot};
use crate::error::ApiError;
use crate::fanout::{Cut, Framing, Standing, Wants, encode_control, encode_data};
use crate::identity::Caller;
use crate::live_connection::Live;
use crate::quota::Limit;
use crate::store_error::StoreError as _;

/// When a refused subscriber may find a place: connections rotate about once a minute.
const RETRY_SECS: u32 = 10;

/// A place among the subscribers of the server, and among those of the caller.
pub(crate) fn place(app: &App, caller: &Caller) -> Result<Slot, ApiError> {
    let of_identity = app.quota.live(caller)?;
    let Some(slot) = app.subscribers.try_open(of_identity) else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TooManyConnections,
            "too many live connections are open",
        )
        .limit(Limit::Subscribers)
        .retry_after(RETRY_SECS)
        .details(serde_json::json!({ "fallback": "long-poll", "limit": app.subscribers.max() })));
    };
    if app.is_draining() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::ShuttingDown,
            "the server is shutting down",
        )
        .retry_after(1));
    }
    Ok(slot)
}

pub(crate) async fn sse(
    app: &Arc<App>,
    caller: &Caller,
    target: Target,
    query: &ReadQuery,
) -> Result<Response, ApiError> {
    let slot = place(app, caller)?;
    let limit = app.config.limits.sse_page_bytes_max;
    let first =
        read::open(&*app.store, &target, query.from, limit).await.map_err(|e| e.answer(target.namespace))?;
    let framing = Framing::of(&first.content_type);
    let cursor = LiveCursor::answer(unix_secs(), query.cursor.as_deref(), app.jitter.next());
    let ephemeral = query.ephemeral && target.namespace == Namespace::Sessions;
    let wants = Wants { framing, own_cursor: cursor.number(), ephemeral, preamble: None };
    let mut cut = None;
    let body = if page::is_final(&first) {
        Body::from_stream(futures::stream::iter([Ok::<_, std::convert::Infallible>(final_page(
            framing, &first,
        ))]))
    } else {
        let subscriber = app
            .fanout
            .subscribe(app, &target.path, slot, &first, &wants)
            .await
            .map_err(|e| e.answer(target.namespace))?;
        cut = Some(subscriber.cut());
        Body::new(subscriber)
    };
    let mut response = event_stream(app, body, cut);
    let headers = response.headers_mut();
    page::mark_count(headers, &first.content_type, first.from);
    if framing == Framing::Base64 {
        headers.insert(
            HeaderName::from_static(header::STREAM_SSE_DATA_ENCODING),
            HeaderValue::from_static("base64"),
        );
    }
    Ok(response)
}

/// An answer of events; one that goes on leaves the machinery of requests.
pub(crate) fn event_stream(app: &App, body: Body, cut: Option<Cut>) -> Response {
    let mut response = Response::new(body);
    if let Some(cut) = cut {
        response.extensions_mut().insert(Live);
        response.extensions_mut().insert(cut);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let cache = if app.is_public() { "no-cache, no-transform" } else { "private, no-cache, no-transform" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    // Proxies of the nginx family buffer otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// All that a closed stream has left to say.
pub(crate) fn final_page(framing: Framing, page: &Page) -> Bytes {
    let mut out = Vec::new();
    let mut next = page.next;
    if !page.rows.is_empty() {
        next = encode_data(&mut out, framing, &page.rows, page.next, false);
    }
    encode_control(&mut out, framing, next, 0, Standing::Closed);
    Bytes::from(out)
}
