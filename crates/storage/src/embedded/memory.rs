//! The part of the log that is not in the tree yet, as readers look at it: the active segment and those that are
//! being handed over. Must not know files or the tree.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::recent::{Ascending, Key, Place, Recent, merged};

/// Segments from the newest to the oldest: the active one, and complete ones until they are in the tree.
#[derive(Default)]
pub(super) struct Memory {
    active: Recent,
    /// The newest first.
    complete: VecDeque<(u64, Arc<Recent>)>,
}

/// A change as readers get it: `None` is a deletion.
pub(super) type Change = (Vec<u8>, Option<Bytes>);

impl Memory {
    pub(super) fn add(&mut self, group: Bytes) {
        self.active.add(group);
    }

    /// The active segment, which has this number, is complete.
    pub(super) fn complete_active(&mut self, number: u64) {
        self.complete.push_front((number, Arc::new(std::mem::take(&mut self.active))));
    }

    pub(super) fn active_is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Complete segments, the newest first.
    pub(super) fn complete(&self) -> Vec<(u64, Arc<Recent>)> {
        self.complete.iter().cloned().collect()
    }

    /// Forgets complete segments up to this number.
    pub(super) fn forget(&mut self, number: u64) {
        self.complete.retain(|(complete, _)| *complete > number);
    }

    fn segments(&self) -> impl Iterator<Item = &Recent> {
        std::iter::once(&self.active).chain(self.complete.iter().map(|(_, segment)| &**segment))
    }

    /// The newest change of a key.
    pub(super) fn find(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.segments().find_map(|segment| Some(segment.owned_value(segment.find(key)?)))
    }

    /// The first changes with `from <= key < to`, in order, up to `limit`.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Change> {
        let segments: Vec<_> = self.segments().collect();
        let sources =
            segments.iter().map(|segment| Box::new(segment.range(from, to)) as Ascending<'_>).collect();
        let change = |(key, place, number): (Key<'_>, Place, usize)| {
            (key.to_vec(), segments[number].owned_value(place))
        };
        merged(sources).take(limit).map(change).collect()
    }

    /// The last change with `from <= key < to`.
    pub(super) fn last(&self, from: &[u8], to: &[u8]) -> Option<Change> {
        let mut last: Option<(Key<'_>, Option<Bytes>)> = None;
        for segment in self.segments() {
            if let Some((key, place)) = segment.last(from, to)
                && last.as_ref().is_none_or(|(last, _)| *key > **last)
            {
                last = Some((key, segment.owned_value(place)));
            }
        }
        last.map(|(key, value)| (key.to_vec(), value))
    }
}
