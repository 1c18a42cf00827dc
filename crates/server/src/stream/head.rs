//! HEAD: what is known about a stream, PROTOCOL.md section 5.5. Does not count as an access.

use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::header;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, StatusCode};

use super::target::Target;
use super::{lifetime, retention};
use crate::answer::{NO_STORE, TRUE, content_type_value, offset_value};
use crate::app::App;
use crate::error::ApiError;
use crate::store_error::StoreError as _;

pub(crate) async fn head(app: &App, target: &Target) -> Result<Response, ApiError> {
    let head = app.store.head(&target.path).await.map_err(|e| e.answer(target.namespace))?;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_TYPE, content_type_value(&head.content_type));
    headers.insert(HeaderName::from_static(header::STREAM_NEXT_OFFSET), offset_value(head.next_offset));
    if head.closed {
        headers.insert(HeaderName::from_static(header::STREAM_CLOSED), TRUE);
    }
    lifetime::mark(head.lifetime, headers);
    retention::mark(&head, headers);
    Ok(response)
}
