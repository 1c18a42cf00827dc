//! The collapsing cursor of live answers, PROTOCOL.md section 10.1. Not a position in a stream, and never shown
//! to applications. Must not read a clock or draw random numbers: both are given.

use std::fmt;

/// Length of one interval, in seconds.
pub const LIVE_CURSOR_INTERVAL_SECS: u64 = 20;
/// Unix time of interval 0: 2024-10-09T00:00:00Z.
pub const LIVE_CURSOR_EPOCH_SECS: u64 = 1_728_432_000;

/// The largest jitter of the protocol, one hour, in intervals.
const JITTER_INTERVALS_MAX: u64 = 3600 / LIVE_CURSOR_INTERVAL_SECS;
/// Echoes above this are not ours (2^53, some 5.7 billion years) and are ignored, so that adding cannot overflow.
const ECHO_MAX: u64 = 1 << 53;

/// The number of a 20-second interval since the epoch, as servers return it and clients echo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveCursor(u64);

impl LiveCursor {
    /// The cursor of an answer given at `unix_secs` to a client that echoed `echo`. It is the current interval,
    /// or beyond the echo when that is not behind: `jitter` is any number and chooses how far, up to an hour.
    #[must_use]
    pub fn answer(unix_secs: u64, echo: Option<&str>, jitter: u64) -> Self {
        let current = unix_secs.saturating_sub(LIVE_CURSOR_EPOCH_SECS) / LIVE_CURSOR_INTERVAL_SECS;
        match echo.and_then(parse) {
            Some(echo) if echo >= current => Self(echo + 1 + jitter % JITTER_INTERVALS_MAX),
            _ => Self(current),
        }
    }

    /// The interval number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

fn parse(echo: &str) -> Option<u64> {
    let plain = !echo.is_empty() && echo.bytes().all(|b| b.is_ascii_digit());
    if plain { echo.parse().ok().filter(|&n| n <= ECHO_MAX) } else { None }
}

impl fmt::Display for LiveCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_goes_back_and_never_far_ahead(now in 0..1u64 << 40, echo in 0..1u64 << 36, jitter: u64) {
            let current = LiveCursor::answer(now, None, jitter);
            let next = LiveCursor::answer(now, Some(&echo.to_string()), jitter);
            prop_assert!(next >= current);
            if echo >= current.number() {
                prop_assert!(next.number() > echo && next.number() <= echo + 180);
            } else {
                prop_assert_eq!(next, current);
            }
        }
    }

    #[test]
    fn counts_intervals_of_20_seconds_since_the_epoch() {
        assert_eq!(LiveCursor::answer(LIVE_CURSOR_EPOCH_SECS + 59, None, 9).to_string(), "2");
        assert_eq!(LiveCursor::answer(0, None, 9).number(), 0);
        for foreign in ["", "abc", "-1", "+5", "99999999999999999999", "18446744073709551615"] {
            assert_eq!(LiveCursor::answer(LIVE_CURSOR_EPOCH_SECS, Some(foreign), 3).number(), 0, "{foreign}");
        }
    }
}
