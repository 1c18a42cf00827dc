//! GET: catch-up reads, PROTOCOL.md section 5.6, and the parting of ways to the live modes.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use durable_sessions_protocol::{Offset, ReadFrom};
use durable_sessions_storage::{Page, ReadError, StreamStore};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::query::{Mode, ReadQuery};
use super::target::Target;
use super::{live, long_poll, page};
use crate::answer::{NO_STORE, content_type_value};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::store_error::StoreError as _;

pub(crate) async fn get(
    app: &Arc<App>,
    caller: &Caller,
    target: Target,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let query = ReadQuery::parse(query)?;
    match query.mode {
        Mode::CatchUp => catch_up(app, &target, query.from, headers).await,
        Mode::LongPoll => long_poll::long_poll(app, &target, &query, headers).await,
        Mode::Sse => live::sse(app, caller, target, &query).await,
    }
}

async fn catch_up(
    app: &App,
    target: &Target,
    from: ReadFrom,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let limit = app.config.limits.page_bytes_max;
    let found = open(&*app.store, target, from, limit).await.map_err(|e| e.answer(target.namespace))?;
    if from != ReadFrom::Now {
        return Ok(page::answer(&found, headers, app.is_public()));
    }
    // The tail as it is now, and no data, whatever the page may have caught meanwhile.
    let mut response = Response::new(Body::from(page::empty_content(&found.content_type)));
    let answer = response.headers_mut();
    answer.insert(CACHE_CONTROL, NO_STORE);
    answer.insert(CONTENT_TYPE, content_type_value(&found.content_type));
    page::mark_position(answer, found.tail.next_offset, true, found.tail.closed);
    page::mark_count(answer, &found.content_type, found.tail.next_offset);
    Ok(response)
}

/// The first page of a read. The beginning is the first unit still retained; only an offset that a reader once
/// got can have been trimmed away.
pub(crate) async fn open(
    store: &dyn StreamStore,
    target: &Target,
    from: ReadFrom,
    bytes_max: usize,
) -> Result<Page, ReadError> {
    match from {
        ReadFrom::At(offset) => store.read(&target.path, offset, bytes_max).await,
        ReadFrom::Start => {
            let mut from = Offset::ZERO;
            loop {
                match store.read(&target.path, from, bytes_max).await {
                    // It may be trimmed again meanwhile; the trim point only moves forward, to the tail at most.
                    Err(ReadError::Trimmed { first, .. }) if first > from => from = first,
                    read => return read,
                }
            }
        }
        ReadFrom::Now => {
            let tail = store.head(&target.path).await?.next_offset;
            store.read(&target.path, tail, bytes_max).await
        }
    }
}
