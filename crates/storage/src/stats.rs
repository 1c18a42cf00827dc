//! What a store has done and what it holds, as numbers. Must not know who collects them, nor in which format.
//!
//! Recording is a handful of relaxed additions per group of appends, by the one thread that commits: an append pays
//! nothing of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Numbers of one store. Counts begin with its opening.
#[derive(Debug, Clone, Default)]
pub struct StoreStats {
    /// Appends that were committed and carried a payload.
    pub appends: u64,
    /// Payload bytes of these.
    pub appended_bytes: u64,
    /// Operations that were refused because the queue was full.
    pub refused_overloaded: u64,
    /// Groups whose commit failed.
    pub failed_commits: u64,
    /// Streams there are now, hidden ones included.
    pub streams: u64,
    /// Operations that wait for the committer now.
    pub queue_len: u64,
    /// Payload bytes of these.
    pub queue_bytes: u64,
    /// How many operations may wait.
    pub queue_len_max: u64,
    /// How many payload bytes may wait.
    pub queue_bytes_max: u64,
    /// Operations per committed group.
    pub group_lens: Distribution,
    /// Microseconds from the decision about a group to its durability.
    pub commit_micros: Distribution,
    /// Microseconds of the sync alone. Empty where nothing is synced.
    pub sync_micros: Distribution,
}

/// How often values of what size were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Upper bounds, inclusive and ascending.
    pub bounds: &'static [u64],
    /// Values up to each bound and above the one before; one more than there are bounds, for what is above all.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

/// Bounds for numbers of operations.
const LEN_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];
/// Bounds for times in microseconds: a sync takes from tens of them to seconds.
const MICROS_BOUNDS: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// Where values of one kind are counted.
#[derive(Debug)]
pub(crate) struct Recorder {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Recorder {
    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// For times.
    pub(crate) fn of_micros() -> Self {
        Self::new(MICROS_BOUNDS)
    }

    pub(crate) fn record(&self, value: u64) {
        let at = self.bounds.partition_point(|&bound| bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn distribution(&self) -> Distribution {
        Distribution {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// What the committer counts.
#[derive(Debug)]
pub(crate) struct CommitCounts {
    appends: AtomicU64,
    appended_bytes: AtomicU64,
    failed: AtomicU64,
    lens: Recorder,
    micros: Recorder,
}

impl CommitCounts {
    pub(crate) fn new() -> Self {
        Self {
            appends: AtomicU64::new(0),
            appended_bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            lens: Recorder::new(LEN_BOUNDS),
            micros: Recorder::of_micros(),
        }
    }

    pub(crate) fn committed(&self, len: usize, took: Duration) {
        self.lens.record(len as u64);
        self.micros.record_time(took);
    }

    pub(crate) fn appended(&self, appends: u64, bytes: u64) {
        self.appends.fetch_add(appends, Ordering::Relaxed);
        self.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Fills in what is counted here.
    pub(crate) fn report(&self, stats: &mut StoreStats) {
        stats.appends = self.appends.load(Ordering::Relaxed);
        stats.appended_bytes = self.appended_bytes.load(Ordering::Relaxed);
        stats.failed_commits = self.failed.load(Ordering::Relaxed);
        stats.group_lens = self.lens.distribution();
        stats.commit_micros = self.micros.distribution();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_what_lies_below_it() {
        let recorder = Recorder::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11, 500] {
            recorder.record(value);
        }
        let expected = Distribution { bounds: &[1, 10], counts: vec![2, 2, 2], sum: 524 };
        assert_eq!(recorder.distribution(), expected);
    }
}
