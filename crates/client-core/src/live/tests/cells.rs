//! Walks every cell of the table in the documentation: the text is the expectation.

use super::super::*;
use super::harness::{NOW, Sink, control_frame, event, events, outputs, page, status, typed, word};
use crate::{Failure, Millis};

const TABLE: &str = include_str!("../table.md");
const COLUMNS: [&str; 6] = ["SSE asked", "SSE begun", "SSE live", "Poll tried", "Poll asked", "Page"];
const ROWS: usize = 22;

/// The columns: how a machine gets there.
fn machine_in(column: &str) -> Live<Events> {
    let mut machine = events(LiveConfig::default());
    machine.handle(NOW, LiveInput::Subscribe);
    let steps: &[&str] = match column {
        "SSE asked" => &[],
        "SSE begun" => &["200 event stream"],
        "SSE live" => &["200 event stream", "bytes"],
        "Poll tried" => &["405, 406, 415, 501"],
        "Poll asked" => &["405, 406, 415, 501", "200 JSON", "body ended"],
        "Page" => &["405, 406, 415, 501", "200 JSON"],
        other => panic!("no column {other}"),
    };
    for step in steps {
        outputs(&mut machine);
        apply(&mut machine, step, column);
    }
    outputs(&mut machine);
    assert_eq!(machine.column(), column);
    machine
}

fn apply(machine: &mut Live<Events>, row: &str, column: &str) {
    let later = Millis(NOW.0 + 100_000);
    let sink = &mut Sink::default();
    let mut respond = |head: LiveHead| machine.handle(NOW, LiveInput::Response(head));
    match row {
        "200 event stream" => respond(typed("text/event-stream")),
        "200 JSON" => respond(page(200, "t1")),
        "200 JSON without an offset" => respond(typed("application/json")),
        "200 HTML" => respond(LiveHead { next_offset: Some("t1".into()), ..typed("text/html") }),
        "204" => respond(page(204, "t1")),
        "400" => respond(status(400)),
        "401" => respond(status(401)),
        "403 or 404" => respond(status(404)),
        "405, 406, 415, 501" => respond(status(406)),
        "429 or 503 that offers long-poll" => {
            respond(LiveHead { offers_long_poll: true, ..status(503) });
        }
        "429, 5xx" => respond(status(503)),
        "failed" => machine.handle(NOW, LiveInput::Failed(Failure::network("reset"))),
        "stall timer" => machine.handle(NOW, LiveInput::Timer(LiveTimer::Stall)),
        "silence timer, early" => machine.handle(NOW, LiveInput::Timer(LiveTimer::Silence)),
        "silence timer, due" => machine.handle(later, LiveInput::Timer(LiveTimer::Silence)),
        "bytes" => {
            machine.push(if column == "Page" { b"[" } else { b": ping\n\n" });
            machine.drain(NOW, sink);
        }
        "bytes, then the stream is closed" => {
            machine.push(if column == "Page" { b"[]" } else { &[] });
            machine.push(&if column == "Page" { Vec::new() } else { control_frame("t9", true) });
            machine.drain(NOW, sink);
        }
        "body ended" => machine.body_ended(NOW, sink),
        "body ended with a message" => {
            machine.push(format!("[{}]", event(1)).as_bytes());
            machine.body_ended(NOW, sink);
        }
        "reconnect" => machine.handle(NOW, LiveInput::Reconnect),
        "unsubscribe" => machine.handle(NOW, LiveInput::Unsubscribe),
        "subscribe, online, retry timer" => {
            machine.handle(NOW, LiveInput::Subscribe);
            machine.handle(NOW, LiveInput::Online);
            machine.handle(NOW, LiveInput::Timer(LiveTimer::Retry));
        }
        other => panic!("no row {other}"),
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn every_cell_of_the_table_holds() {
    let mut lines = TABLE.lines().filter(|line| line.starts_with('|'));
    assert_eq!(cells(lines.next().unwrap())[1..], COLUMNS);
    lines.next().unwrap();
    let (mut walked, mut actual, mut wrong) = (0, String::new(), false);
    for line in lines {
        let row = cells(line);
        actual.push_str(&format!("| {} |", row[0]));
        for (column, expected) in COLUMNS.iter().zip(row.get(1..).unwrap_or_default()) {
            let mut machine = machine_in(column);
            apply(&mut machine, &row[0], column);
            let words: Vec<String> = outputs(&mut machine).iter().map(word).collect();
            let next = machine.column();
            let cell = match (next == *column, words.is_empty()) {
                (true, true) => "-".to_owned(),
                (_, true) => next.to_owned(),
                _ => format!("{next}: {}", words.join(" ")),
            };
            wrong |= cell != *expected;
            actual.push_str(&format!(" {cell} |"));
            walked += 1;
        }
        actual.push('\n');
    }
    assert!(!wrong, "the machine does:\n{actual}");
    assert_eq!(walked, COLUMNS.len() * ROWS, "rows are missing from the table");
}
