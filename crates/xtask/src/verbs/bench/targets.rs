//! What the numbers should be. Goals to report against, not gates: a missed one fails nothing.

use super::results::Measurement;

/// How a number stands to its target.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It has none.
    None,
    Met(String),
    Missed(String),
}

struct Target {
    name: &'static str,
    limit: Limit,
    value: f64,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost,
    AtLeast,
}

const fn at_most(name: &'static str, value: f64) -> Target {
    Target { name, limit: Limit::AtMost, value }
}

const fn at_least(name: &'static str, value: f64) -> Target {
    Target { name, limit: Limit::AtLeast, value }
}

const TARGETS: &[Target] =
    &[at_most("size.package.gzip", 29.0 * 1024.0), at_least("storage.append.256.ratio", 0.65)];

/// Holds one measurement against its target.
pub(super) fn judge(_all: &[Measurement], measured: &Measurement) -> Verdict {
    let Some(target) = TARGETS.iter().find(|target| target.name == measured.name) else {
        return Verdict::None;
    };
    let (met, words) = match target.limit {
        Limit::AtMost => (measured.value <= target.value, "at most"),
        Limit::AtLeast => (measured.value >= target.value, "at least"),
    };
    let ratio = measured.value / target.value;
    let text = format!("{words} {} ({ratio:.2} of it)", target.value);
    if met { Verdict::Met(text) } else { Verdict::Missed(text) }
}
