//! What the numbers should be. Goals to report against, not gates: a missed one fails nothing.

use super::results::Measurement;

/// How a number stands to one target.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) met: bool,
    /// For the table.
    pub(super) text: String,
}

/// `*` in a name stands for anything.
struct Target {
    name: &'static str,
    limit: Limit,
}

enum Limit {
    Ceiling(f64),
    Floor(f64),
    /// At most so many times another measurement of the same run.
    Times(f64, &'static str),
}

const KIB: f64 = 1024.0;

const TARGETS: &[Target] = &[
    // Parse, validate and deliver, in Chromium: against eventsource-parser and zod 4, and against JSON.parse
    // with no validation at all.
    Target { name: "client.chromium.mixed*.vs_zod", limit: Limit::Floor(1.5) },
    Target { name: "client.chromium.chunks*.vs_zod", limit: Limit::Floor(2.0) },
    Target { name: "client.chromium.*.vs_parse", limit: Limit::Floor(1.0) },
    Target { name: "client.chromium.latency.ours", limit: Limit::Times(1.0, "client.chromium.latency.zod") },
    // Flat over a million events: noise of a heap, and nothing that could be a byte per event.
    Target { name: "client.*.memory.growth", limit: Limit::Ceiling(512.0) },
    // What the hand-written stack of @durable-streams/client and zod 4 costs, and zod 4 alone.
    Target { name: "size.package.gzip", limit: Limit::Ceiling(35.0 * KIB) },
    Target { name: "size.package.gzip", limit: Limit::Ceiling(29.0 * KIB) },
    // Of a bare log file with one fsync per batch.
    Target { name: "storage_append_ratio_256", limit: Limit::Floor(0.65) },
    // A million messages in 100,000 streams: ready in seconds.
    Target { name: "restart_open", limit: Limit::Ceiling(5.0) },
    // No cliff: a thousand connections cost about what 64 do.
    Target { name: "append/64/server-cpu", limit: Limit::Ceiling(30.0) },
    Target { name: "append/1000/server-cpu", limit: Limit::Times(1.5, "append/64/server-cpu") },
    Target { name: "sse/1000/server-cpu", limit: Limit::Ceiling(9.0) },
    Target { name: "sse/idle-subscriber", limit: Limit::Ceiling(10.0) },
];

/// Holds one measurement of a run against its targets.
pub(super) fn judge(run: &[Measurement], measured: &Measurement) -> Vec<Verdict> {
    TARGETS
        .iter()
        .filter(|target| matches(target.name, &measured.name))
        .filter_map(|target| verdict(run, &target.limit, measured.value))
        .collect()
}

fn verdict(run: &[Measurement], limit: &Limit, value: f64) -> Option<Verdict> {
    let (bound, at_most, of) = match *limit {
        Limit::Ceiling(bound) => (bound, true, String::new()),
        Limit::Floor(bound) => (bound, false, String::new()),
        Limit::Times(times, other) => {
            let other = run.iter().find(|known| known.name == other)?;
            (times * other.value, true, format!(" = {times} x {}", other.name))
        }
    };
    let (met, words) = if at_most { (value <= bound, "at most") } else { (value >= bound, "at least") };
    let share = value / bound;
    Some(Verdict { met, text: format!("{words} {}{of}: {share:.2} of it", super::results::number(bound)) })
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, value: f64) -> Measurement {
        Measurement { name: name.to_owned(), value, unit: String::new() }
    }

    #[test]
    fn a_size_may_meet_the_budget_and_miss_the_goal() {
        let size = measured("size.package.gzip", 31.0 * KIB);
        let met: Vec<bool> = judge(&[], &size).iter().map(|verdict| verdict.met).collect();
        assert_eq!(met, [true, false]);
    }

    #[test]
    fn a_cliff_is_seen_in_the_same_run() {
        let run = [measured("append/64/server-cpu", 20.0), measured("append/1000/server-cpu", 31.0)];
        assert!(!judge(&run, &run[1])[0].met);
        assert!(judge(&run[1..], &run[1]).is_empty());
    }

    #[test]
    fn a_number_without_a_target_has_no_verdict() {
        assert!(judge(&[], &measured("storage_reopen", 1.0)).is_empty());
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("client.*.x", "client.chromium.mixed.x"));
        assert!(!matches("client.*.x", "client.x"));
    }
}
