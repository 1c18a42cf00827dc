//! `GET /api/sessions`: the sessions the caller may read, newest first, page by page.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use durable_sessions_schema::SessionStatus;
use durable_sessions_storage::ReadError;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, Query, invalid, success};
use super::session_view::{SessionView, StatusShape};
use crate::Code;
use crate::access::is_visible;
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::session::{Entry, Filter, ListCursor, SessionRow};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// Longest text to search for, in characters.
const SEARCH_CHARS_MAX: usize = 200;

/// One page of the list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionPage {
    sessions: Vec<SessionView>,
    /// Where the list goes on, as parameter `cursor`; null at its end. A page may hold fewer than `limit` before the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What the answer holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionPageAnswer {
    ok: bool,
    data: SessionPage,
}

/// Lists sessions.
///
/// The newest first, as far as the caller may read them.
#[utoipa::path(
    get,
    path = "/api/sessions",
    tag = "sessions",
    operation_id = "listSessions",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most, 1 to 1000.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
        ("status" = Option<StatusShape>, Query, description = "Only sessions of this status."),
        ("agentId" = Option<String>, Query, description = "Only sessions of this agent."),
        ("taskId" = Option<String>, Query, description = "Only sessions of this task."),
        ("from" = Option<String>, Query, description = "Created at this time or later: Unix milliseconds or RFC 3339."),
        ("to" = Option<String>, Query, description = "Created at this time or earlier: Unix milliseconds or RFC 3339."),
        ("search" = Option<String>, Query, description = "Part of the title or the id, in any case; at most 200 characters.", max_length = 200),
    ),
    responses(
        (status = 200, description = "A page of the list.", body = SessionPageAnswer),
        (status = 400, description = "INVALID_PARAMETER, INVALID_CURSOR", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn list_sessions(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref())?;
    let limit = query.limit()?;
    let after = cursor(&query)?;
    let filter = filter(&query)?;
    let may_see = |entry: &Entry| is_visible(&caller, &entry.path, entry.ownership.as_ref());
    let page = app.sessions.page(&filter, after.as_ref(), limit, may_see);
    let mut sessions = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        match app.store.head(&entry.path).await {
            Ok(head) => {
                let id = entry.id().unwrap_or_default();
                sessions.push(SessionView::new(id, &SessionRow::of_head(&head), &head));
            }
            // It has expired, or is being deleted.
            Err(ReadError::NotFound | ReadError::Gone) => app.sessions.remove(&entry.path, entry.stream_id),
            Err(error) => return Err(error.answer(Namespace::Sessions).into()),
        }
    }
    let next_cursor = page.next.map(|next| next.to_string());
    success(StatusCode::OK, SessionPage { sessions, next_cursor })
}

fn cursor(query: &Query) -> Result<Option<ListCursor>, ApiError> {
    let given = match query.one("cursor")? {
        Some(given) => Some(given),
        // The name it had first.
        None => query.one("after")?,
    };
    given
        .map(|text| {
            text.parse()
                .map_err(|()| ApiError::bad_request(Code::InvalidCursor, "this is not a cursor of this list"))
        })
        .transpose()
}

fn filter(query: &Query) -> Result<Filter, ApiError> {
    let words = || SessionStatus::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ");
    let search = query.one("search")?.filter(|part| !part.is_empty()).map(str::to_lowercase);
    if search.as_ref().is_some_and(|part| part.chars().count() > SEARCH_CHARS_MAX) {
        return Err(invalid(format!("the parameter search has at most {SEARCH_CHARS_MAX} characters")));
    }
    Ok(Filter {
        status: match query.one("status")? {
            None => None,
            Some(word) => Some(
                word.parse()
                    .map_err(|_| invalid(format!("the parameter status must be one of {}", words())))?,
            ),
        },
        agent_id: query.parsed("agentId", "an id")?,
        task_id: query.parsed("taskId", "an id")?,
        from_ms: time(query, "from")?,
        to_ms: time(query, "to")?,
        search,
    })
}

/// Unix milliseconds, or a time of RFC 3339.
fn time(query: &Query, name: &'static str) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.one(name)? else { return Ok(None) };
    if let Ok(ms) = text.parse() {
        return Ok(Some(ms));
    }
    // A plus sign of an offset comes as a space.
    humantime::parse_rfc3339_weak(text)
        .ok()
        .and_then(|time| time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map(Some)
        .ok_or_else(|| {
            invalid(format!(
                "the parameter {name} must be Unix milliseconds or a time such as 2026-01-31T12:00:00Z"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_strict_about_what_they_know() {
        let parse = |query: &str| filter(&Query::parse(Some(query)).unwrap());
        let all =
            parse("status=active&agentId=a%201&taskId=t&from=5&to=2026-01-01T00:00:00Z&search=FOO").unwrap();
        assert_eq!(all.status, Some(SessionStatus::Active));
        assert_eq!((all.from_ms, all.to_ms), (Some(5), Some(1_767_225_600_000)));
        assert_eq!(all.search.as_deref(), Some("foo"));
        assert_eq!(parse("search=").unwrap(), Filter::default());
        for bad in ["status=open", "agentId=", "from=yesterday", "to=", "status=active&status=idle"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
