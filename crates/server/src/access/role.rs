//! Roles in a session, from the most to the least. Must not know callers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Action;
use crate::glob::Glob;
use crate::identity::{InvalidPattern, Patterns};

/// What somebody is in a session. Each may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Reads, and is present.
    Viewer,
    /// Takes part: writes what the policy lets participants write.
    Participant,
    /// Runs it: writes everything, answers approvals, closes.
    Operator,
    /// Owns it: also deletes it and says who is what.
    Owner,
}

impl Role {
    /// From the least to the most, for tables.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Viewer, Self::Participant, Self::Operator, Self::Owner];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Participant => "participant",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }

    /// What a role may do in its session. Creating is not among it: nobody has a role in what is not there.
    pub(crate) fn may(self, action: Action) -> bool {
        let least = match action {
            // Viewers write too: presence, by default, and nothing else.
            Action::Read | Action::Presence | Action::Write => Self::Viewer,
            Action::Close => Self::Operator,
            Action::Delete | Action::Manage => Self::Owner,
            Action::Create => return false,
        };
        self >= least
    }
}

/// Roles that a credential gives, by pattern; the first pattern that matches counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleClaims(Vec<RoleClaim>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct RoleClaim {
    pattern: Box<str>,
    glob: Glob,
    role: Role,
}

impl RoleClaims {
    pub(crate) const NONE: Self = Self(Vec::new());

    /// From patterns as in the claim `sessions`; longer patterns, which say more, go before shorter ones.
    pub(crate) fn new(claims: &BTreeMap<String, Role>) -> Result<Self, InvalidPattern> {
        // Checks the number and the form of all of them.
        Patterns::parse(claims.keys().map(String::as_str))?;
        let mut sorted: Vec<_> = claims.iter().collect();
        sorted.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        let parsed = sorted.into_iter().map(|(pattern, role)| {
            let glob = Patterns::glob(pattern)?;
            Ok(RoleClaim { pattern: pattern.as_str().into(), glob, role: *role })
        });
        Ok(Self(parsed.collect::<Result<_, InvalidPattern>>()?))
    }

    pub(crate) fn of(&self, path: &str) -> Option<Role> {
        self.0.iter().find(|claim| claim.glob.matches(path)).map(|claim| claim.role)
    }

    /// As they were given.
    pub(crate) fn by_pattern(&self) -> BTreeMap<String, Role> {
        self.0.iter().map(|claim| (claim.pattern.to_string(), claim.role)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_lesser_ones_may() {
        for action in Action::ALL {
            for pair in Role::ALL.windows(2) {
                assert!(pair[1].may(action) || !pair[0].may(action), "{pair:?} {action:?}");
            }
        }
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }

    #[test]
    fn the_longer_pattern_says_more() {
        let claims = [("*".to_owned(), Role::Viewer), ("run-1".to_owned(), Role::Owner)];
        let claims = RoleClaims::new(&BTreeMap::from(claims)).unwrap();
        assert_eq!(claims.of("sessions/run-1"), Some(Role::Owner));
        assert_eq!(claims.of("sessions/run-2"), Some(Role::Viewer));
        assert_eq!(claims.of("agents/run-1"), None);
    }
}
