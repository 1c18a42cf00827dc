//! What is printed, and what is judged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_sessions_tests::{Flatness, Percentiles, Sample, Stretch};

use crate::shared::Load;

/// One line of the table.
pub(crate) struct Row {
    name: String,
    stretch: Stretch,
    /// `None` before anything is written.
    moved: Option<Moved>,
}

struct Moved {
    appends_per_second: f64,
    append: Percentiles,
    delivery: Percentiles,
    /// Since the beginning.
    rotations: u64,
}

impl Row {
    pub(crate) fn standing(name: &str, sample: Sample) -> Self {
        let mut stretch = Stretch::default();
        stretch.add(sample);
        Self { name: name.to_owned(), stretch, moved: None }
    }

    pub(crate) fn moving(number: u32, stretch: Stretch, load: &Load, time: Duration) -> Self {
        let append = Percentiles::of(load.append.take());
        let moved = Moved {
            appends_per_second: append.count as f64 / time.as_secs_f64(),
            append,
            delivery: Percentiles::of(load.delivery.take()),
            rotations: load.rotations.load(Ordering::Relaxed),
        };
        let row = Self { name: number.to_string(), stretch, moved: Some(moved) };
        println!("{row}");
        row
    }
}

const HEAD: &str = "     minute  memory MiB     fds  CPU %  disk MiB  appends/s  append p50 / p99 ms  delivery p50 / p99 ms  rotations";

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stretch = &self.stretch;
        write!(f, "{:>11}  {:>10.1}  {:>6.0}", self.name, stretch.resident_mib(), stretch.descriptors_max())?;
        let Some(moved) = &self.moved else { return Ok(()) };
        let (append, delivery) = (moved.append.to_string(), moved.delivery.to_string());
        write!(
            f,
            "  {:>5.0}  {:>8.1}  {:>9.1}  {append:>19}  {delivery:>21}  {:>9}",
            stretch.cpu_percent(),
            stretch.disk_max_mib(),
            moved.appends_per_second,
            moved.rotations,
        )
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("\n{HEAD}");
    for row in rows {
        println!("{row}");
    }
}

/// What does not hold.
pub(crate) fn judge(load: &Load, rows: &[Row], is_long: bool) -> Vec<String> {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let (stored, asked) = (load.stored(), load.plan.appends());
    println!(
        "\n{stored} appends acknowledged of {asked}, {} sent again, at most {} ms late; {} deliveries, {} outstanding; {} \
         rotations, {} connections broken off, {} turned away",
        count(&load.sent_again),
        count(&load.late_ms),
        load.deliveries(),
        load.outstanding(),
        count(&load.rotations),
        count(&load.broken),
        count(&load.turned_away),
    );
    let mut failed: Vec<String> = load.complaints();
    let mut check = |name: &str, holds: bool, told: String| {
        println!("{} {name}: {told}", if holds { "  ok" } else { "FAIL" });
        if !holds {
            failed.push(format!("{name}: {told}"));
        }
    };
    let complaints = load.complaints().len();
    check(
        "in order, nothing twice",
        complaints == 0,
        format!("{complaints} subscribers or appends went wrong"),
    );
    check(
        "nothing lost",
        load.outstanding() == 0 && stored == asked,
        format!("{} outstanding", load.outstanding()),
    );
    check("connections", count(&load.broken) == 0, format!("{} broken off", count(&load.broken)));
    if load.plan.seconds > 2 * load.plan.rotation_seconds() {
        let rotations = count(&load.rotations);
        check(
            "rotations",
            rotations >= load.plan.subscribers as u64,
            format!("{rotations}, nothing lost in any"),
        );
    }
    if !is_long {
        println!("     memory and descriptors are not judged in so short a run");
        return failed;
    }
    // The first minute fills caches, and every session's first event changes its row.
    let moving: Vec<&Row> = rows.iter().filter(|row| row.moved.is_some()).collect();
    let (Some(before), Some(after)) = (moving.get(1), moving.last()) else { return failed };
    // What is appended stays in memory until its segment of the log is full (32 MiB), and its index and allocations take
    // about as much again; the soak shows that it ends there.
    let in_log = (after.stretch.disk_max_mib() - before.stretch.disk_max_mib()).max(0.0);
    let memory =
        Flatness::of("MiB", before.stretch.resident_mib(), after.stretch.resident_mib(), 0.05, 2.0 * in_log);
    check(
        "memory is flat",
        memory.holds(),
        format!("{memory}: 5 % and twice the {in_log:.1} MiB that the log grew by"),
    );
    let fds =
        Flatness::of("open", before.stretch.descriptors_max(), after.stretch.descriptors_max(), 0.02, 16.0);
    check("descriptors are flat", fds.holds(), fds.to_string());
    failed
}
