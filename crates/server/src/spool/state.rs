//! What the spool knows in memory, and its bounds. Pure.

use std::collections::BTreeSet;

use super::lanes::Lanes;
use crate::config::Limits;

#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: Lanes,
    pub(super) dead_letters: u64,
    /// An entry of the queue could not be read.
    pub(super) unreadable: bool,
    /// Everything before is taken from the queue.
    pub(super) trimmed_to: u64,
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
            dead_letters: 0,
            unreadable: false,
            trimmed_to: 0,
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
        if entries >= self.entries_max || all_bytes + bytes > self.bytes_max {
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

    pub(super) fn is_full(&self) -> bool {
        self.lanes.len() >= self.entries_max || self.lanes.bytes() >= self.bytes_max
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
        by_number.lanes.add(&"a".parse().unwrap(), 0, 1);
        assert!(by_number.reserve(1).is_none(), "one reserved, one there");
        by_number.release(first);
        assert!(by_number.reserve(1).is_some());
        let mut by_bytes = state(10, 100);
        assert!(by_bytes.reserve(101).is_none());
        assert!(by_bytes.reserve(60).is_some() && by_bytes.reserve(60).is_none());
    }

    #[test]
    fn what_is_being_written_is_not_trimmed() {
        let mut state = state(10, 1_000);
        let path = "a".parse().unwrap();
        state.lanes.add(&path, 4, 1);
        // Its place may be 5, and 6 may be known and finished before it.
        let slow = state.reserve(1).unwrap();
        state.lanes.add(&path, 6, 1);
        assert_eq!(state.needed_from(), 4);
        state.lanes.finish(&path, 4);
        state.lanes.finish(&path, 6);
        assert_eq!(state.needed_from(), 5);
        state.release(slow);
        assert_eq!(state.needed_from(), 7);
    }
}
