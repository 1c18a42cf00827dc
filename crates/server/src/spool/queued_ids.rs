//! Ids of events that wait in the queue, so that one which is sent again is recognised before it is in its session. Pure.
//! Bounded by what is queued.

use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct QueuedIds {
    /// The place of each id, by stream.
    places: HashMap<u64, HashMap<Arc<str>, u64>>,
    of_place: HashMap<u64, (u64, Vec<Arc<str>>)>,
}

impl QueuedIds {
    pub(super) fn add<'i>(&mut self, place: u64, stream_id: u64, ids: impl Iterator<Item = &'i str>) {
        let ids: Vec<Arc<str>> = ids.map(Arc::from).collect();
        if ids.is_empty() {
            return;
        }
        let of_stream = self.places.entry(stream_id).or_default();
        of_stream.extend(ids.iter().map(|id| (id.clone(), place)));
        self.of_place.insert(place, (stream_id, ids));
    }

    pub(super) fn remove(&mut self, place: u64) {
        let Some((stream_id, ids)) = self.of_place.remove(&place) else { return };
        let Some(of_stream) = self.places.get_mut(&stream_id) else { return };
        for id in ids {
            // A letter that was queued again may have the same ones.
            if of_stream.get(&id) == Some(&place) {
                of_stream.remove(&id);
            }
        }
        if of_stream.is_empty() {
            self.places.remove(&stream_id);
        }
    }

    /// Where an event waits.
    pub(super) fn place(&self, stream_id: u64, id: &str) -> Option<u64> {
        self.places.get(&stream_id)?.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_while_their_entry_waits() {
        let mut ids = QueuedIds::default();
        ids.add(3, 1, ["a", "b"].into_iter());
        ids.add(4, 2, ["a"].into_iter());
        ids.add(5, 1, std::iter::empty());
        assert_eq!((ids.place(1, "a"), ids.place(2, "a"), ids.place(2, "b")), (Some(3), Some(4), None));
        ids.remove(3);
        ids.remove(5);
        assert_eq!((ids.place(1, "a"), ids.place(2, "a")), (None, Some(4)));
        ids.remove(4);
        assert!(ids.places.is_empty() && ids.of_place.is_empty());
    }
}
