//! PUT: creates a stream, or confirms that it exists as asked, PROTOCOL.md section 5.1.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::{ContentType, Offset, header};
use durable_sessions_storage::{CreateStream, Fork};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Request, StatusCode};

use super::target::{Namespace, Target};
use super::{body, fork, headers, lifetime, messages, retention};
use crate::Code;
use crate::access::{Action, Ownership, Writer, guard, guard_head};
use crate::answer::{NO_STORE, TRUE, content_type_value, offset_value};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::reached;
use crate::session::{self, Content, SessionRow};
use crate::store_error::StoreError as _;
use crate::subscriptions;

pub(crate) async fn create(
    app: &Arc<App>,
    caller: &Caller,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let permit = guard(app, caller, Action::Create, &target.path).await?;
    let given = request.headers();
    let fork = fork::of_request(given, target.namespace)?;
    if let Some(fork) = &fork {
        // What a fork holds is what its source held.
        guard(app, caller, Action::Read, &fork.source).await?;
    }
    let content_type = match headers::content_type(given)? {
        None if fork.is_some() => None,
        None => Some(target.namespace.default_content_type()),
        Some(content_type) => Some(fitting(content_type, target.namespace)?),
    };
    let lifetime = lifetime::of_request(given)?;
    let retention = retention::of_request(given)?;
    let closed = headers::closes(given);
    let location =
        format!("{}{}", reached::base_url(&app.config, given, request.uri()), request.uri().path());

    let body = body::read(request, &app.config.limits).await?;
    let content = if body.is_empty() {
        Content::default()
    } else {
        let inherited;
        let framing = match (&content_type, &fork) {
            (Some(content_type), _) => content_type,
            (None, Some(fork)) => {
                let source = app.store.head(&fork.source).await.map_err(|e| e.answer(target.namespace))?;
                inherited = source.content_type;
                &inherited
            }
            (None, None) => return Err(ApiError::bad_request(Code::ContentTypeMissing, "no content type")),
        };
        messages::content(body, framing, target.namespace, app)?
    };
    Writer { caller, permit }.check(&app.config.event_policy, &content.written)?;
    if target.namespace.holds_events() {
        app.quota.events(target.path.as_str(), content.count())?;
    }
    let initial = content.batch;

    // Streams of who may do everything belong to nobody, and cost no attributes; sessions always have their row.
    let attributes = (target.namespace != Namespace::Sessions && !caller.is_superuser())
        .then(|| Ownership::of_creator(caller).to_attributes());
    let create = CreateStream { content_type, lifetime, retention, initial, closed, fork, attributes };
    // Given back when the request is over, unless there is a stream by then.
    let _place = app.open_streams.place(&*app.store, caller, &target.path).await?;
    let created = match target.namespace {
        Namespace::Sessions => {
            let row = row_of(app, caller, create.fork.as_ref()).await;
            session::create(app, &target.path, create, &row).await
        }
        Namespace::Agents | Namespace::Plain => subscriptions::create(app, &target.path, create).await,
    };
    let created = created.map_err(|e| e.answer(target.namespace))?;
    if !created.is_new {
        // It may have been made since it was looked for.
        guard_head(caller, Action::Create, &target.path, &created.head)?;
    }
    for event in content.ephemeral {
        app.fanout.pass_on(&target.path, &event.user_id, &event.event);
    }

    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = status.into_response();
    let answer = response.headers_mut();
    answer.insert(CACHE_CONTROL, NO_STORE);
    answer.insert(CONTENT_TYPE, content_type_value(&created.head.content_type));
    answer
        .insert(HeaderName::from_static(header::STREAM_NEXT_OFFSET), offset_value(created.head.next_offset));
    if created.head.closed {
        answer.insert(HeaderName::from_static(header::STREAM_CLOSED), TRUE);
    }
    if created.is_new
        && let Ok(location) = HeaderValue::try_from(location)
    {
        answer.insert(LOCATION, location);
    }
    Ok(response)
}

/// What a new session is: the caller's, in the caller's project; a fork is about what its source is about.
async fn row_of(app: &App, caller: &Caller, fork: Option<&Fork>) -> SessionRow {
    let source = match fork {
        Some(fork) => session::find(app, &fork.source).await.ok(),
        None => None,
    };
    match source {
        Some(source) => {
            let mut row = source.row.forked(Ownership::of_creator(caller).owner);
            let has_events = fork.and_then(|fork| fork.at).unwrap_or(source.head.next_offset) > Offset::ZERO;
            if has_events {
                row.status = row.status.when_written();
            }
            row
        }
        // A source that is not there is for the store to refuse.
        None => SessionRow::of_creator(Ownership::of_creator(caller)),
    }
}

/// Session and agent streams hold JSON only.
fn fitting(content_type: ContentType, namespace: Namespace) -> Result<ContentType, ApiError> {
    if namespace.holds_events() && !content_type.is_json() {
        return Err(ApiError::bad_request(
            Code::ContentTypeMismatch,
            "streams of sessions and agents have the content type application/json",
        )
        .details(serde_json::json!({ "expected": "application/json" })));
    }
    Ok(content_type)
}
