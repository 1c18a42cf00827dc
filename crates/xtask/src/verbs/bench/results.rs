//! What the benchmarks said, kept as JSON and printed as a table.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::targets;
use crate::failure::StepError;
use crate::relay::WatchLines;
use crate::screen;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measurement {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: String,
}

/// All measurements of one run, in the order they were made.
#[derive(Default)]
pub(super) struct Results(Mutex<Vec<Measurement>>);

impl Results {
    fn all(&self) -> MutexGuard<'_, Vec<Measurement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `{"name": {"value": …, "unit": …}, …}`.
    pub(super) fn keep(&self, path: &Path) -> Result<(), StepError> {
        let object: serde_json::Map<String, serde_json::Value> = self
            .all()
            .iter()
            .map(|m| (m.name.clone(), serde_json::json!({ "value": m.value, "unit": m.unit })))
            .collect();
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|source| StepError::file("create", dir, source))?;
        }
        let text = format!("{:#}\n", serde_json::Value::Object(object));
        fs::write(path, text).map_err(|source| StepError::file("write", path, source))
    }

    pub(super) fn print(&self) {
        let all = self.all();
        let width = all.iter().map(|m| m.name.chars().count()).max().unwrap_or(0).max(9);
        screen::line("");
        screen::line(screen::bold(format_args!(
            "{:<width$}  {:>14} {:<10} target",
            "benchmark", "value", "unit"
        )));
        for measured in all.iter() {
            let targets: Vec<String> = targets::judge(&all, measured)
                .into_iter()
                .map(
                    |verdict| {
                        if verdict.met { screen::green(verdict.text) } else { screen::red(verdict.text) }
                    },
                )
                .collect();
            let target = targets.join("; ");
            let value = number(measured.value);
            screen::line(format_args!(
                "{:<width$}  {value:>14} {:<10} {target}",
                measured.name, measured.unit
            ));
        }
    }
}

impl WatchLines for Results {
    fn line(&self, line: &str) {
        let Some(measured) = parse(line) else { return };
        let mut all = self.all();
        // A build that says its sizes and the benchmark of sizes say the same thing twice.
        match all.iter_mut().find(|known| known.name == measured.name) {
            Some(known) => *known = measured,
            None => all.push(measured),
        }
    }
}

fn parse(line: &str) -> Option<Measurement> {
    let mut words = line.strip_prefix("bench ")?.split_whitespace();
    let (name, value, unit) = (words.next()?, words.next()?.parse().ok()?, words.next().unwrap_or(""));
    words.next().is_none().then(|| Measurement { name: name.to_owned(), value, unit: unit.to_owned() })
}

/// Short, and long enough to compare.
pub(super) fn number(value: f64) -> String {
    if value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_measurements_are_kept_and_others_are_not() {
        let results = Results::default();
        for line in [
            "bench a.b 12.5 us",
            "bench a.b 13 us",
            "bench ratio 2 x",
            "bench press",
            "a bench b 1 s",
            "bench a b c d",
        ] {
            results.line(line);
        }
        let names: Vec<_> = results.all().iter().map(|m| (m.name.clone(), m.value)).collect();
        assert_eq!(names, [("a.b".to_owned(), 13.0), ("ratio".to_owned(), 2.0)]);
    }
}
