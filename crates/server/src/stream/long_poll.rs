//! GET with `live=long-poll`, PROTOCOL.md section 5.7.

use axum::body::Body;
use axum::response::Response;
use durable_sessions_protocol::{LiveCursor, header};
use durable_sessions_storage::Page;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::query::ReadQuery;
use super::target::Target;
use super::{page, read, unix_secs};
use crate::answer::NO_STORE;
use crate::app::{App, until_draining};
use crate::error::ApiError;
use crate::store_error::StoreError as _;

pub(crate) async fn long_poll(
    app: &App,
    target: &Target,
    query: &ReadQuery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let deadline = tokio::time::Instant::now() + app.config.long_poll_timeout;
    let limit = app.config.limits.page_bytes_max;
    let refused = |error: durable_sessions_storage::ReadError| error.answer(target.namespace);
    let mut found = read::open(&*app.store, target, query.from, limit).await.map_err(refused)?;
    while found.rows.is_empty() && !found.tail.closed {
        let mut tail = app.store.watch(&target.path).await.map_err(refused)?;
        let mut draining = app.draining.clone();
        let from = found.from;
        let changed = async {
            // An error means that the store dropped the stream; the read says why.
            let _ = tail.wait_for(|tail| tail.deleted || tail.closed || tail.next_offset > from).await;
        };
        let timed_out = tokio::select! {
            biased;
            () = changed => false,
            () = until_draining(&mut draining) => true,
            () = tokio::time::sleep_until(deadline) => true,
        };
        if timed_out {
            break;
        }
        found = app.store.read(&target.path, from, limit).await.map_err(refused)?;
    }
    Ok(answer(app, &found, query, headers))
}

fn answer(app: &App, found: &Page, query: &ReadQuery, headers: &HeaderMap) -> Response {
    let mut response = if found.rows.is_empty() {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        page::mark_position(response.headers_mut(), found.next, true, found.tail.closed);
        page::mark_count(response.headers_mut(), &found.content_type, found.from);
        response
    } else {
        page::answer(found, headers, app.is_public())
    };
    if !page::is_final(found) {
        let cursor = LiveCursor::answer(unix_secs(), query.cursor.as_deref(), app.jitter.next());
        response
            .headers_mut()
            .insert(HeaderName::from_static(header::STREAM_CURSOR), HeaderValue::from(cursor.number()));
    }
    response
}
