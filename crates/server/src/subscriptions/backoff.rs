//! When a failed delivery is tried again, PROTOCOL.md section 7.1. Pure.

const FIRST_MS: i64 = 1_000;
/// With the jitter on top this is the longest wait of the protocol, a minute.
const LONGEST_BASE_MS: i64 = 50_000;
/// The longest wait, jitter included.
pub(crate) const LONGEST_MS: i64 = 60_000;

/// How long to wait after the `attempts`th failure in a row: doubling from 1 s, up to 20 % longer by chance,
/// never over a minute.
pub(crate) fn delay_ms(attempts: u32, entropy: u64) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let base = (FIRST_MS << doublings).min(LONGEST_BASE_MS);
    let jitter_max = base / 5;
    base + i64::try_from(entropy % (jitter_max.unsigned_abs() + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_are_between_a_second_and_a_minute(attempts: u32, entropy: u64) {
            prop_assert!((FIRST_MS..=LONGEST_MS).contains(&delay_ms(attempts, entropy)));
        }

        #[test]
        fn later_attempts_wait_longer_until_the_cap(attempts in 1u32..6, a: u64, b: u64) {
            prop_assert!(delay_ms(attempts, a) < delay_ms(attempts + 1, b));
        }
    }
}
