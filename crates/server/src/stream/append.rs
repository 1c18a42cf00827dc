//! POST: appends, closes, or both in one step, PROTOCOL.md sections 5.2 and 5.3.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::{ContentType, header};
use durable_sessions_storage::{Append, AppendError, Appended};
use http::header::CACHE_CONTROL;
use http::{HeaderName, Request, StatusCode};

use super::target::{Namespace, Target};
use super::{body, headers, messages, queued};
use crate::Code;
use crate::access::{Action, Writer, guard_existing};
use crate::answer::{NO_STORE, TRUE, number_value, offset_value};
use crate::app::App;
use crate::append_retry;
use crate::coalesce;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::session::{self, Content, EphemeralEvent, Written};
use crate::store_error::StoreError as _;

pub(crate) async fn append(
    app: &Arc<App>,
    caller: &Caller,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    // Before anything is said about the request: a stranger learns nothing about what exists.
    // Whoever may close may write.
    let close = headers::closes(request.headers());
    let action = if close { Action::Close } else { Action::Write };
    let permit = guard_existing(app, caller, action, &target.path).await?;
    let durability = queued::Durability::of_query(request.uri().query())?;
    let given = request.headers();
    let producer = headers::producer(given)?;
    let stream_seq = headers::stream_seq(given)?;
    let content_type = headers::content_type(given);
    let body = body::read(request, &app.config.limits).await?;

    let (content_type, content) = if body.is_empty() {
        if !close {
            let error = ApiError::bad_request(Code::EmptyAppend, "an append needs a body");
            return Err(refuse(app, target, None, error).await);
        }
        // Libraries attach default content types to empty bodies; they mean nothing there.
        (None, Content::default())
    } else {
        let Some(content_type) = content_type? else {
            let error = ApiError::bad_request(Code::ContentTypeMissing, "an append needs a Content-Type");
            return Err(refuse(app, target, None, error).await);
        };
        let writer = Writer { caller, permit };
        let content = messages::content(body, &content_type, target.namespace, app);
        let permitted = content.and_then(|content| {
            writer.check(&app.config.event_policy, &content.written)?;
            Ok(content)
        });
        match permitted {
            Ok(content) if content.batch.is_some() || !content.ephemeral.is_empty() => {
                (Some(content_type), content)
            }
            Ok(_) => {
                let error = ApiError::bad_request(Code::EmptyAppend, "an empty array appends nothing");
                return Err(refuse(app, target, Some(&content_type), error).await);
            }
            Err(error) => return Err(refuse(app, target, Some(&content_type), error).await),
        }
    };

    let count = content.count();
    let Content { batch, ephemeral, written } = content;
    if target.namespace.holds_events() {
        app.quota.events(target.path.as_str(), count)?;
    }
    if durability == queued::Durability::Queued {
        let has_more = close || stream_seq.is_some() || !ephemeral.is_empty();
        let content = content_type.zip(batch);
        return queued::accept(app, target, content, producer, written.is_work(), has_more).await;
    }
    let has_data = batch.is_some() || !ephemeral.is_empty();
    let append = Append { content_type, batch, close, producer, stream_seq, attributes: None };
    let appended = match target.namespace {
        Namespace::Sessions => write(app, target, append, &written, &ephemeral).await,
        Namespace::Agents | Namespace::Plain => append_retry::append(app, &target.path, append).await,
    };
    let appended = appended.map_err(|e| e.answer(target.namespace))?;
    Ok(answer(&appended, has_data))
}

/// To a session. What is ephemeral is passed on once the rest is durable.
async fn write(
    app: &Arc<App>,
    target: &Target,
    append: Append,
    written: &Written,
    ephemeral: &[EphemeralEvent],
) -> Result<Appended, AppendError> {
    match session::after_queued(app, &target.path).await {
        // Nothing keeps a session from being closed: what is queued still becomes dead letters.
        Err(AppendError::Overloaded) if append.close && append.batch.is_none() => {}
        waited => waited?,
    }
    coalesce::flush(app, &target.path).await;
    let appended = if append.batch.is_some() || append.close {
        session::append(app, &target.path, append, written.is_work()).await?
    } else if append.producer.is_some() || append.stream_seq.is_some() {
        // Nothing is stored, but the producer has come this far.
        session::note_progress(app, &target.path, append).await?
    } else {
        session::look(app, &target.path).await?
    };
    for event in ephemeral {
        app.presence.observe(&target.path, &event.event);
        app.fanout.pass_on(&target.path, &event.user_id, &event.event);
    }
    Ok(appended)
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
