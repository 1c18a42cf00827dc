//! How long to wait before something is tried again. Pure.

use std::time::Duration;

/// Doubles from `first` to at most `longest`; half of it always, the rest by chance, so that many who failed together
/// do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row.
    pub(crate) fn delay(self, failures: u32, entropy: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let base = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half = base / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(entropy % nanos.saturating_add(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_is_within_its_bounds(failures: u32, entropy: u64, first in 1u64..1_000, factor in 1u64..1_000) {
            let first = Duration::from_millis(first);
            let backoff = Backoff { first, longest: first * u32::try_from(factor).unwrap() };
            let delay = backoff.delay(failures, entropy);
            prop_assert!(delay >= first / 2 && delay <= backoff.longest, "{delay:?}");
        }
    }

    #[test]
    fn delays_double() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(6) };
        let shortest: Vec<_> = (1..=5).map(|failures| backoff.delay(failures, 0).as_millis()).collect();
        assert_eq!(shortest, [500, 1_000, 2_000, 3_000, 3_000]);
    }
}
