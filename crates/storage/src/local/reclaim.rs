//! Gives back the rows of deleted streams, in bounded steps. Must not know streams.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::engine::{Engine, EngineError, Writes};
use crate::layout::{TAG_DELETED, TAG_PRODUCER, TAG_ROW, id_key};

/// Deleted streams whose rows are still there. The engine has a `d` key for each, so a restart goes on.
#[derive(Default)]
pub(super) struct Reclaim {
    deleted: VecDeque<u64>,
    /// Where to go on within the first one: deleted keys before it would be passed again otherwise.
    from: Option<Vec<u8>>,
    writes: Writes,
}

impl Reclaim {
    pub(super) fn add(&mut self, id: u64) {
        self.deleted.push_back(id);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.deleted.is_empty()
    }

    /// Deletes up to `keys_max` keys. Not synced: repeated after a crash it does no harm.
    pub(super) fn step(&mut self, engine: &dyn Engine, keys_max: usize) -> Result<(), EngineError> {
        let Some(&id) = self.deleted.front() else { return Ok(()) };
        self.writes.clear();
        let mut left = keys_max;
        for tag in [TAG_PRODUCER, TAG_ROW] {
            let start = id_key(tag, id);
            let end = id_key(tag, id + 1);
            let from = match &self.from {
                Some(from) if from[0] > tag => continue,
                Some(from) if from[0] == tag => from.clone(),
                _ => start.to_vec(),
            };
            engine.scan(&from, &end, &mut |key, _| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                self.writes.delete(key);
                self.from = Some(key.to_vec());
                ControlFlow::Continue(())
            })?;
            if left == 0 {
                break;
            }
        }
        if left > 0 {
            self.writes.delete(&id_key(TAG_DELETED, id));
            self.deleted.pop_front();
            self.from = None;
        }
        engine.commit(&self.writes, false)
    }
}
