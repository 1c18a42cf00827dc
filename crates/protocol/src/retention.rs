//! `Stream-Retention`: how much of a stream is kept (extension). Must not know clocks or how rows are stored.

use std::fmt;
use std::str::FromStr;

/// Which messages of a stream are kept: those that no limit gives up. Older ones may be dropped, and a read that
/// begins below the first one that is left is answered with 410 and `Stream-First-Offset`.
///
/// As text: `none`, or limits separated by commas, each at most once, in any order: `age:30d,count:100000,bytes:1GiB`.
/// An age is a whole number with one of the units `s`, `m`, `h`, `d`, `w`; bytes may have `KiB`, `MiB`, `GiB` or
/// `TiB`. Numbers are plain decimals from 1 to 2^53-1, also once the unit is multiplied out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Retention {
    /// Seconds since a message was appended.
    pub age_secs: Option<u64>,
    /// Newest messages. For streams of JSON messages only: others have none to count.
    pub count: Option<u64>,
    /// Newest bytes of content, appends counted whole.
    pub bytes: Option<u64>,
}

/// Largest number in a retention: 2^53 - 1, the largest integer JavaScript holds exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A unit and what it stands for.
type Unit = (&'static str, u64);

/// Largest first, so that what is written is short.
const AGE_UNITS: [Unit; 5] = [("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
const BYTES_UNITS: [Unit; 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// Why a text is no retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetention {
    /// A part is neither `age:`, `count:` nor `bytes:` with a number that fits.
    #[error(
        "expected none, or limits such as age:30d,count:100000,bytes:1GiB with numbers from 1 to 9007199254740991"
    )]
    Limit,
    /// A limit stands twice.
    #[error("the limit {0} is repeated")]
    Repeated(&'static str),
}

impl Retention {
    /// Keeps everything.
    pub const NONE: Self = Self { age_secs: None, count: None, bytes: None };

    /// Whether everything is kept.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// What both keep: of each limit the stricter one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let stricter = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            age_secs: stricter(self.age_secs, other.age_secs),
            count: stricter(self.count, other.count),
            bytes: stricter(self.bytes, other.bytes),
        }
    }
}

impl FromStr for Retention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        if text.trim() == "none" {
            return Ok(Self::NONE);
        }
        let mut retention = Self::NONE;
        for limit in text.split(',') {
            let (name, number) = limit.trim().split_once(':').ok_or(InvalidRetention::Limit)?;
            let (slot, name, number) = match name {
                "age" => {
                    let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                    // Without a unit it would not be clear what is meant.
                    if digits.len() == number.len() {
                        return Err(InvalidRetention::Limit);
                    }
                    (&mut retention.age_secs, "age", with_unit(number, &AGE_UNITS))
                }
                "count" => (&mut retention.count, "count", with_unit(number, &[("", 1)])),
                "bytes" => (&mut retention.bytes, "bytes", with_unit(number, &BYTES_UNITS)),
                _ => return Err(InvalidRetention::Limit),
            };
            if slot.replace(number.ok_or(InvalidRetention::Limit)?).is_some() {
                return Err(InvalidRetention::Repeated(name));
            }
        }
        Ok(retention)
    }
}

/// A plain number from 1 on with a unit, multiplied out.
fn with_unit(text: &str, units: &[Unit]) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, factor) = units.iter().find(|(unit, _)| *unit == &text[digits.len()..])?;
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let number: u64 = if is_plain { digits.parse().ok()? } else { return None };
    number.checked_mul(*factor).filter(|number| *number <= NUMBER_MAX)
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        let limits: [(&str, Option<u64>, &[Unit]); 3] = [
            ("age", self.age_secs, &AGE_UNITS),
            ("count", self.count, &[("", 1)]),
            ("bytes", self.bytes, &BYTES_UNITS),
        ];
        let mut separator = "";
        for (name, number, units) in limits {
            let Some(number) = number else { continue };
            let exact = units.iter().find(|(_, factor)| number.is_multiple_of(*factor));
            let (unit, factor) = exact.copied().unwrap_or(("", 1));
            write!(f, "{separator}{name}:{}{unit}", number / factor)?;
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(age_secs: Option<u64>, count: Option<u64>, bytes: Option<u64>) -> Retention {
        Retention { age_secs, count, bytes }
    }

    #[test]
    fn limits_are_read_with_their_units() {
        for (text, retention, canonical) in [
            ("none", Retention::NONE, "none"),
            ("age:30d", of(Some(2_592_000), None, None), "age:30d"),
            (
                " bytes:1GiB , count:100000,age:90m ",
                of(Some(5_400), Some(100_000), Some(1 << 30)),
                "age:90m,count:100000,bytes:1GiB",
            ),
            ("age:14d", of(Some(1_209_600), None, None), "age:2w"),
            ("bytes:1000", of(None, None, Some(1_000)), "bytes:1000"),
            ("count:9007199254740991", of(None, Some(NUMBER_MAX), None), "count:9007199254740991"),
        ] {
            assert_eq!(text.parse(), Ok(retention), "{text}");
            assert_eq!(retention.to_string(), canonical);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "age",
            "age:",
            "age:30",
            "age:0d",
            "age:-1d",
            "age:1.5d",
            "age:030d",
            "age:30 d",
            "age:1y",
            "count:1k",
            "count:9007199254740992",
            "bytes:9007199254740991KiB",
            "bytes:1GB",
            "none,count:1",
            "count:1,",
            "messages:5",
            "count=5",
            "age:\u{661}d",
        ] {
            assert_eq!(bad.parse::<Retention>(), Err(InvalidRetention::Limit), "{bad}");
        }
        assert_eq!("count:1,count:1".parse::<Retention>(), Err(InvalidRetention::Repeated("count")));
    }

    #[test]
    fn together_the_stricter_limit_counts() {
        let both = of(Some(5), None, Some(7)).and(of(Some(3), Some(9), Some(8)));
        assert_eq!(both, of(Some(3), Some(9), Some(7)));
        assert_eq!(both.and(Retention::NONE), both);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(age in 1..=NUMBER_MAX, count in 1..=NUMBER_MAX, bytes in 1..=NUMBER_MAX, which in 0u8..8) {
            let keep = |bit: u8, number| (which & bit != 0).then_some(number);
            let retention = of(keep(1, age), keep(2, count), keep(4, bytes));
            prop_assert_eq!(retention.to_string().parse(), Ok(retention));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(age|count|bytes|none)?[:,0-9 smhdwKMGTiB]{0,24}") {
            if let Ok(retention) = text.parse::<Retention>() {
                prop_assert_eq!(retention.to_string().parse(), Ok(retention));
            }
        }
    }
}
