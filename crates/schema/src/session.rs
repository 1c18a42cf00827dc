//! Sessions as the API shows them, and how their status may change. Must not know where they are kept.

use crate::catalogue::CursorPosition;
use crate::enums::SessionStatus;
use crate::id::{AgentId, ProjectId, SessionId, TaskId, UserId};
use crate::spec::Nullable;

payloads! {
    /// A session.
    Session {
        /// Names the session and its stream.
        id: SessionId = "id";
        /// The project it belongs to; null if it was created as a plain stream.
        project_id: Nullable<ProjectId> = "projectId";
        /// The task it works on.
        task_id?: TaskId = "taskId";
        /// The agent at work.
        agent_id?: AgentId = "agentId";
        /// The title to show, at most 500 characters.
        title?: String = "title";
        /// Where it stands.
        status: SessionStatus = "status";
        /// When it was created, in Unix milliseconds.
        created_at: u64 = "createdAt";
        /// When it last changed, in Unix milliseconds.
        updated_at: u64 = "updatedAt";
        /// When it was closed, in Unix milliseconds.
        closed_at?: u64 = "closedAt";
    }
    /// A session and who is there.
    SessionWithPresence {
        /// Names the session and its stream.
        id: SessionId = "id";
        /// The project it belongs to; null if it was created as a plain stream.
        project_id: Nullable<ProjectId> = "projectId";
        /// The task it works on.
        task_id?: TaskId = "taskId";
        /// The agent at work.
        agent_id?: AgentId = "agentId";
        /// The title to show, at most 500 characters.
        title?: String = "title";
        /// Where it stands.
        status: SessionStatus = "status";
        /// When it was created, in Unix milliseconds.
        created_at: u64 = "createdAt";
        /// When it last changed, in Unix milliseconds.
        updated_at: u64 = "updatedAt";
        /// When it was closed, in Unix milliseconds.
        closed_at?: u64 = "closedAt";
        /// Who is there.
        presence: Vec<PresenceEntry> = "presence";
    }
    /// One user who is there.
    PresenceEntry {
        /// Who.
        user_id: UserId = "userId";
        /// The name to show.
        display_name?: String = "displayName";
        /// The picture to show.
        avatar_url?: String = "avatarUrl";
        /// Where the user points.
        cursor?: CursorPosition = "cursor";
        /// The file the user looks at.
        active_file?: String = "activeFile";
        /// Since when, in Unix milliseconds.
        joined_at: u64 = "joinedAt";
        /// When last heard of, in Unix milliseconds.
        last_seen_at: u64 = "lastSeenAt";
        /// How many connections the user has open: tabs, devices.
        connections: u64 = "connections";
    }
}

impl SessionStatus {
    /// Whether a session of this status may take the other:
    ///
    /// ```text
    /// idle -> initializing -> active <-> paused
    ///                           |          |
    ///                           +-> closing <+ -> closed        any but closed -> error -> active
    /// ```
    ///
    /// Staying is not a change, and `closed` is final.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use SessionStatus::{Active, Closed, Closing, Error, Idle, Initializing, Paused};
        match (self, next) {
            (Closed | Error, Error) => false,
            (_, Error) => true,
            (Idle, Initializing) => true,
            (Initializing | Paused | Error, Active) => true,
            (Active, Paused) => true,
            (Active | Paused, Closing) => true,
            (Closing, Closed) => true,
            _ => false,
        }
    }

    /// What a session of this status becomes when something is written to it: work has begun, so `idle` and
    /// `initializing` become `active` by the steps they may take. Every other status stays.
    #[must_use]
    pub const fn when_written(self) -> Self {
        match self {
            Self::Idle | Self::Initializing => Self::Active,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether allowed steps lead from one to the other.
    fn leads_to(from: SessionStatus, to: SessionStatus) -> bool {
        let mut reached = vec![from];
        for _ in SessionStatus::ALL {
            for step in SessionStatus::ALL {
                if reached.iter().any(|at| at.may_become(*step)) {
                    reached.push(*step);
                }
            }
        }
        reached.contains(&to)
    }

    #[test]
    fn shortcuts_are_made_of_allowed_steps() {
        for from in SessionStatus::ALL {
            assert!(leads_to(*from, from.when_written()), "{from}");
            assert!(leads_to(*from, SessionStatus::Closed), "{from}");
        }
        assert!(!leads_to(SessionStatus::Closed, SessionStatus::Active));
    }

    #[test]
    fn every_cell_of_the_status_table() {
        let allowed = [
            "idle initializing",
            "idle error",
            "initializing active",
            "initializing error",
            "active paused",
            "active closing",
            "active error",
            "paused active",
            "paused closing",
            "paused error",
            "closing closed",
            "closing error",
            "error active",
        ];
        for from in SessionStatus::ALL {
            for to in SessionStatus::ALL {
                let change = format!("{from} {to}");
                assert_eq!(from.may_become(*to), allowed.contains(&change.as_str()), "{change}");
            }
        }
    }
}
