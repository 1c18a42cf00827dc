//! POST: appends, closes, or both in one step, PROTOCOL.md sections 5.2 and 5.3.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::{ContentType, header};
use durable_sessions_storage::{Append, AppendError, Appended};
use http::header::CACHE_CONTROL;
use http::{HeaderName, Request, StatusCode};

use super::target::Target;
use super::{body, headers, messages};
use crate::Code;
use crate::access::{Action, Writer, guard};
use crate::answer::{NO_STORE, TRUE, number_value, offset_value};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::store_error::StoreError as _;
use crate::subscriptions;

pub(crate) async fn append(
    app: &App,
    caller: &Caller,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    // Before anything is said about the request: a stranger learns nothing about what exists.
    let permit = guard(app, caller, Action::Write, &target.path).await?;
    if headers::closes(request.headers()) {
        guard(app, caller, Action::Close, &target.path).await?;
    }
    let writer = Writer { caller, permit };
    let given = request.headers();
    let close = headers::closes(given);
    let producer = headers::producer(given)?;
    let stream_seq = headers::stream_seq(given)?;
    let content_type = headers::content_type(given);
    let body = body::read(request, &app.config.limits).await?;

    let (content_type, batch) = if body.is_empty() {
        if !close {
            let error = ApiError::bad_request(Code::EmptyAppend, "an append needs a body");
            return Err(refuse(app, target, None, error).await);
        }
        // Libraries attach default content types to empty bodies; they mean nothing there.
        (None, None)
    } else {
        let Some(content_type) = content_type? else {
            let error = ApiError::bad_request(Code::ContentTypeMissing, "an append needs a Content-Type");
            return Err(refuse(app, target, None, error).await);
        };
        match messages::batch(body, &content_type, target.namespace, app, &writer) {
            Ok(Some(batch)) => (Some(content_type), Some(batch)),
            Ok(None) => {
                let error = ApiError::bad_request(Code::EmptyAppend, "an empty array appends nothing");
                return Err(refuse(app, target, Some(&content_type), error).await);
            }
            Err(error) => return Err(refuse(app, target, Some(&content_type), error).await),
        }
    };

    let has_data = batch.is_some();
    if target.namespace.holds_events()
        && let Some(batch) = &batch
    {
        app.quota.events(target.path.as_str(), batch.units())?;
    }
    let append = Append { content_type, batch, close, producer, stream_seq, attributes: None };
    let appended =
        subscriptions::append(app, &target.path, append).await.map_err(|e| e.answer(target.namespace))?;
    Ok(answer(&appended, has_data))
}

fn answer(appended: &Appended, has_data: bool) -> Response {
    // 200 says that a producer's batch is new; everything else has nothing to add to its headers.
    let fresh = appended.producer.is_some() && has_data && !appended.duplicate;
    let status = if fresh { StatusCode::OK } else { StatusCode::NO_CONTENT };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(HeaderName::from_static(header::STREAM_NEXT_OFFSET), offset_value(appended.next_offset));
    if appended.closed {
        headers.insert(HeaderName::from_static(header::STREAM_CLOSED), TRUE);
    }
    if let Some((epoch, seq)) = appended.producer {
        headers.insert(HeaderName::from_static(header::PRODUCER_EPOCH), number_value(epoch.number()));
        headers.insert(HeaderName::from_static(header::PRODUCER_SEQ), number_value(seq.number()));
    }
    response
}

/// The error of a bad request, unless the stream itself is a better reason: a missing stream, a closed one, or
/// one of another type is what the caller must hear about, in this order (section 5.2, error precedence).
async fn refuse(app: &App, target: &Target, content_type: Option<&ContentType>, error: ApiError) -> ApiError {
    let head = match app.store.head(&target.path).await {
        Ok(head) => head,
        Err(why) => return why.answer(target.namespace),
    };
    match content_type {
        Some(_) if head.closed => {
            AppendError::Closed { next_offset: head.next_offset }.answer(target.namespace)
        }
        Some(given) if *given != head.content_type => {
            AppendError::ContentType { expected: head.content_type }.answer(target.namespace)
        }
        _ => error,
    }
}
