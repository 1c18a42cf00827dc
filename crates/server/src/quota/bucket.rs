//! One token bucket, kept as one time: when it will be full again (the generic cell rate algorithm). Pure; the time
//! comes in, in nanoseconds of any clock that does not go back.

use super::rate::Rate;

/// When the bucket is full again; a time that has passed is a full bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bucket {
    full_at_ns: u64,
}

/// How a bucket stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many at once it holds.
    pub(crate) limit: u32,
    /// How many are left.
    pub(crate) remaining: u32,
    /// Until it is full again.
    pub(crate) reset_ms: u64,
    /// Until as much as was asked for is there; zero when it was.
    pub(crate) wait_ms: u64,
}

impl Standing {
    /// Whether the request was refused, and took nothing.
    pub(crate) fn is_over(&self) -> bool {
        self.wait_ms > 0
    }
}

impl Bucket {
    /// Takes so many, or nothing when there are not as many. More than a bucket ever holds is granted by a full one:
    /// who may append a large batch at all must be able to.
    pub(super) fn take(&mut self, rate: Rate, now_ns: u64, count: u32) -> Standing {
        let interval = rate.interval_ns();
        let capacity = interval.saturating_mul(u64::from(rate.burst()));
        let cost = interval.saturating_mul(u64::from(count));
        let used = self.full_at_ns.saturating_sub(now_ns);
        // With the excess as debt, the average holds.
        let fits = used.saturating_add(cost.min(capacity)) <= capacity;
        let (used, wait_ns) = if fits {
            self.full_at_ns = now_ns.saturating_add(used).saturating_add(cost);
            (used.saturating_add(cost), 0)
        } else {
            (used, used.saturating_add(cost.min(capacity)) - capacity)
        };
        let left = capacity.saturating_sub(used) / interval;
        Standing {
            limit: rate.burst(),
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset_ms: used.div_ceil(1_000_000),
            wait_ms: wait_ns.div_ceil(1_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_bucket_empties_and_fills() {
        let rate: Rate = "10/s,burst:3".parse().unwrap();
        let mut bucket = Bucket::default();
        let now = 5_000 * MS;
        for left in [2, 1, 0] {
            let standing = bucket.take(rate, now, 1);
            assert_eq!((standing.remaining, standing.is_over()), (left, false));
        }
        let refused = bucket.take(rate, now, 1);
        assert_eq!((refused.wait_ms, refused.remaining, refused.limit), (100, 0, 3));
        assert!(!bucket.take(rate, now + 100 * MS, 1).is_over());
        assert!(bucket.take(rate, now + 199 * MS, 1).is_over());
        assert!(!bucket.take(rate, now + 10_000 * MS, 3).is_over());
    }

    #[test]
    fn more_than_a_bucket_holds_is_paid_back() {
        let rate: Rate = "10/s,burst:3".parse().unwrap();
        let mut bucket = Bucket::default();
        let now = 5_000 * MS;
        assert!(!bucket.take(rate, now, 100).is_over());
        assert_eq!(bucket.take(rate, now, 1).wait_ms, 100 * 100 - 300 + 100);
    }

    proptest! {
        /// Whatever is asked when: never more than the burst and what flowed in since.
        #[test]
        fn the_rate_holds(steps in proptest::collection::vec((0u64..500, 1u32..5), 1..200)) {
            let rate: Rate = "10/s,burst:5".parse().unwrap();
            let (mut bucket, mut now, mut granted) = (Bucket::default(), 0u64, 0u64);
            for (pause_ms, count) in steps {
                now += pause_ms * MS;
                if !bucket.take(rate, now, count).is_over() {
                    granted += u64::from(count);
                }
                prop_assert!(granted <= 5 + now / (100 * MS), "{granted} at {now}");
            }
        }
    }
}
