//! How many connections are present, over all rooms and of each user. Pure; must not know rooms.

use std::collections::HashMap;

use durable_sessions_schema::{ProjectId, UserId};

/// A user of a tenant: the same id of another tenant is somebody else.
pub(super) type Member = (Option<ProjectId>, UserId);

#[derive(Debug, Default)]
pub(super) struct Connections {
    all: usize,
    /// Nobody without any.
    by_member: HashMap<Member, usize>,
}

impl Connections {
    pub(super) fn all(&self) -> usize {
        self.all
    }

    pub(super) fn of(&self, member: &Member) -> usize {
        self.by_member.get(member).copied().unwrap_or(0)
    }

    pub(super) fn more(&mut self, member: Member, more: usize) {
        if more > 0 {
            self.all += more;
            *self.by_member.entry(member).or_default() += more;
        }
    }

    pub(super) fn fewer(&mut self, member: &Member, fewer: usize) {
        self.all = self.all.saturating_sub(fewer);
        if let Some(left) = self.by_member.get_mut(member) {
            *left = left.saturating_sub(fewer);
            if *left == 0 {
                self.by_member.remove(member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_by_tenant_and_forgotten_with_their_last_connection() {
        let member = |tenant: Option<&str>| (tenant.map(|id| id.parse().unwrap()), "ada".parse().unwrap());
        let mut connections = Connections::default();
        connections.more(member(Some("p")), 2);
        connections.more(member(None), 1);
        assert_eq!((connections.all(), connections.of(&member(Some("p")))), (3, 2));
        assert_eq!((connections.of(&member(None)), connections.of(&member(Some("q")))), (1, 0));
        connections.fewer(&member(Some("p")), 2);
        connections.fewer(&member(None), 1);
        assert!(connections.all() == 0 && connections.by_member.is_empty());
    }
}
