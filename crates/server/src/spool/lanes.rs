//! Which queued append is next: one lane for each stream, in order within it. Pure: it holds places in the queue, not
//! what is there, and time is given to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Instant;

use durable_sessions_protocol::StreamPath;

/// Everything that has not reached its stream.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<StreamPath, Lane>,
    /// Every place that is still needed, with the bytes there.
    places: BTreeMap<u64, u64>,
    bytes: u64,
    end: u64,
}

#[derive(Debug, Default)]
struct Lane {
    places: BTreeSet<u64>,
    failures: Failures,
    /// Not before this.
    due: Option<Instant>,
    /// The first one is being delivered.
    busy: bool,
    /// Up to this place each is delivered by itself, after what happened to all of them together.
    apart: Option<(u64, Failures)>,
}

/// What became of the first one of a lane so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// Unix milliseconds of the first attempt.
    pub(super) first_attempt_at_ms: i64,
    /// Of one attempt nobody knows whether it reached the stream.
    pub(super) uncertain: bool,
    /// How many entries the attempt was of, if it was of more than one: the next attempt is of the same ones.
    pub(super) together: usize,
}

impl Lane {
    fn first_of(&self, settled_to: u64) -> Option<u64> {
        self.places.first().copied().filter(|place| *place <= settled_to)
    }
}

impl Lanes {
    /// Puts a place at its end of the lane. A lane that was empty goes on when it is due.
    pub(super) fn add(&mut self, path: &StreamPath, place: u64, bytes: u64, due: Option<Instant>) {
        self.hold(place, bytes);
        let lane = self.lanes.entry(path.clone()).or_insert_with(|| Lane { due, ..Lane::default() });
        lane.places.insert(place);
    }

    /// Places of a lane behind one of them, at most so many, and none behind `settled_to`.
    pub(super) fn following(&self, path: &StreamPath, place: u64, max: usize, settled_to: u64) -> Vec<u64> {
        let Some(lane) = self.lanes.get(path) else { return Vec::new() };
        if lane.apart.is_some() {
            return Vec::new();
        }
        let behind = lane.places.range((Bound::Excluded(place), Bound::Unbounded));
        behind.copied().take_while(|place| *place <= settled_to).take(max).collect()
    }

    /// One that may be tried now, which is busy from then on. None behind `settled_to`: something may still be added
    /// before it, and would be taken for delivered once the later one is.
    pub(super) fn start(&mut self, now: Instant, settled_to: u64) -> Option<(StreamPath, u64, Failures)> {
        // The oldest of those that may go, so that no lane waits for others for ever.
        let free = self.lanes.iter().filter(|(_, lane)| !lane.busy && lane.due.is_none_or(|due| due <= now));
        let (place, path) = free
            .filter_map(|(path, lane)| lane.first_of(settled_to).map(|place| (place, path)))
            .min_by_key(|(place, _)| *place)?;
        let path = path.clone();
        let lane = self.lanes.get_mut(&path)?;
        lane.busy = true;
        lane.due = None;
        Some((path, place, lane.failures))
    }

    /// The first one of a lane is needed no more.
    pub(super) fn finish(&mut self, path: &StreamPath, place: u64) {
        if let Some(bytes) = self.places.remove(&place) {
            self.bytes -= bytes;
        }
        if let Some(lane) = self.lanes.get_mut(path) {
            lane.places.remove(&place);
            lane.apart =
                lane.apart.filter(|(last, _)| lane.places.first().is_some_and(|first| first <= last));
            let failures = lane.apart.map_or_else(Failures::default, |(_, failures)| failures);
            (lane.failures, lane.busy, lane.due) = (failures, false, None);
            if lane.places.is_empty() {
                self.lanes.remove(path);
            }
        }
    }

    /// The first one of a lane is to be tried again.
    pub(super) fn postpone(&mut self, path: &StreamPath, due: Instant, failures: Failures) {
        if let Some(lane) = self.lanes.get_mut(path) {
            (lane.failures, lane.busy, lane.due) = (failures, false, Some(due));
        }
    }

    /// What was tried together, up to `last`, is to be tried one by one.
    pub(super) fn take_apart(&mut self, path: &StreamPath, last: u64, failures: Failures) {
        if let Some(lane) = self.lanes.get_mut(path) {
            let failures = Failures { together: 0, ..failures };
            (lane.failures, lane.busy, lane.due) = (failures, false, None);
            lane.apart = Some((last, failures));
        }
    }

    /// When the next one may be tried that may not be tried yet, of those that `settled_to` does not hold up.
    pub(super) fn next_due(&self, settled_to: u64) -> Option<Instant> {
        let free = self.lanes.values().filter(|lane| !lane.busy && lane.first_of(settled_to).is_some());
        free.filter_map(|lane| lane.due).min()
    }

    /// The first and the last place of a lane.
    pub(super) fn reach(&self, path: &StreamPath) -> Option<(u64, u64)> {
        let places = &self.lanes.get(path)?.places;
        Some((*places.first()?, *places.last()?))
    }

    /// The first place that is needed.
    pub(super) fn first(&self) -> Option<u64> {
        self.places.first_key_value().map(|(&place, _)| place)
    }

    /// Keeps a place that belongs to no lane.
    pub(super) fn hold(&mut self, place: u64, bytes: u64) {
        if self.places.insert(place, bytes).is_none() {
            self.bytes += bytes;
        }
        self.end = self.end.max(place + 1);
    }

