//! PUT: creates a stream, or confirms that it exists as asked, PROTOCOL.md section 5.1.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::{ContentType, header};
use durable_sessions_storage::CreateStream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Request, StatusCode};

use super::target::{Namespace, Target};
use super::{body, fork, headers, lifetime, messages, retention};
use crate::Code;
use crate::access::{Action, Ownership, Writer, guard};
use crate::answer::{NO_STORE, TRUE, content_type_value, offset_value};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::reached;
use crate::store_error::StoreError as _;
use crate::subscriptions;

pub(crate) async fn create(
    app: &App,
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
    let initial = if body.is_empty() {
        None
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
        messages::batch(body, framing, target.namespace, app, &Writer { caller, permit })?
    };

    // Streams of who may do everything belong to nobody, and cost no attributes.
    let attributes = (!caller.is_superuser()).then(|| Ownership::of_creator(caller).to_attributes());
    let create = CreateStream { content_type, lifetime, retention, initial, closed, fork, attributes };
    let created =
        subscriptions::create(app, &target.path, create).await.map_err(|e| e.answer(target.namespace))?;

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
