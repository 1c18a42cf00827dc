//! A session's own attributes, as they are stored with its stream. Must not know how they are stored.
//!
//! What the stream knows already is not repeated here, so that it cannot disagree: the id is its path, and when it was
//! created and last changed, how many events it has and where its tail is are its head.

use std::collections::BTreeMap;

use bytes::Bytes;
use durable_sessions_schema::{AgentId, ProjectId, SessionStatus, TaskId};
use durable_sessions_storage::StreamHead;
use serde::{Deserialize, Serialize};

use crate::access::Ownership;

/// The row: JSON in the attributes of the stream `sessions/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRow {
    /// The tenant it belongs to; none when it was created as a plain stream.
    #[serde(default)]
    pub(crate) project_id: Option<ProjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task_id: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_id: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) status: SessionStatus,
    /// The subject that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Who else is what in it, by subject; access decides what the words mean. Roles of a later version are kept as
    /// they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) members: BTreeMap<String, serde_json::Value>,
    /// How long its chunks wait for others to be stored with, in milliseconds; 0 for not at all. As the server does by
    /// default, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) coalesce_ms: Option<u32>,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) closed_at: Option<i64>,
    /// Users whose joining is stored and whose leaving is not yet, with the time they joined: changed in the same
    /// append as the events that say so, so that nobody is present for ever because a server died.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) present: BTreeMap<String, i64>,
    /// What a later version added, kept.
    #[serde(flatten)]
    pub(crate) extra: serde_json::Map<String, serde_json::Value>,
}

/// A status that does not follow another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {from} cannot become {to}")]
pub(crate) struct InvalidTransition {
    pub(crate) from: SessionStatus,
    pub(crate) to: SessionStatus,
}

impl SessionRow {
    /// The row of a session that somebody makes: whose it is, and nothing else yet.
    pub(crate) fn of_creator(ownership: Ownership) -> Self {
        let Ownership { project_id, owner, members } = ownership;
        let members = members.into_iter().map(|(subject, role)| (subject, role.as_str().into()));
        Self { project_id, members: members.collect(), ..Self::new(owner) }
    }

    pub(crate) fn new(owner: Option<String>) -> Self {
        Self {
            project_id: None,
            task_id: None,
            agent_id: None,
            title: None,
            status: SessionStatus::Idle,
            owner,
            members: BTreeMap::new(),
            coalesce_ms: None,
            closed_at: None,
            present: BTreeMap::new(),
            extra: serde_json::Map::new(),
        }
    }

    /// The row of a session that branches off this one: of the same project and about the same, but a session of its
    /// own, in which nobody is yet.
    pub(crate) fn forked(&self, owner: Option<String>) -> Self {
        Self {
            project_id: self.project_id.clone(),
            task_id: self.task_id.clone(),
            agent_id: self.agent_id.clone(),
            title: self.title.clone(),
            coalesce_ms: self.coalesce_ms,
            ..Self::new(owner)
        }
    }

    /// The row of a stream. One without attributes is of a version that had no rows: what can be known of it is
    /// made up from the stream. One with attributes that are not a row is closed to everybody but administrators,
    /// since nobody owns it.
    pub(crate) fn of_head(head: &StreamHead) -> Self {
        let stored = head.attributes.as_deref().filter(|stored| !stored.is_empty());
        let mut row = match stored.map(serde_json::from_slice::<Self>) {
            Some(Ok(row)) => row,
            Some(Err(_)) => Self { status: SessionStatus::Error, ..Self::new(None) },
            None => {
                let written = head.next_offset.position() > 0;
                let status = if written { SessionStatus::Active } else { SessionStatus::Idle };
                Self { status, ..Self::new(None) }
            }
        };
        // The stream is the truth about its end.
        if head.closed && row.status != SessionStatus::Closed {
            row.status = SessionStatus::Closed;
            row.closed_at = row.closed_at.or(Some(head.updated_at_ms));
        }
        row
    }

    pub(crate) fn encode(&self) -> Bytes {
        // Strings, numbers and what was JSON before: it always has a JSON form.
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// Takes another status. Staying is no change.
    ///
    /// # Errors
    /// [`InvalidTransition`].
    pub(crate) fn become_status(&mut self, to: SessionStatus, now_ms: i64) -> Result<(), InvalidTransition> {
        let from = self.status;
        if from == to {
            return Ok(());
        }
        if !from.may_become(to) {
            return Err(InvalidTransition { from, to });
        }
        self.status = to;
        if to == SessionStatus::Closed {
            self.end(now_ms);
        }
        Ok(())
    }

    /// Closes it from wherever it stands: the steps that lead there are taken together.
    pub(crate) fn close(&mut self, now_ms: i64) {
        if self.status != SessionStatus::Closed {
            self.status = SessionStatus::Closed;
            self.end(now_ms);
        }
    }

    fn end(&mut self, now_ms: i64) {
        self.closed_at = Some(now_ms);
        self.present.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_sessions_protocol::{ContentType, Offset, Retention};
    use durable_sessions_storage::Lifetime;

    fn head(attributes: Option<&'static str>, next: u64, closed: bool) -> StreamHead {
        StreamHead {
            stream_id: 1,
            content_type: ContentType::json(),
            first_offset: Offset::ZERO,
            next_offset: Offset::new(next),
            closed,
            lifetime: Lifetime::Unlimited,
            retention: Retention::NONE,
            created_at_ms: 1,
            updated_at_ms: 7,
            forked_from: None,
            attributes: attributes.map(|text| Bytes::from_static(text.as_bytes())),
            attributes_version: u64::from(attributes.is_some()),
        }
    }

    #[test]
    fn a_row_comes_back_with_what_a_later_version_added() {
        let stored = r#"{"projectId":"p","status":"paused","owner":"ada","members":{"bob":"viewer","eve":"king","dan":{"role":1}},"later":[1]}"#;
        let row = SessionRow::of_head(&head(Some(stored), 3, false));
        assert_eq!((row.status, row.owner.as_deref()), (SessionStatus::Paused, Some("ada")));
        let again: serde_json::Value = serde_json::from_slice(&row.encode()).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(stored).unwrap());
    }

    #[test]
    fn streams_without_a_row_have_one_made_up() {
        for (next, closed, status) in [
            (0, false, SessionStatus::Idle),
            (1, false, SessionStatus::Active),
            (0, true, SessionStatus::Closed),
        ] {
            assert_eq!(SessionRow::of_head(&head(None, next, closed)).status, status);
        }
        let unreadable = SessionRow::of_head(&head(Some("{"), 1, false));
        assert_eq!((unreadable.status, unreadable.owner), (SessionStatus::Error, None));
        let closed = SessionRow::of_head(&head(Some(r#"{"status":"active"}"#), 1, true));
        assert_eq!((closed.status, closed.closed_at), (SessionStatus::Closed, Some(7)));
    }

    #[test]
    fn closing_clears_who_is_there_and_is_final() {
        let mut row = SessionRow::new(None);
        row.present.insert("ada".into(), 1);
        row.close(9);
        assert_eq!((row.status, row.closed_at, row.present.len()), (SessionStatus::Closed, Some(9), 0));
        assert!(row.become_status(SessionStatus::Active, 10).is_err());
        row.become_status(SessionStatus::Closed, 10).unwrap();
        row.close(11);
        assert_eq!(row.closed_at, Some(9));
    }
}
