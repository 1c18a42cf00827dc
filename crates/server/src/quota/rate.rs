//! A rate in words: `100/s`, `6000/m`, `100/s,burst:500`.

use std::fmt;
use std::str::FromStr;

/// So many a second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, in `per_ms`.
    count: u32,
    per_ms: u32,
    burst: u32,
}

/// Why a text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a rate such as 100/s, 6000/m or 100/s,burst:500, from 1 to a million")]
pub struct InvalidRate;

const COUNT_MAX: u32 = 1_000_000;

impl Rate {
    /// So many a second, and twice as many at once.
    ///
    /// # Errors
    /// [`InvalidRate`] for zero, and more than a million.
    pub fn per_second(count: u32) -> Result<Self, InvalidRate> {
        Self { count, per_ms: 1000, burst: count.saturating_mul(2) }.checked()
    }

    /// The same rate with another number at once.
    ///
    /// # Errors
    /// [`InvalidRate`] for zero, and more than two million.
    pub fn with_burst(self, burst: u32) -> Result<Self, InvalidRate> {
        Self { burst, ..self }.checked()
    }

    fn checked(self) -> Result<Self, InvalidRate> {
        let good = (1..=COUNT_MAX).contains(&self.count) && (1..=2 * COUNT_MAX).contains(&self.burst);
        if good { Ok(self) } else { Err(InvalidRate) }
    }

    pub(super) fn burst(self) -> u32 {
        self.burst
    }

    /// Nanoseconds that one takes; a million a second is still a thousand of them.
    pub(super) fn interval_ns(self) -> u64 {
        u64::from(self.per_ms) * 1_000_000 / u64::from(self.count)
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (rate, burst) = match text.split_once(',') {
            Some((rate, burst)) => (rate, Some(burst.trim().strip_prefix("burst:").ok_or(InvalidRate)?)),
            None => (text, None),
        };
        let (count, unit) = rate.trim().split_once('/').ok_or(InvalidRate)?;
        let count: u32 = count.parse().map_err(|_| InvalidRate)?;
        let per_ms = match unit {
            "s" => 1000,
            "m" => 60_000,
            _ => return Err(InvalidRate),
        };
        let rate = Self { count, per_ms, burst: count.saturating_mul(2) };
        match burst {
            Some(burst) => Self { burst: burst.parse().map_err(|_| InvalidRate)?, ..rate }.checked(),
            None => rate.checked(),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.per_ms == 1000 { "s" } else { "m" };
        write!(f, "{}/{unit},burst:{}", self.count, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        for (text, written) in [
            ("100/s", "100/s,burst:200"),
            ("60/m,burst:5", "60/m,burst:5"),
            (" 1/s , burst:1", "1/s,burst:1"),
        ] {
            let rate: Rate = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(rate.to_string(), written);
            assert_eq!(written.parse(), Ok(rate));
        }
        for bad in ["", "100", "0/s", "1/h", "-1/s", "1000001/s", "1/s,5", "1/s,burst:0", "1/s,burst:x"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!("60/m".parse::<Rate>().map(Rate::interval_ns), Ok(1_000_000_000));
    }
}
