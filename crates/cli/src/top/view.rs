//! Turns two looks at a server into lines for people. Pure.

use std::time::Duration;

use super::exposition::Exposition;

/// What happened between two looks, and how things stand at the second.
pub(super) fn lines(before: &Exposition, now: &Exposition, elapsed: Duration) -> Vec<String> {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    // A counter that is smaller than it was belongs to a server that was started in between.
    let rate = |name: &str| (now.sum(name) - before.sum(name)).max(0.0) / seconds;
    let time = |name: &str, share: f64| now.quantile(before, name, share).map_or("-".to_owned(), span);
    let count = |name: &str| number(now.sum(name));
    let (queue, queue_max) = (now.sum("store_queue_operations"), now.sum("store_queue_operations_max"));
    let version = now.by("build_info", "version").next().map_or("?", |(version, _)| version);
    let state = if now.sum("ready") > 0.5 { "ready" } else { "NOT READY" };
    vec![
        format!("durable-sessions {version}   {state}   {} streams", count("streams")),
        String::new(),
        format!(
            "appends      {:>10}/s   {:>10}/s payload",
            number(rate("appends_total")),
            bytes(rate("append_bytes_total"))
        ),
        format!(
            "  latency    p50 {:>9}   p99 {:>9}",
            time("append_duration_seconds", 0.5),
            time("append_duration_seconds", 0.99)
        ),
        format!(
            "  commit     p50 {:>9}   p99 {:>9}   {} operations each",
            time("commit_duration_seconds", 0.5),
            time("commit_duration_seconds", 0.99),
            number(rate("commit_operations_sum") / rate("commit_operations_count").max(1e-9)),
        ),
        format!(
            "  fsync      p50 {:>9}   p99 {:>9}",
            time("fsync_duration_seconds", 0.5),
            time("fsync_duration_seconds", 0.99)
        ),
        format!("  queue      {}  {} of {}", bar(queue, queue_max), number(queue), number(queue_max)),
        format!(
            "  trouble    {} overloaded/s   {} retries/s   {} failed commits",
            number(rate("store_refused_overloaded_total")),
            number(rate("append_retries_total")),
            count("store_failed_commits_total")
        ),
        String::new(),
        format!(
            "subscribers  {} of {} on {} streams   {} connections",
            count("sse_subscribers"),
            count("sse_subscribers_max"),
            count("sse_streams"),
            count("connections")
        ),
        format!(
            "  lag        {} behind, at most by {}   {} catch-ups/s",
            count("sse_lagging_subscribers"),
            count("sse_lag_max"),
            number(rate("sse_catch_ups_total"))
        ),
        format!(
            "  memory     {} frames   {} waiting for slow readers",
            bytes(now.sum("sse_ring_bytes")),
            bytes(now.sum("sse_unsent_bytes"))
        ),
        format!("  cut        {}", labelled(now, "sse_evictions_total", "reason")),
        String::new(),
        format!(
            "queued       {} waiting, {}   {}/s in   {}/s delivered   {}/s retries",
            count("queued_appends"),
            bytes(now.sum("queued_bytes")),
            number(rate("queued_accepted_total")),
            number(rate("queued_delivered_total")),
            number(rate("queued_retries_total"))
        ),
        format!(
            "joined       {}/s chunks   {} not stored   {} waiting",
            number(rate("coalesced_chunks_total")),
            bytes(now.sum("coalesced_saved_bytes_total")),
            bytes(now.sum("coalescing_bytes"))
        ),
        format!(
            "dead letters {} kept   {} since the start",
            count("dead_letters_kept"),
            count("dead_letters_total")
        ),
        String::new(),
        format!("requests     {}/s", number(rate("requests_total"))),
        format!("  errors     {}", labelled(now, "errors_total", "code")),
        format!("  events     {}", labelled(now, "rejected_events_total", "reason")),
        format!("  refused    {}", labelled(now, "auth_refusals_total", "code")),
    ]
}

/// `INVALID_EVENT 3, NOT_FOUND 1`, most frequent first.
fn labelled(now: &Exposition, name: &str, label: &str) -> String {
    let mut found: Vec<_> = now.by(name, label).filter(|(_, value)| *value > 0.0).collect();
    found.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    if found.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<_> = found.iter().map(|(label, value)| format!("{label} {}", number(*value))).collect();
    words.join(", ")
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value if value >= 10.0 || value.fract().abs() < 0.005 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let (mut value, mut unit) = (value, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 1e-3 => format!("{:.2} ms", seconds * 1e3),
        seconds => format!("{:.0} us", seconds * 1e6),
    }
}

/// Twenty columns, for how much of a bound is used.
fn bar(value: f64, max: f64) -> String {
    let share = if max > 0.0 { (value / max).clamp(0.0, 1.0) } else { 0.0 };
    let filled = (1..=20).filter(|column| share * 20.0 >= f64::from(*column) - 0.5).count();
    format!("[{}{}]", "#".repeat(filled), ".".repeat(20 - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_rates_and_gauges_stay() {
        let before = Exposition::parse("durable_sessions_appends_total 100\n");
        let now = Exposition::parse(
            "durable_sessions_appends_total 300\ndurable_sessions_streams 7\ndurable_sessions_ready 1\n\
             durable_sessions_build_info{version=\"1.2.3\"} 1\n\
             durable_sessions_errors_total{code=\"A\"} 0\ndurable_sessions_errors_total{code=\"B\"} 3\n",
        );
        let text = lines(&before, &now, Duration::from_secs(2)).join("\n");
        for part in [
            "durable-sessions 1.2.3   ready   7 streams",
            "       100/s",
            "errors     B 3",
            "events     none",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        // Started again: not a negative rate.
        assert!(lines(&now, &before, Duration::from_secs(2)).join("\n").contains("         0/s"));
    }

    #[test]
    fn quantities_are_short() {
        assert_eq!([0.0, 0.25, 12.3, 12_345.0, 3.2e6].map(number), ["0", "0.2", "12", "12.3k", "3.2M"]);
        assert_eq!([0.0, 2048.0, 5.5e9].map(bytes), ["0 B", "2.0 KiB", "5.1 GiB"]);
        assert_eq!([0.000_05, 0.0123, 2.0].map(span), ["50 us", "12.30 ms", "2.00 s"]);
        assert_eq!((bar(0.0, 10.0), bar(5.0, 0.0)), (bar(0.0, 1.0), bar(0.0, 1.0)));
        assert!(bar(5.0, 10.0).starts_with("[##########."));
    }
}
