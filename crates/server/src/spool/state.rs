//! What the spool knows in memory, and its bounds. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use durable_sessions_protocol::StreamPath;
use tokio::sync::oneshot;

use super::entry::Entry;
use super::lanes::{Failures, Lanes};
use super::queued_ids::QueuedIds;
use crate::config::Limits;

/// So much of what may wait may be in the queue with what was delivered already.
const STRETCH_FACTOR: u64 = 2;
/// Delivered entries are taken from the queue some at a time, so small bounds leave room for that.
const STRETCH_ENTRIES_MIN: u64 = 1_024;
const STRETCH_BYTES_MIN: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: Lanes,
    pub(super) ids: QueuedIds,
    /// Who waits until everything of a lane up to a place is done.
    waiting: HashMap<StreamPath, Vec<(u64, oneshot::Sender<()>)>>,
    pub(super) dead_letters: u64,
    /// An entry of the queue could not be read.
    pub(super) unreadable: bool,
    /// What was queued before this process is in front of this place.
    pub(super) loaded_to: u64,
    /// Everything before is taken from the queue.
    pub(super) trimmed_to: u64,
    /// What is not, with the bytes there: it comes back after a restart, delivered or not.
    kept: BTreeMap<u64, u64>,
    kept_bytes: u64,
    /// Dead letters that are there no more, but whose places are in the queue: only they keep these from being delivered
    /// again after a restart.
    pub(super) emptied: BTreeSet<u64>,
    reserved: BTreeSet<(u64, u64)>,
    reserved_bytes: u64,
    next_token: u64,
    entries_max: u64,
    bytes_max: u64,
    dead_letters_max: u64,
}

/// Room for one entry that is being written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    /// Its place in the queue will not be before this one.
    floor: u64,
    token: u64,
    bytes: u64,
}

