//! Which types of events a role may write. Must not know events otherwise.

use super::Role;

/// Which types of events each role may write in a session, as patterns: a whole type, a prefix before `*`, or `*` for
/// all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPolicy {
    /// What viewers may write.
    pub viewer: Vec<String>,
    /// What participants may write.
    pub participant: Vec<String>,
    /// What operators may write.
    pub operator: Vec<String>,
    /// What owners may write.
    pub owner: Vec<String>,
}

impl Default for EventPolicy {
    fn default() -> Self {
        let list = |types: &[&str]| types.iter().map(|&kind| kind.to_owned()).collect();
        Self {
            viewer: list(&["presence:*"]),
            participant: list(&["presence:*", "chunk", "terminal:input", "approval:requested", "x-*"]),
            operator: list(&["*"]),
            owner: list(&["*"]),
        }
    }
}

impl EventPolicy {
    pub(crate) fn permits(&self, role: Role, event_type: &str) -> bool {
        let types = match role {
            Role::Viewer => &self.viewer,
            Role::Participant => &self.participant,
            Role::Operator => &self.operator,
            Role::Owner => &self.owner,
        };
        types.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => event_type.starts_with(prefix),
            None => pattern == event_type,
        })
    }
}

/// Whether a type is one of presence.
pub(crate) fn is_presence(event_type: &str) -> bool {
    event_type.starts_with("presence:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_are_present_and_nothing_else() {
        let policy = EventPolicy::default();
        for (role, kind, expected) in [
            (Role::Viewer, "presence:joined", true),
            (Role::Viewer, "chunk", false),
            (Role::Viewer, "presence", false),
            (Role::Participant, "terminal:input", true),
            (Role::Participant, "x-reaction", true),
            (Role::Participant, "approval:approved", false),
            (Role::Participant, "agent:started", false),
            (Role::Operator, "approval:approved", true),
            (Role::Owner, "anything:at:all", true),
        ] {
            assert_eq!(policy.permits(role, kind), expected, "{role:?} {kind}");
        }
    }
}
