//! How long things took, and what a half and a hundredth of them exceeded. Must not know what was waited for.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Collects from many tasks; each one measured is four bytes.
#[derive(Debug, Default)]
pub struct Waits(Mutex<Vec<u32>>);

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentiles {
    /// How many.
    pub count: usize,
    /// Half of them took longer, in milliseconds.
    pub p50_ms: f64,
    /// One in a hundred took longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one.
    pub fn add(&self, wait: Duration) {
        self.lock().push(u32::try_from(wait.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes all that was collected since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.lock())
    }
}

impl Percentiles {
    /// Of microseconds in any order.
    #[must_use]
    pub fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        let at = |part: f64| {
            let index = (micros.len() as f64 * part) as usize;
            micros.get(index.min(micros.len().saturating_sub(1))).map_or(0.0, |&us| f64::from(us) / 1e3)
        };
        Self { count: micros.len(), p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} / {:.1}", self.p50_ms, self.p99_ms))
    }
}

/// The middle one; 0 of none.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_that_was_added_and_taken_once() {
        let waits = Waits::default();
        for ms in (1..=100).rev() {
            waits.add(Duration::from_millis(ms));
        }
        let found = Percentiles::of(waits.take());
        assert_eq!(found, Percentiles { count: 100, p50_ms: 51.0, p99_ms: 100.0, max_ms: 100.0 });
        assert_eq!(Percentiles::of(waits.take()), Percentiles::default());
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
    }
}
