//! What is printed, and what is judged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_sessions_tests::{Flatness, Percentiles, Sample, Stretch, median};

use crate::shared::Soak;

/// One line of the table.
pub(crate) struct Row {
    name: String,
    stretch: Stretch,
    /// `None` before anything is written.
    moved: Option<Moved>,
}

struct Moved {
    events_per_second: f64,
    append: Percentiles,
    delivery: Percentiles,
    sessions: usize,
    /// Since the beginning.
    deleted: u64,
}

/// Fewer minutes end before anything could show.
const JUDGED_ROWS_MIN: usize = 9;

fn of(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Row {
    pub(crate) fn standing(name: &str, sample: Sample) -> Self {
        let mut stretch = Stretch::default();
        stretch.add(sample);
        Self { name: name.to_owned(), stretch, moved: None }
    }

    pub(crate) fn moving(number: u32, stretch: Stretch, soak: &Soak, time: Duration) -> Self {
        let moved = Moved {
            events_per_second: soak.counted.events_since() as f64 / time.as_secs_f64(),
            append: Percentiles::of(soak.append.take()),
            delivery: Percentiles::of(soak.delivery.take()),
            sessions: soak.there().len(),
            deleted: of(&soak.counted.deleted),
        };
        let row = Self { name: number.to_string(), stretch, moved: Some(moved) };
        println!("{row}");
        row
    }
}

const HEAD: &str = " minute  memory MiB  (most)   fds  CPU %  disk MiB  events/s  append p50 / p99 ms  delivery p50 / p99 ms  sessions  deleted";

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stretch = &self.stretch;
        write!(
            f,
            "{:>7}  {:>10.1}  {:>6.1}  {:>4.0}",
            self.name,
            stretch.resident_mib(),
            stretch.resident_max_mib(),
            stretch.descriptors_max()
        )?;
        let Some(moved) = &self.moved else { return Ok(()) };
        let (append, delivery) = (moved.append.to_string(), moved.delivery.to_string());
        write!(
            f,
            "  {:>5.0}  {:>8.1}  {:>8.1}  {append:>19}  {delivery:>21}  {:>8}  {:>7}",
            stretch.cpu_percent(),
            stretch.disk_max_mib(),
            moved.events_per_second,
            moved.sessions,
            moved.deleted,
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
pub(crate) fn judge(soak: &Soak, rows: &[Row], there: usize) -> Vec<String> {
    let counted = &soak.counted;
    println!(
        "\n{} sessions created, {} closed, {} deleted, {there} compared at the end; {} events acknowledged, {} seen, {} given \
         up by retention before a reader came to them; {} connections of readers, {} broken off, {} turned away, {} readers \
         came to the end; {} requests sent again",
        of(&counted.created),
        of(&counted.closed),
        of(&counted.deleted),
        of(&counted.events),
        of(&counted.seen),
        of(&counted.given_up),
        of(&counted.connections),
        of(&counted.broken),
        of(&counted.turned_away),
        of(&counted.finished),
        of(&counted.sent_again),
    );
    let mut failed: Vec<String> = soak.complaints();
    let complaints = failed.len();
    let mut check = |name: &str, holds: bool, told: String| {
        println!("{} {name}: {told}", if holds { "  ok" } else { "FAIL" });
        if !holds {
            failed.push(format!("{name}: {told}"));
        }
    };
    check(
        "every event accounted for",
        complaints == 0,
        format!("{complaints} readers, writers or sessions went wrong"),
    );
    let used =
        of(&counted.events) > 0 && of(&counted.seen) > of(&counted.events) && of(&counted.finished) > 0;
    check("it was used", used, format!("{} events", of(&counted.events)));
    let moving: Vec<&Row> = rows.iter().filter(|row| row.moved.is_some()).collect();
    if moving.len() < JUDGED_ROWS_MIN {
        println!("     whether anything grows is not judged in so short a run");
        return failed;
    }
    // The first third is for caches to fill and the tree to take its shape; the last must be like the middle one.
    let third = moving.len() / 3;
    let (middle, last) = (&moving[third..2 * third], &moving[moving.len() - third..]);
    let most = |rows: &[&Row], what: fn(&Stretch) -> f64| {
        rows.iter().map(|row| what(&row.stretch)).fold(0.0, f64::max)
    };
    let mut flat = |name: &str, what: fn(&Stretch) -> f64, share: f64, allowance: f64| {
        let flatness = Flatness::of("most", most(middle, what), most(last, what), share, allowance);
        check(&format!("{name} flat"), flatness.holds(), flatness.to_string());
    };
    flat("memory (MiB) is", Stretch::resident_max_mib, 0.10, 4.0);
    flat("descriptors are", Stretch::descriptors_max, 0.10, 16.0);
    // Runs of the tree are merged from time to time; both copies are there meanwhile.
    flat("disk (MiB) is", Stretch::disk_max_mib, 0.25, 32.0);
    // The machine has other things to do, so the middle of the minutes, and half as much again.
    let mut quick = |name: &str, what: fn(&Moved) -> f64, share: f64| {
        let middle_of = |rows: &[&Row]| median(rows.iter().filter_map(|row| row.moved.as_ref()).map(what));
        let flatness = Flatness::of("ms", middle_of(middle), middle_of(last), share, 5.0);
        check(name, flatness.holds(), flatness.to_string());
    };
    quick("appends are as quick (p50)", |moved| moved.append.p50_ms, 0.5);
    quick("appends are as quick (p99)", |moved| moved.append.p99_ms, 1.0);
    quick("deliveries are as quick (p50)", |moved| moved.delivery.p50_ms, 0.5);
    quick("deliveries are as quick (p99)", |moved| moved.delivery.p99_ms, 1.0);
    failed
}
