//! Walks every cell of the table in the documentation: the text is the expectation.

use super::super::machine::{Phase, SubscriptionConfig};
use super::super::{Input, ResponseHead, Subscription, TimerKind};
use super::harness::{Sink, control, data, event, event_stream, outputs, ping, status, word};
use crate::{Failure, Millis, ReconnectConfig};

const TABLE: &str = include_str!("../table.md");
const START: Millis = Millis(1_000_000);

/// The columns: how a machine gets there.
fn machine_in(column: &str) -> Subscription {
    let reconnect = ReconnectConfig { jitter: false, max_attempts: 3, ..ReconnectConfig::default() };
    let mut machine = Subscription::new(SubscriptionConfig { reconnect, ..SubscriptionConfig::default() }, 1);
    let sink = &mut Sink::default();
    let steps: &[&str] = match column {
        "Idle" => &[],
        "Opening" => &["subscribe"],
        "Streaming" => &["subscribe", "200 event stream"],
        "Useful" => &["subscribe", "200 event stream", "bytes: ping"],
        "Waiting" => &["subscribe", "200 event stream", "bytes: ping", "failed"],
        "Lost" => &["subscribe", "400, 403 or 404"],
        "Closed" => &["subscribe", "200 event stream", "bytes: closing control"],
        "Ended" => &["subscribe", "unsubscribe"],
        other => panic!("no column {other}"),
    };
    for step in steps {
        apply(&mut machine, step, sink);
        outputs(&mut machine);
    }
    machine
}

fn apply(machine: &mut Subscription, row: &str, sink: &mut Sink) {
    let later = Millis(START.0 + 60_000);
    let first = |offset: &str| ResponseHead { first_offset: Some(offset.into()), ..status(410) };
    let bytes = |machine: &mut Subscription, bytes: &[u8], sink: &mut Sink| {
        machine.push(bytes);
        machine.drain(START, sink);
    };
    match row {
        "subscribe" => machine.handle(START, Input::Subscribe),
        "200 event stream" => machine.handle(START, Input::Response(event_stream())),
        "200 of another type" => machine.handle(
            START,
            Input::Response(ResponseHead { content_type: Some("text/html".into()), ..status(200) }),
        ),
        "204" => machine.handle(START, Input::Response(status(204))),
        "401" => machine.handle(START, Input::Response(status(401))),
        "401, again" => {
            machine.handle(START, Input::Response(status(401)));
            outputs(machine);
            machine.handle(START, Input::Response(status(401)));
        }
        "400, 403 or 404" => machine.handle(START, Input::Response(status(404))),
        "410 with first offset" => machine.handle(START, Input::Response(first("9"))),
        "410 with first offset, again" => {
            machine.handle(START, Input::Response(first("8")));
            outputs(machine);
            machine.handle(START, Input::Response(first("9")));
        }
        "410" => machine.handle(START, Input::Response(status(410))),
        "429, 5xx, other status" => machine.handle(START, Input::Response(status(503))),
        "body ended" => machine.handle(START, Input::BodyEnded),
        "body ended mid-frame" => {
            bytes(machine, b"data: [", sink);
            machine.handle(START, Input::BodyEnded);
        }
        "failed" => machine.handle(START, Input::Failed(Failure::network("refused"))),
        "failed, no attempts left" => {
            machine.config.reconnect.max_attempts = machine.attempt();
            machine.handle(START, Input::Failed(Failure::network("refused")));
        }
        "failed, reconnecting off" => {
            machine.config.reconnect.enabled = false;
            machine.handle(START, Input::Failed(Failure::network("refused")));
        }
        "retry timer" => machine.handle(START, Input::Timer(TimerKind::Retry)),
        "silence timer, early" => machine.handle(START, Input::Timer(TimerKind::Silence)),
        "silence timer, due" => machine.handle(later, Input::Timer(TimerKind::Silence)),
        "bytes: ping" => bytes(machine, &ping(), sink),
        "bytes: data" => bytes(machine, &data(&[event(1)]), sink),
        "bytes: control" => bytes(machine, &control("5", None, false), sink),
        "bytes: closing control" => bytes(machine, &control("5", None, true), sink),
        "bytes: broken data or control" => {
            bytes(machine, b"event: data\ndata: [{]\n\nevent: control\ndata: {}\n\n", sink);
        }
        "unsubscribe" => machine.handle(START, Input::Unsubscribe),
        "reconnect" => machine.handle(START, Input::Reconnect),
        "online" => machine.handle(START, Input::Online),
        "offline, then online" => {
            machine.handle(START, Input::Offline);
            assert_eq!(outputs(machine), [], "offline alone does nothing");
            machine.handle(START, Input::Online);
        }
        other => panic!("no row {other}"),
    }
}

/// The column that a machine now belongs to.
fn column_of(machine: &Subscription) -> &'static str {
    match machine.phase {
        Phase::Idle => "Idle",
        Phase::Opening => "Opening",
        Phase::Streaming if machine.is_useful() => "Useful",
        Phase::Streaming => "Streaming",
        Phase::Waiting => "Waiting",
        Phase::Lost => "Lost",
        Phase::Closed => "Closed",
        Phase::Ended => "Ended",
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn every_cell_of_the_table_holds() {
    let mut lines = TABLE.lines().filter(|line| line.starts_with('|'));
    let columns = cells(lines.next().unwrap());
    assert_eq!(
        columns[1..],
        ["Idle", "Opening", "Streaming", "Useful", "Waiting", "Lost", "Closed", "Ended"]
    );
    lines.next().unwrap();
    let (mut walked, mut actual, mut wrong) = (0, String::new(), false);
    for line in lines {
        let row = cells(line);
        actual.push_str(&format!("| {} |", row[0]));
        for (column, expected) in columns.iter().zip(&row).skip(1) {
            let mut machine = machine_in(column);
            assert_eq!(column_of(&machine), column);
            apply(&mut machine, &row[0], &mut Sink::default());
            let words: Vec<String> = outputs(&mut machine).iter().map(word).collect();
            let next = column_of(&machine);
            let cell = match (next == column, words.is_empty()) {
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
    assert_eq!(walked, 8 * 28, "rows are missing from the table");
}
