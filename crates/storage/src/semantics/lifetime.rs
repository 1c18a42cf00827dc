//! When streams expire, PROTOCOL.md sections 4.2 and 5.1.

use crate::Lifetime;

/// Unix milliseconds from which on the stream is gone; `None` is never.
pub(crate) fn expires_at_ms(lifetime: Lifetime, accessed_at_ms: i64) -> Option<i64> {
    match lifetime {
        Lifetime::Unlimited => None,
        Lifetime::ExpiresAtMs(at) => Some(at),
        Lifetime::SlidingSecs(secs) => {
            let ms = i64::try_from(secs.saturating_mul(1_000)).unwrap_or(i64::MAX);
            Some(accessed_at_ms.saturating_add(ms))
        }
    }
}

pub(crate) fn is_expired(lifetime: Lifetime, accessed_at_ms: i64, now_ms: i64) -> bool {
    expires_at_ms(lifetime, accessed_at_ms).is_some_and(|at| now_ms >= at)
}

/// How much later than stored the last access of a sliding stream may have been, after a crash. An access is
/// recorded when the last record is half as old as that, at the next sweep where readers only wait; and after a
/// restart the stream is given the whole of it: it may live a little too long, never too short.
pub(crate) fn access_slack_ms(ttl_secs: u64) -> i64 {
    // Twice the time between two sweeps.
    const SLACK_MS_MIN: i64 = 10_000;
    const SLACK_MS_MAX: i64 = 3_600_000;
    let sixteenth = i64::try_from(ttl_secs.saturating_mul(1_000) / 16).unwrap_or(i64::MAX);
    sixteenth.clamp(SLACK_MS_MIN, SLACK_MS_MAX)
}

/// The lifetime of a fork, by the table of section 4.2.
pub(crate) fn inherited(source: Lifetime, requested: Lifetime) -> Lifetime {
    match requested {
        Lifetime::Unlimited => source,
        own => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_inherits_by_the_table() {
        let (ttl, other_ttl) = (Lifetime::SlidingSecs(5), Lifetime::SlidingSecs(9));
        let (at, other_at) = (Lifetime::ExpiresAtMs(5), Lifetime::ExpiresAtMs(9));
        let none = Lifetime::Unlimited;
        for (source, request, fork) in [
            (none, none, none),
            (none, ttl, ttl),
            (none, at, at),
            (ttl, none, ttl),
            (ttl, other_ttl, other_ttl),
            (ttl, at, at),
            (at, none, at),
            (at, ttl, ttl),
            (at, other_at, other_at),
        ] {
            assert_eq!(inherited(source, request), fork, "{source:?} {request:?}");
        }
    }

    #[test]
    fn expiry_includes_its_instant_and_does_not_overflow() {
        assert!(!is_expired(Lifetime::Unlimited, 0, i64::MAX));
        assert!(!is_expired(Lifetime::ExpiresAtMs(10), 0, 9));
        assert!(is_expired(Lifetime::ExpiresAtMs(10), 0, 10));
        assert!(!is_expired(Lifetime::SlidingSecs(1), 500, 1_499));
        assert!(is_expired(Lifetime::SlidingSecs(1), 500, 1_500));
        assert!(is_expired(Lifetime::SlidingSecs(0), 500, 500));
        assert!(!is_expired(Lifetime::SlidingSecs(u64::MAX), 500, i64::MAX - 1));
        assert_eq!(access_slack_ms(u64::MAX), 3_600_000);
    }
}