    /// Behind the last place that was ever added.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn add(lanes: &mut Lanes, name: &str, place: u64, bytes: u64) {
        lanes.add(&path(name), place, bytes, None);
    }

    const ALL: u64 = u64::MAX;

    fn path(name: &str) -> StreamPath {
        name.parse().unwrap()
    }

    #[test]
    fn a_lane_that_waits_holds_up_no_other() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (name, place) in [("a", 0), ("a", 1), ("b", 2)] {
            add(&mut lanes, name, place, 10);
        }
        assert_eq!(lanes.reach(&path("a")), Some((0, 1)));
        assert_eq!(lanes.start(now, ALL).unwrap().1, 0);
        assert_eq!(lanes.start(now, ALL).unwrap().1, 2);
        assert!(lanes.start(now, ALL).is_none(), "1 comes after 0");
        let due = now + Duration::from_secs(1);
        let failures = Failures { count: 1, first_attempt_at_ms: 7, uncertain: false, together: 0 };
        lanes.postpone(&path("a"), due, failures);
        lanes.finish(&path("b"), 2);
        assert!(lanes.start(now, ALL).is_none());
        assert_eq!(
            (lanes.next_due(ALL), lanes.first(), lanes.len(), lanes.bytes()),
            (Some(due), Some(0), 2, 20)
        );
        assert_eq!(lanes.start(due, ALL), Some((path("a"), 0, failures)));
        lanes.finish(&path("a"), 0);
        assert_eq!(lanes.start(now, ALL), Some((path("a"), 1, Failures::default())));
        lanes.finish(&path("a"), 1);
        assert_eq!((lanes.first(), lanes.len(), lanes.bytes(), lanes.reach(&path("a"))), (None, 0, 0, None));
    }

    #[test]
    fn a_lane_that_was_empty_waits_for_more() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let due = now + Duration::from_secs(1);
        lanes.add(&path("a"), 0, 1, Some(due));
        lanes.add(&path("a"), 1, 1, Some(due + Duration::from_secs(9)));
        assert!(lanes.start(now, ALL).is_none());
        assert_eq!(lanes.next_due(ALL), Some(due));
        assert_eq!(lanes.start(due, ALL).unwrap().1, 0);
        let following = |name: &str, max: usize| lanes.following(&path(name), 0, max, ALL);
        assert_eq!((following("a", 5), following("a", 0)), (vec![1], vec![]));
        assert!(following("b", 5).is_empty());
    }

    #[test]
    fn what_was_taken_apart_goes_one_by_one() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for place in 0..5 {
            add(&mut lanes, "a", place, 1);
        }
        let following = |lanes: &Lanes, place: u64| lanes.following(&path("a"), place, 9, ALL).len();
        lanes.start(now, ALL).unwrap();
        assert_eq!(following(&lanes, 0), 4);
        let uncertain = Failures { count: 1, uncertain: true, together: 3, ..Failures::default() };
        lanes.take_apart(&path("a"), 2, uncertain);
        for place in 0..3 {
            // What nobody knows of all of them nobody knows of each.
            let failures = Failures { together: 0, ..uncertain };
            assert_eq!(lanes.start(now, ALL), Some((path("a"), place, failures)));
            assert_eq!(following(&lanes, place), 0);
            lanes.finish(&path("a"), place);
        }
        assert_eq!(lanes.start(now, ALL), Some((path("a"), 3, Failures::default())));
        assert_eq!(following(&lanes, 3), 1);
    }

    #[test]
    fn what_may_have_something_unknown_before_it_does_not_begin() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        add(&mut lanes, "a", 6, 1);
        lanes.add(&path("b"), 7, 1, Some(now));
        assert!(lanes.start(now, 5).is_none());
        assert_eq!(
            (lanes.next_due(5), lanes.next_due(7)),
            (None, Some(now)),
            "nobody wakes up for it in vain"
        );
        add(&mut lanes, "a", 5, 1);
        assert_eq!(lanes.start(now, 5), Some((path("a"), 5, Failures::default())));
        assert!(lanes.following(&path("a"), 5, 9, 5).is_empty());
        assert_eq!(lanes.following(&path("a"), 5, 9, 6), [6]);
        // Behind the one that is under way, not behind whatever is first.
        assert!(lanes.following(&path("a"), 6, 9, ALL).is_empty());
    }

    proptest! {
        /// Whatever fails in between, each stream gets its own in order, each once.
        #[test]
        fn each_lane_is_in_order(queued in prop::collection::vec(0u8..4, 1..60), fails in prop::collection::vec(any::<bool>(), 200)) {
            let (mut lanes, mut now) = (Lanes::default(), Instant::now());
            for (place, name) in queued.iter().enumerate() {
                add(&mut lanes, &name.to_string(), place as u64, 1);
            }
            let mut fails = fails.into_iter();
            let mut delivered: Vec<(StreamPath, u64)> = Vec::new();
            while lanes.len() > 0 {
                let Some((path, place, failures)) = lanes.start(now, ALL) else {
                    now = lanes.next_due(ALL).unwrap();
                    continue;
                };
                if fails.next() == Some(true) {
                    lanes.postpone(&path, now + Duration::from_secs(1), failures);
                } else {
                    lanes.finish(&path, place);
                    delivered.push((path, place));
                }
            }
            prop_assert_eq!(delivered.len(), queued.len());
            for name in 0..4u8 {
                let own: Vec<_> = delivered.iter().filter(|(at, _)| *at == path(&name.to_string())).map(|(_, place)| *place).collect();
                prop_assert!(own.is_sorted());
            }
        }
    }
}
