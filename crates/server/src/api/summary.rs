//! `GET /api/sessions/{id}/summary`: what happened, counted from the events themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use durable_sessions_schema::{Event, Parser, Payload};
use durable_sessions_storage::{Batch, ReadError, StreamStore};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, SessionPath, success};
use super::pages::Pages;
use super::session_view::SessionView;
use crate::access::{Action, guard_existing};
use crate::app::App;
use crate::identity::Caller;
use crate::session;
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// Names that are told apart in each of the lists; the rest is counted together.
const NAMES_MAX: usize = 200;
/// Under this name.
const OTHER: &str = "(other)";

/// What happened in a session.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Events that are retained.
    events: u64,
    /// Timestamps of the first and the last event, in Unix milliseconds.
    first_event_at: Option<u64>,
    last_event_at: Option<u64>,
    /// Between them, in milliseconds.
    duration_ms: u64,
    /// Events by type; at most 200 types, the rest under `(other)`.
    types: BTreeMap<String, u64>,
    /// Events by channel.
    channels: BTreeMap<String, u64>,
    /// Characters of streaming text.
    text_chars: u64,
    tool_calls: ToolCalls,
    /// Agents that said something, at most 200.
    agents: BTreeSet<String>,
    /// Users who joined, at most 200.
    users: BTreeSet<String>,
    /// Errors of agents and tools.
    errors: u64,
}

/// Tool calls of a session.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolCalls {
    started: u64,
    completed: u64,
    failed: u64,
    /// Calls by tool; at most 200, the rest under `(other)`.
    tools: BTreeMap<String, u64>,
}

/// A session and what happened in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionSummary {
    session: SessionView,
    summary: Summary,
}

/// A session and what happened in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryAnswer {
    ok: bool,
    data: SessionSummary,
}

