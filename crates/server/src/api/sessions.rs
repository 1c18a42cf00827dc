//! `GET /api/sessions`: the sessions there are, in order of id, page by page.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use durable_sessions_protocol::{Offset, StreamPath};
use durable_sessions_schema::{SessionId, SessionStatus};
use durable_sessions_storage::StreamHead;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use serde_json::json;

use crate::Code;
use crate::access::is_visible;
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::store_error::StoreError as _;
use crate::stream::{Namespace, percent_decode};

const PREFIX: &str = "sessions/";
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// One session as the list shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionRow {
    id: String,
    status: SessionStatus,
    closed: bool,
    event_count: u64,
    /// Where a reader that wants only what comes next begins.
    cursor: String,
    /// Where the history begins, once something of it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_cursor: Option<String>,
    /// What the stream asks to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<String>,
    /// Unix milliseconds.
    created_at: i64,
    updated_at: i64,
}

#[derive(Debug, PartialEq, Eq)]
struct ListQuery {
    limit: usize,
    after: Option<StreamPath>,
}

pub(crate) async fn list_sessions(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    match list(&app, &caller, query.as_deref()).await {
        Ok(response) => response,
        Err(error) => error.into_api_response(),
    }
}

async fn list(app: &App, caller: &Caller, query: Option<&str>) -> Result<Response, ApiError> {
    let ListQuery { limit, mut after } = ListQuery::parse(query)?;
    let mut found = Vec::new();
    // One more than asked for tells whether there is a next page. What the caller may not read is passed over.
    while found.len() <= limit {
        let ask = limit + 1 - found.len();
        let page = app.store.list(PREFIX, after.as_ref(), ask).await;
        let page = page.map_err(|e| e.answer(Namespace::Sessions))?;
        let is_last = page.len() < ask;
        after = page.last().map(|(path, _)| path.clone());
        found.extend(page.into_iter().filter(|(path, head)| is_visible(caller, path, head)));
        if is_last {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let sessions: Vec<_> = found.iter().filter_map(|(path, head)| row(path, head)).collect();
    let next = if more { sessions.last().map(|session| session.id.clone()) } else { None };
    let body = json!({ "ok": true, "data": { "sessions": sessions, "nextCursor": next } });
    Ok(([(CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

fn row(path: &StreamPath, head: &StreamHead) -> Option<SessionRow> {
    let status = match (head.closed, head.next_offset.position()) {
        (true, _) => SessionStatus::Closed,
        (false, 0) => SessionStatus::Idle,
        (false, _) => SessionStatus::Active,
    };
    Some(SessionRow {
        id: path.child_of("sessions")?.to_owned(),
        status,
        closed: head.closed,
        event_count: head.next_offset.position(),
        cursor: head.next_offset.to_string(),
        first_cursor: (head.first_offset > Offset::ZERO).then(|| head.first_offset.to_string()),
        retention: (!head.retention.is_none()).then(|| head.retention.to_string()),
        created_at: head.created_at_ms,
        updated_at: head.updated_at_ms,
    })
}

impl ListQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let (mut limit, mut after) = (LIMIT_DEFAULT, None);
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "limit" => {
                    limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(
                        || {
                            ApiError::bad_request(
                                Code::InvalidParameter,
                                format!("limit must be a number from 1 to {LIMIT_MAX}"),
                            )
                        },
                    )?;
                }
                "after" => after = Some(parse_after(value)?),
                _ => {}
            }
        }
        Ok(Self { limit, after })
    }
}

fn parse_after(value: &str) -> Result<StreamPath, ApiError> {
    percent_decode(value)
        .filter(|id| id.parse::<SessionId>().is_ok())
        .and_then(|id| format!("{PREFIX}{id}").parse().ok())
        .ok_or_else(|| ApiError::bad_request(Code::InvalidCursor, "after is not a cursor of this list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_bounds() {
        assert_eq!(ListQuery::parse(None).unwrap(), ListQuery { limit: 100, after: None });
        let second = ListQuery::parse(Some("after=run-1&limit=2")).unwrap();
        assert_eq!(second, ListQuery { limit: 2, after: "sessions/run-1".parse().ok() });
        for bad in ["limit=0", "limit=1001", "limit=x", "after=", "after=a%2Fb", "after=%zz"] {
            assert!(ListQuery::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
