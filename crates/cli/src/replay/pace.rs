//! When each event of a replay is due. Must not know clocks: it turns recorded pauses into real ones.

use std::time::Duration;

use crate::args::Speed;

/// How recorded pauses become real ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) speed: Speed,
    /// Longer recorded pauses count as this.
    pub(super) pause_max: Duration,
}

impl Pace {
    /// The real pause for a recorded one.
    pub(super) fn pause(self, recorded_ms: u64) -> Duration {
        let recorded = Duration::from_millis(recorded_ms).min(self.pause_max);
        match self.speed {
            Speed::Max => Duration::ZERO,
            // A tiny speed could exceed what a Duration holds: then the pause is a century, as good as for ever.
            Speed::Times(times) => Duration::try_from_secs_f64(recorded.as_secs_f64() / times)
                .unwrap_or(Duration::from_secs(3_155_760_000)),
        }
    }
}

/// The pauses before each of the events that have these timestamps. A clock that went backwards gives none.
pub(super) fn pauses_ms(timestamps_ms: impl IntoIterator<Item = u64>) -> impl Iterator<Item = u64> {
    let mut before = None;
    timestamps_ms.into_iter().map(move |now| {
        let pause = before.map_or(0, |before| now.saturating_sub(before));
        before = Some(now);
        pause
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_divides_pauses_and_the_cap_comes_first() {
        let pace = |speed| Pace { speed, pause_max: Duration::from_secs(10) };
        assert_eq!(pace(Speed::Times(1.0)).pause(1500), Duration::from_millis(1500));
        assert_eq!(pace(Speed::Times(4.0)).pause(60_000), Duration::from_millis(2500));
        assert_eq!(pace(Speed::Max).pause(60_000), Duration::ZERO);
        assert!(pace(Speed::Times(f64::MIN_POSITIVE)).pause(1) > Duration::from_secs(1_000_000));
    }

    #[test]
    fn pauses_are_differences_and_never_negative() {
        let pauses: Vec<u64> = pauses_ms([1000, 1000, 1250, 900, 1000]).collect();
        assert_eq!(pauses, [0, 0, 250, 0, 100]);
    }
}