impl State {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            lanes: Lanes::default(),
            ids: QueuedIds::default(),
            waiting: HashMap::new(),
            dead_letters: 0,
            unreadable: false,
            loaded_to: 0,
            trimmed_to: 0,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            emptied: BTreeSet::new(),
            reserved: BTreeSet::new(),
            reserved_bytes: 0,
            next_token: 0,
            entries_max: limits.queued_appends_max as u64,
            bytes_max: limits.queued_bytes_max as u64,
            dead_letters_max: limits.dead_letters_max as u64,
        }
    }

    /// Room for an entry, unless there is none.
    pub(super) fn reserve(&mut self, bytes: u64) -> Option<Reservation> {
        let entries = self.lanes.len() + self.reserved.len() as u64;
        let all_bytes = self.lanes.bytes() + self.reserved_bytes;
        if entries >= self.entries_max || all_bytes + bytes > self.bytes_max || self.is_stretched() {
            return None;
        }
        let reservation = Reservation { floor: self.lanes.end(), token: self.next_token, bytes };
        self.next_token += 1;
        self.reserved.insert((reservation.floor, reservation.token));
        self.reserved_bytes += bytes;
        Some(reservation)
    }

    pub(super) fn release(&mut self, reservation: Reservation) {
        if self.reserved.remove(&(reservation.floor, reservation.token)) {
            self.reserved_bytes -= reservation.bytes;
        }
    }

    /// Up to here the queue holds nothing that is not known: an entry that is being written comes to its floor or behind
    /// it, and not to a place that another one has.
    fn settled_to(&self) -> u64 {
        self.reserved.first().map_or(u64::MAX, |(floor, _)| *floor)
    }

    /// One that may be tried now, which is busy from then on. Entries become known in another order than they have in
    /// the queue; they are begun in that of the queue.
    pub(super) fn start(&mut self, now: Instant) -> Option<(StreamPath, u64, Failures)> {
        self.lanes.start(now, self.settled_to())
    }

    /// Places of a lane that may be delivered together with this one, at most so many.
    pub(super) fn following(&self, path: &StreamPath, place: u64, max: usize) -> Vec<u64> {
        self.lanes.following(path, place, max, self.settled_to())
    }

    /// When the next one may be tried that may not be tried yet.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lanes.next_due(self.settled_to())
    }

    /// An entry is in the queue.
    pub(super) fn add(
        &mut self,
        path: &StreamPath,
        place: u64,
        bytes: u64,
        entry: &Entry,
        due: Option<Instant>,
    ) {
        self.keep(place, bytes);
        self.lanes.add(path, place, bytes, due);
        if let Some(stream_id) = entry.stream_id {
            self.ids.add(place, stream_id, entry.event_ids.iter().flatten().map(String::as_str));
        }
    }

    /// An entry stays in the queue, and nothing is done with it.
    pub(super) fn hold(&mut self, place: u64, bytes: u64) {
        self.keep(place, bytes);
        self.lanes.hold(place, bytes);
    }

    fn keep(&mut self, place: u64, bytes: u64) {
        if self.kept.insert(place, bytes).is_none() {
            self.kept_bytes += bytes;
        }
    }

    /// Everything before `to` is taken from the queue.
    pub(super) fn trimmed(&mut self, to: u64) {
        self.trimmed_to = to;
        let kept = self.kept.split_off(&to);
        self.kept_bytes -= std::mem::replace(&mut self.kept, kept).values().sum::<u64>();
    }

    /// The queue is given back from its front. One lane that stands still there must not make it grow for ever.
    fn is_stretched(&self) -> bool {
        let entries = self.kept.len() as u64 + self.reserved.len() as u64;
        entries >= STRETCH_FACTOR * self.entries_max.max(STRETCH_ENTRIES_MIN)
            || self.kept_bytes + self.reserved_bytes >= STRETCH_FACTOR * self.bytes_max.max(STRETCH_BYTES_MIN)
    }

    /// The first one of a lane is needed no more.
    pub(super) fn finish(&mut self, path: &StreamPath, place: u64) {
        self.lanes.finish(path, place);
        self.ids.remove(place);
        let first = self.lanes.reach(path).map(|(first, _)| first);
        if let Some(waiting) = self.waiting.get_mut(path) {
            let is_done = |up_to: u64| first.is_none_or(|first| first > up_to);
            for (_, told) in waiting.extract_if(.., |(up_to, told)| is_done(*up_to) || told.is_closed()) {
                // Whoever waited may have gone.
                let _ = told.send(());
            }
            if waiting.is_empty() {
                self.waiting.remove(path);
            }
        }
    }

    /// Is told when everything that a lane holds now is done; `None` when it holds nothing.
    pub(super) fn wait(&mut self, path: &StreamPath) -> Option<oneshot::Receiver<()>> {
        let (_, last) = self.lanes.reach(path)?;
        let (tell, told) = oneshot::channel();
        let waiting = self.waiting.entry(path.clone()).or_default();
        // Those who gave up waiting, while nothing was finished.
        waiting.retain(|(_, told)| !told.is_closed());
        waiting.push((last, tell));
        Some(told)
    }

    pub(super) fn is_full(&self) -> bool {
        self.lanes.len() >= self.entries_max || self.lanes.bytes() >= self.bytes_max || self.is_stretched()
    }

    pub(super) fn dead_letters_full(&self) -> bool {
        self.dead_letters >= self.dead_letters_max
    }

    /// Everything before this place of the queue is needed no more: neither by a lane, nor by an entry whose place is
    /// not known yet.
    pub(super) fn needed_from(&self) -> u64 {
        let needed = self.lanes.first().unwrap_or(self.lanes.end());
        self.reserved.first().map_or(needed, |(floor, _)| needed.min(*floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(entries: usize, bytes: usize) -> State {
        State::new(&Limits { queued_appends_max: entries, queued_bytes_max: bytes, ..Limits::default() })
    }

    #[test]
    fn room_is_bounded_by_number_and_by_bytes() {
        let mut by_number = state(2, 1_000);
        let first = by_number.reserve(1).unwrap();
        by_number.lanes.add(&"a".parse().unwrap(), 0, 1, None);
        assert!(by_number.reserve(1).is_none(), "one reserved, one there");
        by_number.release(first);
        assert!(by_number.reserve(1).is_some());
        let mut by_bytes = state(10, 100);
        assert!(by_bytes.reserve(101).is_none());
        assert!(by_bytes.reserve(60).is_some() && by_bytes.reserve(60).is_none());
    }

    #[test]
    fn who_waits_for_a_lane_waits_for_what_is_there_now() {
        let mut state = state(10, 1_000);
        let path = "a".parse().unwrap();
        assert!(state.wait(&path).is_none());
        state.lanes.add(&path, 0, 1, None);
        state.lanes.add(&path, 1, 1, None);
        let mut first = state.wait(&path).unwrap();
        state.lanes.add(&path, 2, 1, None);
        let mut second = state.wait(&path).unwrap();
        state.finish(&path, 0);
        assert!(first.try_recv().is_err());
        state.finish(&path, 1);
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        drop(state.wait(&path));
        state.finish(&path, 2);
        assert!(second.try_recv().is_ok() && state.waiting.is_empty());
    }

    #[test]
    fn who_has_given_up_waiting_is_not_kept() {
        let mut state = state(10, 1_000);
        let path = "a".parse().unwrap();
        state.lanes.add(&path, 0, 1, None);
        for _ in 0..100 {
            drop(state.wait(&path));
        }
        let _told = state.wait(&path);
        assert_eq!(state.waiting[&path].len(), 1);
    }

    #[test]
    fn an_entry_that_becomes_known_late_is_delivered_in_its_order() {
        let mut state = state(10, 1_000);
        let (path, now) = ("a".parse().unwrap(), Instant::now());
        state.lanes.add(&path, 4, 1, None);
        let (fifth, sixth) = (state.reserve(1).unwrap(), state.reserve(1).unwrap());
        assert_eq!(state.start(now).unwrap().1, 4);
        state.finish(&path, 4);
        state.release(sixth);
        state.lanes.add(&path, 6, 1, None);
        assert!(state.start(now).is_none(), "nobody knows whether there is one before it");
        state.release(fifth);
        state.lanes.add(&path, 5, 1, None);
        let late = state.reserve(1).unwrap();
        assert_eq!(state.start(now).unwrap().1, 5);
        assert_eq!(state.following(&path, 5, 9), [6]);
        // One whose write fails holds up nothing.
        state.lanes.add(&path, 8, 1, None);
        assert_eq!(state.following(&path, 5, 9), [6]);
        state.release(late);
        assert_eq!(state.following(&path, 5, 9), [6, 8]);
    }

    #[test]
    fn what_is_being_written_is_not_trimmed() {
        let mut state = state(10, 1_000);
        let path = "a".parse().unwrap();
        state.lanes.add(&path, 4, 1, None);
        // Its place may be 5, and 6 may be known and finished before it.
        let slow = state.reserve(1).unwrap();
        state.lanes.add(&path, 6, 1, None);
        assert_eq!(state.needed_from(), 4);
        state.lanes.finish(&path, 4);
        state.lanes.finish(&path, 6);
        assert_eq!(state.needed_from(), 5);
        state.release(slow);
        assert_eq!(state.needed_from(), 7);
    }

    #[test]
    fn what_stands_still_in_front_does_not_let_the_queue_grow_for_ever() {
        let mut state = state(1_024, 1 << 30);
        let [stuck, path] = ["stuck", "a"].map(|name| name.parse().unwrap());
        state.lanes.add(&stuck, 0, 1, None);
        state.keep(0, 1);
        let mut taken = 1;
        while let Some(reservation) = state.reserve(1) {
            state.release(reservation);
            state.keep(taken, 1);
            state.lanes.add(&path, taken, 1, None);
            state.finish(&path, taken);
            taken += 1;
        }
        assert_eq!((taken, state.is_full()), (STRETCH_FACTOR * 1_024, true));
        state.finish(&stuck, 0);
        state.trimmed(state.needed_from());
        assert!(state.reserve(1).is_some() && !state.is_full() && state.kept_bytes == 0);
    }
}
