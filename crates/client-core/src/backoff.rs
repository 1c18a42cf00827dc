//! How long to wait before an attempt. Must not know what is attempted.

use crate::random::Random;

/// A server that asks for a longer pause than this (one hour) is asked again after it.
pub const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// When and how often a lost connection is opened again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReconnectConfig {
    /// Whether it is at all.
    pub enabled: bool,
    /// Upper bound of the delay before the first attempt.
    pub initial_delay_ms: u32,
    /// Upper bound of every delay.
    pub max_delay_ms: u32,
    /// Growth of that bound per attempt. Below 1, or not a number, counts as 1.
    pub backoff_multiplier: f64,
    /// Consecutive attempts that may fail. The first connection of a subscription is not an attempt.
    pub max_attempts: u32,
    /// Full jitter: the delay is anything from 0 to the bound. Without it, the bound itself.
    pub jitter: bool,
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_delay_ms: 1000,
            max_delay_ms: 30_000,
            backoff_multiplier: 2.0,
            max_attempts: 10,
            jitter: true,
        }
    }
}

impl ReconnectConfig {
    /// The bound before attempt `n`, from 1: min(initial * multiplier^(n-1), max).
    #[must_use]
    pub fn delay_bound_ms(&self, attempt: u32) -> u32 {
        let max = f64::from(self.max_delay_ms);
        let multiplier = if self.backoff_multiplier > 1.0 { self.backoff_multiplier } else { 1.0 };
        let mut bound = f64::from(self.initial_delay_ms);
        // Leaving as soon as it cannot grow bounds the loop for any multiplier but those just above 1.
        for _ in 1..attempt.min(10_000) {
            if bound >= max || multiplier == 1.0 {
                break;
            }
            bound *= multiplier;
        }
        // The cast saturates, and both bounds fit.
        bound.min(max) as u32
    }

    pub(crate) fn delay_ms(&self, attempt: u32, retry_after_ms: Option<u64>, random: &mut Random) -> u64 {
        let bound = self.delay_bound_ms(attempt);
        let delay = u64::from(if self.jitter { random.up_to(bound) } else { bound });
        delay.max(retry_after_ms.unwrap_or_default().min(RETRY_AFTER_MS_MAX))
    }
}

/// Counts the attempts of one request that is repeated until it succeeds or may not be repeated any more.
#[derive(Debug, Clone)]
pub struct Backoff {
    config: ReconnectConfig,
    attempt: u32,
    random: Random,
}

impl Backoff {
    /// No attempt made yet. The seed feeds the jitter.
    #[must_use]
    pub const fn new(config: ReconnectConfig, seed: u64) -> Self {
        Self { config, attempt: 0, random: Random::new(seed) }
    }

    /// Milliseconds before the next attempt, or `None` when there may be no more.
    pub fn next_delay_ms(&mut self, retry_after_ms: Option<u64>) -> Option<u64> {
        if !self.config.enabled || self.attempt >= self.config.max_attempts {
            return None;
        }
        self.attempt += 1;
        Some(self.config.delay_ms(self.attempt, retry_after_ms, &mut self.random))
    }

    /// Attempts so far.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bound_doubles_up_to_the_maximum() {
        let bounds: Vec<u32> = (1..=8).map(|n| ReconnectConfig::default().delay_bound_ms(n)).collect();
        assert_eq!(bounds, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        for odd in [f64::NAN, 0.0, -3.0, 1.0] {
            let config = ReconnectConfig { backoff_multiplier: odd, ..ReconnectConfig::default() };
            assert_eq!(config.delay_bound_ms(u32::MAX), 1000);
        }
        let config = ReconnectConfig { backoff_multiplier: f64::INFINITY, ..ReconnectConfig::default() };
        assert_eq!((config.delay_bound_ms(1), config.delay_bound_ms(2)), (1000, 30_000));
    }

    proptest! {
        #[test]
        fn jitter_spreads_from_nothing_to_the_bound(seed: u64, attempt in 1u32..20, asked in 0u64..100_000) {
            let config = ReconnectConfig::default();
            let mut random = Random::new(seed);
            let delays: Vec<u64> = (0..200).map(|_| config.delay_ms(attempt, None, &mut random)).collect();
            let bound = u64::from(config.delay_bound_ms(attempt));
            prop_assert!(delays.iter().all(|&d| d <= bound));
            prop_assert!(delays.iter().any(|&d| d < bound / 4) && delays.iter().any(|&d| d > bound / 4 * 3));
            prop_assert!(config.delay_ms(attempt, Some(asked), &mut random) >= asked);
        }
    }
}
