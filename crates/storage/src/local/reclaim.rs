//! Gives back the rows of deleted streams and those before a trim point, in bounded steps. Must not know streams.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use crate::engine::{Engine, EngineError, Writes};
use crate::layout::{TAG_DELETED, TAG_PRODUCER, TAG_ROW, id_key, key_first, read_row, row_key};

/// What is still to be given back.
#[derive(Default)]
pub(super) struct Reclaim {
    /// Deleted streams whose rows are still there. The engine has a `d` key for each, so a restart goes on.
    deleted: VecDeque<u64>,
    /// Where to go on within the first one: deleted keys before it would be passed again otherwise.
    from: Option<Vec<u8>>,
    /// One range per stream. The engine has the trim point of each stream, so a restart looks for all of them.
    trimmed: BTreeMap<u64, Range>,
    writes: Writes,
}

/// Rows of one stream that go: those that end at or before `below`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// Rows that begin before stay, because forks may read them.
    pub(super) floor: u64,
    /// Nothing is left before the row that holds this position; 0 when that is not known.
    pub(super) start: u64,
    pub(super) below: u64,
}

impl Reclaim {
    pub(super) fn add(&mut self, id: u64) {
        self.trimmed.remove(&id);
        self.deleted.push_back(id);
    }

    /// The newest range knows best which rows are needed.
    pub(super) fn add_range(&mut self, id: u64, range: Range) {
        let pending = self.trimmed.get(&id).map_or(range.start, |pending| pending.start);
        self.trimmed.insert(id, Range { start: pending.min(range.start), ..range });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.deleted.is_empty() && self.trimmed.is_empty()
    }

    /// Deletes up to `keys_max` keys. Not synced: repeated after a crash it does no harm.
    pub(super) fn step(&mut self, engine: &dyn Engine, keys_max: usize) -> Result<(), EngineError> {
        self.writes.clear();
        let before = (
            self.deleted.front().copied(),
            self.from.clone(),
            self.trimmed.first_key_value().map(|(id, range)| (*id, *range)),
        );
        if !self.deleted.is_empty() {
            self.step_deleted(engine, keys_max)?;
        } else if !self.trimmed.is_empty() {
            self.step_trimmed(engine, keys_max)?;
        }
        if self.writes.is_empty() {
            return Ok(());
        }
        let done = engine.commit(&self.writes, false);
        if done.is_err() {
            // Nothing was deleted, so the same is to be done again.
            let (id, from, trimmed) = before;
            if let Some(id) = id.filter(|id| self.deleted.front() != Some(id)) {
                self.deleted.push_front(id);
            }
            self.from = from;
            self.trimmed.extend(trimmed);
        }
        done
    }

    fn step_deleted(&mut self, engine: &dyn Engine, keys_max: usize) -> Result<(), EngineError> {
        let Some(&id) = self.deleted.front() else { return Ok(()) };
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
        Ok(())
    }

    /// A row is known to end where the next one begins; the last one has to be read for that.
    fn step_trimmed(&mut self, engine: &dyn Engine, keys_max: usize) -> Result<(), EngineError> {
        let Some((id, range)) = self.trimmed.pop_first() else { return Ok(()) };
        let Range { floor, start, below } = range;
        if floor >= below {
            return Ok(());
        }
        let holding = if floor <= start {
            engine.last(&row_key(id, floor), &row_key(id, start.saturating_add(1)))?
        } else {
            None
        };
        let from = holding.and_then(|(key, _)| key_first(&key)).unwrap_or(floor);
        let mut left = keys_max;
        let mut previous: Option<(Vec<u8>, bytes::Bytes)> = None;
        engine.scan(&row_key(id, from), &row_key(id, below.saturating_add(1)), &mut |key, value| {
            if let Some((gone, _)) = previous.replace((key.to_vec(), value)) {
                self.writes.delete(&gone);
                left -= 1;
            }
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some((key, value)) = previous else { return Ok(()) };
        let Some(first) = key_first(&key) else { return Ok(()) };
        if left == 0 {
            self.trimmed.insert(id, Range { start: first, ..range });
        } else if read_row(&key, &value).is_ok_and(|row| first + row.batch.units() <= below) {
            self.writes.delete(&key);
        }
        Ok(())
    }
}
