//! A session as the API shows it. Must not know routes.

use std::borrow::Cow;

use durable_sessions_protocol::Offset;
use durable_sessions_schema::{PresenceEntry, SessionStatus};
use durable_sessions_storage::StreamHead;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::presence::PresenceEntryShape;
use crate::session::{Found, SessionRow};

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// Names the session and its stream.
    id: String,
    /// The project it belongs to; null when it was created as a plain stream.
    #[schema(required)]
    project_id: Option<String>,
    /// The task it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// The agent at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
    /// The title to show, at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Where it stands.
    #[schema(value_type = StatusShape)]
    status: SessionStatus,
    /// Whether its stream takes no more events.
    closed: bool,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// How long its chunks wait for others, in milliseconds, where it says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    coalesce_ms: Option<u32>,
    /// How many events there have been.
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
    /// Unix milliseconds.
    updated_at: i64,
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<i64>,
}

/// A session and who is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionWithPresence)]
pub(crate) struct SessionWithPresenceView {
    #[serde(flatten)]
    pub(crate) session: SessionView,
    /// Who is there.
    #[schema(value_type = Vec<PresenceEntryShape>)]
    pub(crate) presence: Vec<PresenceEntry>,
}

impl SessionView {
    pub(crate) fn new(id: &str, row: &SessionRow, head: &StreamHead) -> Self {
        Self {
            id: id.to_owned(),
            project_id: row.project_id.clone().map(String::from),
            task_id: row.task_id.clone().map(String::from),
            agent_id: row.agent_id.clone().map(String::from),
            title: row.title.clone(),
            status: row.status,
            closed: head.closed,
            owner: row.owner.clone(),
            coalesce_ms: row.coalesce_ms,
            event_count: head.next_offset.position(),
            cursor: head.next_offset.to_string(),
            first_cursor: (head.first_offset > Offset::ZERO).then(|| head.first_offset.to_string()),
            retention: (!head.retention.is_none()).then(|| head.retention.to_string()),
            created_at: head.created_at_ms,
            updated_at: head.updated_at_ms,
            closed_at: row.closed_at,
        }
    }

    pub(crate) fn of(id: &str, found: &Found) -> Self {
        Self::new(id, &found.row, &found.head)
    }
}

/// Stands for the status in descriptions: the enum of the schema crate.
pub(crate) struct StatusShape;

impl PartialSchema for StatusShape {
    fn schema() -> RefOr<Schema> {
        let values = SessionStatus::ALL.iter().map(|status| status.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).into()
    }
}

impl ToSchema for StatusShape {
    fn name() -> Cow<'static, str> {
        "SessionStatus".into()
    }
}
