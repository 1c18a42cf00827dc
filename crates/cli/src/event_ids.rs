//! Unique ids for the events and calls of one run of this program. Must not know what they name.

use durable_sessions_client::schema::{EventId, MalformedId};

/// Mints `prefix-1`, `prefix-2`, ... with a prefix that no other run has.
#[derive(Debug)]
pub(crate) struct EventIds {
    prefix: String,
    minted: u64,
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub(crate) struct NoRandomness(getrandom::Error);

impl EventIds {
    /// `kind` begins every id, for people who read them.
    pub(crate) fn random(kind: &'static str) -> Result<Self, NoRandomness> {
        Ok(Self { prefix: format!("{kind}-{:016x}", getrandom::u64().map_err(NoRandomness)?), minted: 0 })
    }

    /// What all ids begin with: unique by itself.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The next id of an event.
    pub(crate) fn mint(&mut self) -> EventId {
        self.minted += 1;
        self.id(&self.minted.to_string())
    }

    /// The id of something else that this run has one of, by a short name.
    pub(crate) fn named<Id: TryFrom<String, Error = MalformedId>>(
        &self,
        name: &'static str,
        number: usize,
    ) -> Id {
        self.id(&format!("{name}-{number}"))
    }

    fn id<Id: TryFrom<String, Error = MalformedId>>(&self, rest: &str) -> Id {
        #[expect(
            clippy::expect_used,
            reason = "short words, hex digits and a number are a valid id of any kind"
        )]
        Id::try_from(format!("{}-{rest}", self.prefix)).expect("a short plain text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_and_between_runs() {
        let (mut one, mut two) = (EventIds::random("exec").unwrap(), EventIds::random("exec").unwrap());
        let ids = [one.mint(), one.mint(), two.mint(), two.mint()];
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), 4, "{ids:?}");
        assert!(ids.iter().all(|id| id.as_str().starts_with("exec-")));
    }
}