/// Sums up a session.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/summary",
    tag = "sessions",
    operation_id = "summarizeSession",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses(
        (status = 200, description = "What happened.", body = SummaryAnswer),
        (status = 400, description = "INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn summarize_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Read, &path).await?;
    let answer = |error: ReadError| error.answer(Namespace::Sessions);
    // Who waits has a connection or a stream of one, and those are bounded.
    let _place = app.summing.acquire().await;
    let found = session::find(&app, &path).await.map_err(answer)?;
    let range = (found.head.first_offset, found.head.next_offset);
    let pages = Pages::new(&app, &path, found.head.stream_id, range);
    let summary = Summary::of(pages, &*app.store).await.map_err(answer)?;
    success(StatusCode::OK, SessionSummary { session: SessionView::of(&id, &found), summary })
}

impl Summary {
    /// Sums up everything that can still be read. Every step goes on, so that retention cannot hold it up.
    async fn of(mut pages: Pages, store: &dyn StreamStore) -> Result<Self, ReadError> {
        let mut summary = Self::default();
        let mut parser = Parser::new();
        loop {
            match pages.next(store).await {
                Ok(Some(page)) => {
                    let events = page.rows.iter().flat_map(Batch::messages);
                    events.for_each(|event| summary.add(&mut parser, &event));
                    // Rows in memory are read without waiting.
                    tokio::task::yield_now().await;
                }
                Ok(None) => return Ok(summary),
                // History was given up meanwhile: what is left is summed up.
                Err(ReadError::Trimmed { first, .. }) => pages.skip_to(first),
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, parser: &mut Parser, event: &[u8]) {
        self.events += 1;
        let Ok(view) = parser.parse_event(event) else {
            count(&mut self.types, OTHER);
            return;
        };
        let at = view.timestamp_ms();
        self.first_event_at = Some(self.first_event_at.map_or(at, |first| first.min(at)));
        self.last_event_at = self.last_event_at.max(Some(at));
        self.duration_ms = self.last_event_at.unwrap_or(at) - self.first_event_at.unwrap_or(at);
        count(&mut self.types, &view.event_type());
        count(&mut self.channels, view.channel().name());
        if let Ok(event) = view.to_event() {
            self.add_payload(&event);
        }
    }

    fn add_payload(&mut self, event: &Event) {
        match &event.payload {
            Payload::Chunk(chunk) => {
                self.text_chars += chunk.text.chars().count() as u64;
                if let Some(agent) = &chunk.agent_id {
                    name(&mut self.agents, agent.as_str());
                }
            }
            Payload::ToolStart(call) => {
                self.tool_calls.started += 1;
                count(&mut self.tool_calls.tools, &call.tool);
            }
            Payload::ToolResult(call) if call.is_error == Some(true) => {
                self.tool_calls.failed += 1;
                self.errors += 1;
            }
            Payload::ToolResult(_) => self.tool_calls.completed += 1,
            Payload::PresenceJoined(presence) => name(&mut self.users, presence.user_id.as_str()),
            Payload::AgentStarted(agent) => name(&mut self.agents, agent.agent_id.as_str()),
            Payload::AgentError(agent) => {
                name(&mut self.agents, agent.agent_id.as_str());
                self.errors += 1;
            }
            _ => {}
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(counted) = counts.get_mut(name) {
        *counted += 1;
        return;
    }
    let name = if counts.len() < NAMES_MAX { name } else { OTHER };
    *counts.entry(name.to_owned()).or_default() += 1;
}

fn name(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < NAMES_MAX && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::broken_app;
    use bytes::Bytes;
    use durable_sessions_protocol::Offset;
    use durable_sessions_storage::{Append, Trim};

    #[tokio::test]
    async fn history_that_is_given_up_meanwhile_is_passed_over() {
        let (app, _, path) = broken_app(|config| config.limits.page_bytes_max = 1).await;
        for n in 0..6 {
            let event = format!(r#"{{"id":"{n}","type":"chunk","timestamp":{n},"data":{{"text":"x"}}}}"#);
            let batch = Some(Batch::message(Bytes::from(event)).unwrap());
            app.store.append(&path, Append { batch, ..Append::default() }).await.unwrap();
        }
        let head = app.store.head(&path).await.unwrap();
        let range = (head.first_offset, head.next_offset);
        let mut pages = Pages::new(&app, &path, head.stream_id, range);
        pages.next(&*app.store).await.unwrap();
        app.store.trim(&path, Trim::Before(Offset::new(4))).await.unwrap();
        let summary = Summary::of(pages, &*app.store).await.unwrap();
        assert_eq!((summary.events, summary.first_event_at), (2, Some(4)));
    }

    #[test]
    fn what_happened_is_counted() {
        let mut summary = Summary::default();
        let mut parser = Parser::new();
        for (event_type, timestamp, data) in [
            ("chunk", 100, r#"{"text":"h\u00e9y","agentId":"a"}"#),
            ("tool:start", 110, r#"{"id":"1","tool":"ls"}"#),
            ("tool:result", 120, r#"{"id":"1","tool":"ls"}"#),
            ("tool:result", 90, r#"{"id":"2","tool":"ls","isError":true}"#),
            ("presence:joined", 130, r#"{"userId":"u"}"#),
            ("my:own", 140, "7"),
        ] {
            let event =
                format!(r#"{{"id":"1","type":"{event_type}","timestamp":{timestamp},"data":{data}}}"#);
            summary.add(&mut parser, event.as_bytes());
        }
        assert_eq!((summary.events, summary.text_chars, summary.errors), (6, 3, 1));
        assert_eq!(
            (summary.first_event_at, summary.last_event_at, summary.duration_ms),
            (Some(90), Some(140), 50)
        );
        let calls = &summary.tool_calls;
        assert_eq!((calls.started, calls.completed, calls.failed, calls.tools["ls"]), (1, 1, 1, 1));
        assert_eq!((summary.types["tool:result"], summary.channels["unknown"]), (2, 1));
        assert!(summary.agents.contains("a") && summary.users.contains("u"));
    }

    #[test]
    fn names_are_bounded() {
        let mut counts = BTreeMap::new();
        for n in 0..1000 {
            count(&mut counts, &n.to_string());
        }
        assert_eq!((counts.len(), counts[OTHER]), (NAMES_MAX + 1, 1000 - NAMES_MAX as u64));
    }
}
