//! The newest row of each stream at opening, which says where the stream ends. Must not know what is in rows.
//!
//! To look for one costs as much as to read some sixty rows in passing, because every run of the tree is asked. So rows of
//! small streams are read in passing, stream after stream; a stream that turns out not to be small is looked for, and so
//! are those behind it, more of them each time: one large stream seldom comes alone.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::engine::{Engine, EngineError};
use crate::layout::{key_id, row_key};

/// What of one stream is read in passing: beyond, it is not small. A block of the tree has 4 KiB, and to look for a row
/// reads one of each run.
const SMALL_ROWS_MAX: usize = 64;
const SMALL_BYTES_MAX: usize = 8 << 10;
/// Ids passed at a time. The engine looks for so many in what it has in memory without looking at all of that.
const PASSED_MAX: u64 = 256;
/// Streams looked for after one that was not small, at first and at most.
const LOOKED_FOR_MIN: u32 = 4;
const LOOKED_FOR_MAX: u32 = 1_024;

/// A row as it is stored.
pub(super) type StoredRow = (Vec<u8>, Bytes);

/// Gives the newest rows of streams whose ids ascend.
pub(super) struct Tails<'e> {
    engine: &'e dyn Engine,
    /// By id, for the streams that were passed and have rows.
    passed: VecDeque<(u64, StoredRow)>,
    /// Streams below this id were passed.
    passed_below: u64,
    /// Streams that are looked for before others are passed again.
    looked_for: u32,
    next_looked_for: u32,
}

impl<'e> Tails<'e> {
    pub(super) fn new(engine: &'e dyn Engine) -> Self {
        Self {
            engine,
            passed: VecDeque::new(),
            passed_below: 0,
            looked_for: 0,
            next_looked_for: LOOKED_FOR_MIN,
        }
    }

    /// The newest row of a stream. Every id must be above those asked for before.
    pub(super) fn newest(&mut self, id: u64) -> Result<Option<StoredRow>, EngineError> {
        if id >= self.passed_below && self.looked_for == 0 {
            self.pass(id);
        }
        if id >= self.passed_below {
            self.looked_for = self.looked_for.saturating_sub(1);
            return self.engine.last(&row_key(id, 0), &row_key(id, u64::MAX));
        }
        while let Some((passed, row)) = self.passed.pop_front() {
            if passed == id {
                return Ok(Some(row));
            }
            if passed > id {
                self.passed.push_front((passed, row));
                break;
            }
        }
        Ok(None)
    }

    /// Reads rows from a stream on, up to one that is not small. Where they cannot be read, nothing is passed: damage in
    /// the middle of a stream concerns who reads there, and not an opening.
    fn pass(&mut self, from: u64) {
        self.passed.clear();
        let mut current: Option<(u64, StoredRow)> = None;
        let (mut rows, mut bytes) = (0, 0);
        let mut stopped_at = None;
        let mut is_small = true;
        let passed = &mut self.passed;
        let below = from.saturating_add(PASSED_MAX);
        let scanned = self.engine.scan(&row_key(from, 0), &row_key(below, 0), &mut |key, value| {
            let Some(id) = key_id(key) else { return ControlFlow::Continue(()) };
            if current.as_ref().is_none_or(|(of, _)| *of != id) {
                passed.extend(current.take());
                (rows, bytes) = (0, 0);
            }
            rows += 1;
            bytes += value.len();
            is_small = rows <= SMALL_ROWS_MAX && bytes <= SMALL_BYTES_MAX;
            if !is_small {
                stopped_at = Some(id);
                return ControlFlow::Break(());
            }
            current = Some((id, (key.to_vec(), value)));
            ControlFlow::Continue(())
        });
        if scanned.is_err() {
            (current, stopped_at, is_small) = (None, Some(from), false);
            passed.clear();
        }
        // Of the stream at which it stopped not all rows were seen.
        passed.extend(current.filter(|(id, _)| stopped_at != Some(*id)));
        self.passed_below = stopped_at.unwrap_or(below);
        if is_small {
            self.next_looked_for = LOOKED_FOR_MIN;
        } else {
            self.looked_for = self.next_looked_for;
            self.next_looked_for = (self.next_looked_for * 2).min(LOOKED_FOR_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Writes;
    use crate::memory::MemoryEngine;

    fn engine(streams: &[(u64, Vec<usize>)]) -> MemoryEngine {
        let engine = MemoryEngine::new(u64::MAX);
        let mut writes = Writes::default();
        for (id, rows) in streams {
            for (first, len) in rows.iter().enumerate() {
                writes.put(&row_key(*id, first as u64), |value| value.extend(std::iter::repeat_n(7, *len)));
            }
        }
        writes.put(&[crate::layout::TAG_ROW + 1], |_| {});
        engine.commit(&writes, true).unwrap();
        engine
    }

    /// Streams without rows, small ones, ones with many rows, ones with large rows; with gaps between their ids.
    fn streams() -> impl Strategy<Value = Vec<(u64, Vec<usize>)>> {
        let rows = prop_oneof![
            4 => prop::collection::vec(0..200usize, 0..5),
            1 => prop::collection::vec(0..20usize, 60..70),
            1 => prop::collection::vec(8_000..8_400usize, 1..3),
        ];
        prop::collection::vec((1..3u64, rows), 0..60).prop_map(|streams| {
            let mut id = 0;
            let numbered = streams.into_iter().map(|(gap, rows)| {
                id += gap;
                (id, rows)
            });
            numbered.collect()
        })
    }

    proptest! {
        #[test]
        fn each_stream_has_its_newest_row(streams in streams(), asked in prop::collection::vec(any::<bool>(), 60)) {
            let engine = engine(&streams);
            let mut tails = Tails::new(&engine);
            // Rows of others, which are being deleted, are passed over.
            for ((id, rows), _) in streams.iter().zip(asked).filter(|(_, asked)| *asked) {
                let found = tails.newest(*id).unwrap().map(|(key, value)| (key, value.len()));
                let newest = rows.len().checked_sub(1).map(|last| (row_key(*id, last as u64).to_vec(), rows[last]));
                prop_assert_eq!(found, newest);
            }
        }
    }

    #[test]
    fn more_streams_than_are_passed_at_a_time() {
        let streams: Vec<_> = (1..=2 * PASSED_MAX + 7).map(|id| (id, vec![id as usize % 50])).collect();
        let engine = engine(&streams);
        let mut tails = Tails::new(&engine);
        for (id, rows) in &streams {
            assert_eq!(tails.newest(*id).unwrap().map(|(_, value)| value.len()), Some(rows[0]));
        }
        assert!(tails.newest(1 << 40).unwrap().is_none());
    }
}
