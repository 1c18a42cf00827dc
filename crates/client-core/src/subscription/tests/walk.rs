//! Walks the table at random in virtual time: wherever a history leads, the next step goes where its column says. What a
//! history adds to the table is modelled here: attempts used up, and what was asked for once already.

use proptest::prelude::*;

use super::super::Subscription;
use super::cells::{START, TABLE, apply, cells, column_of, machine_in};
use super::harness::{Sink, outputs};
use crate::Millis;

const MAX_ATTEMPTS: u32 = 3;

/// The steps of a walk: those rows that are one input.
fn steps() -> Vec<(String, Vec<String>)> {
    let rows = TABLE.lines().filter(|line| line.starts_with('|')).skip(2).map(cells);
    let single = rows.filter(|row| !row[0].contains("again") && !row[0].starts_with("failed, "));
    single.map(|row| (row[0].clone(), row[1..].to_vec())).collect()
}

/// What the table does not say, because it depends on how the machine came to its column.
#[derive(Debug, Default)]
struct History {
    attempt: u32,
    token_asked: bool,
    trimmed: bool,
    /// The network came back: the connection has less time to make itself heard.
    probing: bool,
}

impl History {
    /// Where this step leads, and whether that is a failure.
    fn expect(
        &self,
        row: &str,
        column: &str,
        cell: &str,
        machine: &Subscription,
    ) -> (Vec<&'static str>, bool) {
        let column_named = |name: &str| {
            let columns = ["Idle", "Opening", "Streaming", "Useful", "Waiting", "Lost", "Closed", "Ended"];
            columns.into_iter().find(|column| *column == name).unwrap()
        };
        let next = cell.split(':').next().unwrap();
        let next = column_named(if next == "-" { column } else { next });
        let failure = [if self.attempt < MAX_ATTEMPTS { "Waiting" } else { "Lost" }];
        match row {
            "401" if column == "Opening" && self.token_asked => (vec!["Lost"], false),
            "410 with first offset" if column == "Opening" => {
                let is_ahead = machine.cursor().is_none_or(|cursor| cursor.as_str() < "9");
                match (is_ahead, self.trimmed) {
                    (false, _) => (vec!["Lost"], false),
                    (true, true) => (failure.to_vec(), true),
                    (true, false) => (vec!["Opening"], false),
                }
            }
            // Ends that come too soon to be rotations are paced.
            "body ended" if column == "Useful" => (vec!["Opening", "Waiting"], false),
            "woke, heard lately" if self.probing => (vec![next, "Opening"], false),
            _ if next == "Waiting" && column != "Waiting" => (failure.to_vec(), true),
            _ => (vec![next], false),
        }
    }

    fn note(&mut self, row: &str, column: &str, next: &str, failed: bool) {
        let starts = matches!(row, "subscribe" | "reconnect")
            && next == "Opening"
            && (row == "reconnect" || column == "Idle");
        if starts || matches!(next, "Useful" | "Closed") {
            *self = Self { probing: self.probing && !starts, ..Self::default() };
        }
        self.attempt += u32::from(failed && next == "Waiting");
        self.token_asked |= row == "401" && column == "Opening";
        self.trimmed |= row == "410 with first offset" && column == "Opening";
        self.probing |= row.starts_with("offline");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn every_step_of_a_walk_goes_where_the_table_says(walk in proptest::collection::vec(any::<proptest::sample::Index>(), 1..120)) {
        let steps = steps();
        let mut machine = machine_in("Idle");
        let mut history = History::default();
        let mut now = START;
        for choice in walk {
            let (row, cells) = choice.get(&steps);
            // An end for good, now and then only, or no walk would go far.
            if row == "unsubscribe" && choice.index(97) != 0 {
                continue;
            }
            let column = column_of(&machine);
            let at = ["Idle", "Opening", "Streaming", "Useful", "Waiting", "Lost", "Closed", "Ended"];
            let cell = &cells[at.iter().position(|name| *name == column).unwrap()];
            let (allowed, failed) = history.expect(row, column, cell, &machine);
            apply(&mut machine, row, now, &mut Sink::default());
            outputs(&mut machine);
            let next = column_of(&machine);
            prop_assert!(allowed.contains(&next), "{row} in {column}: {next} instead of {allowed:?}; {history:?}");
            history.note(row, column, next, failed);
            prop_assert_eq!(machine.attempt(), history.attempt, "after {} in {}", row, column);
            now = Millis(now.0 + if row.contains("due") || row.contains("long silent") { 60_000 } else { 0 });
        }
    }
}
