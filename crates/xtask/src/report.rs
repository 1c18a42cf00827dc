//! Steps: say what is done before it is done, how long it took after, and all of it in a table at the
//! end. Knows nothing of what the steps do.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::failure::StepError;
use crate::interrupt;
use crate::screen;

/// How a step that did not fail went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Work was done.
    Done,
    /// Nothing had to be done.
    UpToDate,
    /// Left out, and why.
    Skipped(String),
}

/// A step failed. It has been printed and noted already, so this carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

struct Row {
    step: String,
    result: Result<Outcome, StepError>,
    took: Duration,
}

/// All steps of one verb.
pub(crate) struct Report {
    verb: &'static str,
    started: Instant,
    rows: Mutex<Vec<Row>>,
}

impl Report {
    pub(crate) fn new(verb: &'static str) -> Self {
        Self { verb, started: Instant::now(), rows: Mutex::default() }
    }

    /// Runs one step; `purpose` is one line for a person who has never seen this repository. A step that
    /// several others need happens once: asked for again, it ends as it ended the first time.
    pub(crate) fn step(
        &self,
        step: &str,
        purpose: &str,
        work: impl FnOnce() -> Result<Outcome, StepError>,
    ) -> Result<(), Stopped> {
        if interrupt::requested() {
            return Err(Stopped);
        }
        if let Some(row) = self.rows().iter().find(|row| row.step == step) {
            return if row.result.is_ok() { Ok(()) } else { Err(Stopped) };
        }
        screen::line(format_args!("{} {}", screen::bold(format_args!("==> {step}:")), purpose));
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        match &result {
            Ok(outcome) => screen::line(screen::dim(format_args!(
                "    {step}: {} ({})",
                outcome_text(outcome),
                duration_text(took)
            ))),
            Err(error) => print_failure(step, error, took),
        }
        let verdict = if result.is_ok() { Ok(()) } else { Err(Stopped) };
        self.rows().push(Row { step: step.to_owned(), result, took });
        verdict
    }

    /// Prints the table and says whether every step was fine.
    pub(crate) fn finish(&self) -> bool {
        let rows = self.rows();
        let width = rows.iter().map(|row| row.step.chars().count()).max().unwrap_or(0).max(5);
        screen::line("");
        screen::line(screen::bold(format_args!("{:<width$}  {:>9}  result", "step", "time")));
        for row in rows.iter() {
            let result = match &row.result {
                Ok(outcome) => screen::green(outcome_text(outcome)),
                Err(StepError::Interrupted) => screen::red("interrupted"),
                Err(_) => screen::red("FAILED"),
            };
            screen::line(format_args!("{:<width$}  {:>9}  {result}", row.step, duration_text(row.took)));
        }
        let failed: Vec<&Row> = rows.iter().filter(|row| row.result.is_err()).collect();
        let total = duration_text(self.started.elapsed());
        let good = failed.is_empty() && !interrupt::requested();
        screen::line(format_args!(
            "{:<width$}  {total:>9}  {}",
            "total",
            if good { screen::green("ok") } else { screen::red("FAILED") }
        ));
        for row in &failed {
            if let Err(error) = &row.result {
                print_failure(&row.step, error, row.took);
            }
        }
        if interrupt::requested() {
            screen::line(format_args!("cargo xtask {} was interrupted", self.verb));
        }
        good
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn print_failure(step: &str, error: &StepError, took: Duration) {
    screen::line(format_args!(
        "{} {error}",
        screen::red(format_args!("    FAILED {step} ({}):", duration_text(took)))
    ));
    if let Some(advice) = error.advice() {
        screen::line(format_args!("    what to do: {advice}"));
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "ok".to_owned(),
        Outcome::UpToDate => "up to date".to_owned(),
        Outcome::Skipped(why) => format!("skipped: {why}"),
    }
}

/// `3.2 s` or `4 min 05 s`.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_makes_the_whole_verb_fail_but_not_the_others() {
        let report = Report::new("test");
        assert_eq!(report.step("bad", "fails", || Err(StepError::unmet("no", "do"))), Err(Stopped));
        assert_eq!(report.step("good", "works", || Ok(Outcome::Done)), Ok(()));
        assert!(!report.finish());
    }

    #[test]
    fn a_skipped_step_is_no_failure() {
        let report = Report::new("test");
        assert_eq!(report.step("skip", "later", || Ok(Outcome::Skipped("not built".into()))), Ok(()));
        assert!(report.finish());
    }

    #[test]
    fn a_step_happens_once() {
        let report = Report::new("test");
        assert_eq!(report.step("tool", "built", || Ok(Outcome::Done)), Ok(()));
        assert_eq!(report.step("tool", "built", || Err(StepError::unmet("again", "no"))), Ok(()));
        assert!(report.finish());
    }

    #[test]
    fn durations_read_like_a_person_says_them() {
        assert_eq!(duration_text(Duration::from_millis(320)), "0.3 s");
        assert_eq!(duration_text(Duration::from_secs(245)), "4 min 05 s");
    }
}
