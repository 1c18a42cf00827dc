//! The states of recently seen producers, bounded. Must not know engines.

use std::collections::HashMap;

use durable_sessions_protocol::ProducerId;

use crate::semantics::ProducerState;

type States = HashMap<(u64, ProducerId), ProducerState>;

/// Two generations: when the young one is full it becomes the old one, and what was old is forgotten. What is
/// used stays, and nothing is moved for a hit in the young one.
///
/// Forgetting is safe between groups only: within one, states here run ahead of the engine's.
pub(super) struct Producers {
    young: States,
    old: States,
    generation_max: usize,
}

impl Producers {
    pub(super) fn new(cached_max: usize) -> Self {
        Self { young: States::new(), old: States::new(), generation_max: (cached_max / 2).max(1) }
    }

    pub(super) fn find(&mut self, key: &(u64, ProducerId)) -> Option<ProducerState> {
        if let Some(state) = self.young.get(key) {
            return Some(*state);
        }
        let state = self.old.get(key).copied()?;
        self.young.insert(key.clone(), state);
        Some(state)
    }

    pub(super) fn set(&mut self, key: (u64, ProducerId), state: ProducerState) {
        self.young.insert(key, state);
    }

    /// Forgets everything: states here may be ahead of the engine's.
    pub(super) fn clear(&mut self) {
        (self.young, self.old) = Default::default();
    }

    /// Forgets what was not used lately, when there is too much.
    pub(super) fn between_groups(&mut self) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_sessions_protocol::{ProducerEpoch, ProducerSeq};

    #[test]
    fn used_producers_stay_and_the_number_is_bounded() {
        let state = ProducerState { epoch: ProducerEpoch::ZERO, seq: ProducerSeq::ZERO };
        let key = |n: u64| (n, "p".parse::<ProducerId>().unwrap());
        let mut producers = Producers::new(8);
        producers.set(key(0), state);
        for n in 1..100 {
            producers.set(key(n), state);
            producers.between_groups();
            assert_eq!(producers.find(&key(0)), Some(state), "{n}");
            assert!(producers.young.len() + producers.old.len() <= 10);
        }
        assert_eq!(producers.find(&key(1)), None);
    }
}
