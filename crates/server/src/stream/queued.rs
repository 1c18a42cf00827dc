//! POST with `durability=queued` (extension): taken at once, brought to the stream later. Must not know how.

use axum::response::{IntoResponse as _, Response};
use durable_sessions_protocol::{ContentType, ProducerClaim, header};
use durable_sessions_storage::{AppendError, Batch};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::target::Target;
use crate::Code;
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;
use crate::quota::Limit;
use crate::seldom::seldom;
use crate::spool::{AcceptError, QueuedAppend, id_text};
use crate::store_error::{StoreError as _, storage_full};

/// Says on an answer what it means.
pub(crate) const DURABILITY: HeaderName = HeaderName::from_static(header::STREAM_DURABILITY);
/// Taken, and not in the stream yet.
pub(crate) const QUEUED: HeaderValue = HeaderValue::from_static("queued");

/// What the answer to an append means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is in the stream, and synced.
    Synced,
    /// It is in the queue, and synced there.
    Queued,
}

impl Durability {
    pub(crate) fn of_query(query: Option<&str>) -> Result<Self, ApiError> {
        let mut found = None;
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name != header::QUERY_DURABILITY {
                continue;
            }
            let durability = match value {
                "synced" => Self::Synced,
                "queued" => Self::Queued,
                _ => return Err(invalid("the parameter durability must be synced or queued")),
            };
            if found.replace(durability).is_some() {
                return Err(invalid("the parameter durability is repeated"));
            }
        }
        Ok(found.unwrap_or(Self::Synced))
    }
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::bad_request(Code::InvalidParameter, message)
}

/// After how many seconds a full queue is worth another try.
const FULL_RETRY_SECS: u32 = 2;

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        let message = match &error {
            AcceptError::Full => "too many appends are queued",
            AcceptError::StorageFull => return storage_full(error.to_string()),
            AcceptError::Unfit(_) => {
                return Self::bad_request(Code::InvalidJson, "the payload cannot be queued");
            }
            AcceptError::Unavailable(reason) => {
                seldom!(|unsaid| tracing::error!(
                    error_id = "queue-unavailable",
                    reason,
                    unsaid,
                    "the queue is unavailable"
                ));
                "the queue is unavailable"
            }
        };
        let is_full = matches!(error, AcceptError::Full);
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, message)
            .retry_after(FULL_RETRY_SECS);
        if is_full { answer.limit(Limit::QueuedAppends) } else { answer }
    }
}

/// Queues an append that has been checked as far as that is possible now; `has_more` when it asks for something that
/// can only be decided in the stream.
pub(crate) async fn accept(
    app: &App,
    target: &Target,
    content: Option<(ContentType, Batch)>,
    producer: Option<ProducerClaim>,
    is_work: bool,
    has_more: bool,
) -> Result<Response, ApiError> {
    let Some((content_type, batch)) = content.filter(|_| !has_more) else {
        return Err(invalid("a queued append cannot close its stream or have a Stream-Seq"));
    };
    let head = app.store.head(&target.path).await.map_err(|error| error.answer(target.namespace))?;
    if head.closed {
        return Err(AppendError::Closed { next_offset: head.next_offset }.answer(target.namespace));
    }
    if content_type != head.content_type {
        return Err(AppendError::ContentType { expected: head.content_type }.answer(target.namespace));
    }
    let append = QueuedAppend {
        producer,
        is_work,
        stream_id: Some(head.stream_id),
        ..QueuedAppend::new(target.path.clone(), content_type, batch)
    };
    let id = app.spool.accept(&append).await?;
    app.metrics.queued_accepted.inc();
    let body = json!({ "queued": true, "durable": false, "id": id_text(id) });
    let mut response = (StatusCode::ACCEPTED, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(DURABILITY, QUEUED);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_strict() {
        for (query, expected) in [
            (None, Durability::Synced),
            (Some("a=b"), Durability::Synced),
            (Some("durability=synced"), Durability::Synced),
            (Some("x&durability=queued"), Durability::Queued),
        ] {
            assert_eq!(Durability::of_query(query).unwrap(), expected, "{query:?}");
        }
        for bad in ["durability=", "durability=fast", "durability=queued&durability=queued"] {
            assert!(Durability::of_query(Some(bad)).is_err(), "{bad}");
        }
    }
}
