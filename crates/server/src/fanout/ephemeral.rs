//! The second lane of a hub: what is passed on to who is there now, and nothing else. Must not know what it carries.
//!
//! Of each key (a user) only the newest frame counts, so a reader that comes late gets the latest and not the way there.
//! Readers are woken at most once per [`STEP`]. Bounded in keys and in the size of a frame.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Between two wake-ups of the readers.
const STEP: Duration = Duration::from_millis(50);
/// Most keys at a time; the one that changed longest ago is dropped for a new one.
const KEYS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Counts every frame there was.
    seq: u64,
    frames: BTreeMap<u64, (Box<str>, Bytes)>,
    newest: HashMap<Box<str>, u64>,
    /// When the readers are to be woken, if something waits for them.
    due: Option<Instant>,
    woken: Option<Instant>,
}

impl Lane {
    /// The number of the newest frame: who has seen it has seen all.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes a frame in place of the last one of its key. `true` when it changes when readers are due.
    pub(crate) fn put(&mut self, key: &str, frame: Bytes, now: Instant) -> bool {
        self.seq += 1;
        if let Some(old) = self.newest.insert(key.into(), self.seq) {
            self.frames.remove(&old);
        }
        self.frames.insert(self.seq, (key.into(), frame));
        while self.frames.len() > KEYS_MAX
            && let Some((_, (key, _))) = self.frames.pop_first()
        {
            self.newest.remove(&key);
        }
        if self.due.is_some() {
            return false;
        }
        self.due = Some(self.woken.map_or(now, |woken| (woken + STEP).max(now)));
        true
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether readers are to be woken now.
    pub(crate) fn wake(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = None;
        self.woken = Some(now);
        true
    }

    /// All frames after `seen`, as one piece.
    pub(crate) fn since(&self, seen: u64) -> Option<Bytes> {
        let mut frames = self.frames.range(seen + 1..).map(|(_, (_, frame))| frame);
        let first = frames.next()?.clone();
        let mut frames = frames.peekable();
        if frames.peek().is_none() {
            return Some(first);
        }
        Some(std::iter::once(&first).chain(frames).flat_map(|frame| frame.iter().copied()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(lane: &mut Lane, key: &str, frame: &'static str, now: Instant) -> bool {
        lane.put(key, Bytes::from_static(frame.as_bytes()), now)
    }

    #[test]
    fn the_newest_of_each_key_counts() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        for (key, frame) in [("a", "a1;"), ("b", "b1;"), ("a", "a2;")] {
            put(&mut lane, key, frame, now);
        }
        assert_eq!(lane.since(0).unwrap(), "b1;a2;");
        assert_eq!(lane.since(2).unwrap(), "a2;");
        assert_eq!(lane.since(lane.seq()), None);
    }

    #[test]
    fn readers_are_woken_once_per_step() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        assert!(put(&mut lane, "a", "1", now));
        assert!(!put(&mut lane, "a", "2", now));
        assert!(lane.wake(now) && !lane.wake(now));
        assert!(put(&mut lane, "a", "3", now));
        assert!(!lane.wake(now) && lane.wake(now + STEP));
        // After a pause the next one goes at once.
        assert!(put(&mut lane, "a", "4", now + 9 * STEP));
        assert!(lane.wake(now + 9 * STEP));
    }

    #[test]
    fn keys_are_bounded() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        for n in 0..=KEYS_MAX {
            put(&mut lane, &n.to_string(), "x", now);
        }
        assert_eq!((lane.frames.len(), lane.newest.len()), (KEYS_MAX, KEYS_MAX));
        assert!(!lane.newest.contains_key("0"));
    }
}
