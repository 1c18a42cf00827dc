//! Walks every cell of the table in the documentation: the text is the expectation.

use super::super::machine::{Phase, SubscriptionConfig};
use super::super::{Input, ResponseHead, Subscription, TimerKind};
use super::harness::{Sink, control, data, ephemeral, event, event_stream, outputs, ping, status, word};
use crate::{Failure, Millis, ReconnectConfig};

pub(super) const TABLE: &str = include_str!("../table.md");
pub(super) const START: Millis = Millis(1_000_000);

/// The columns: how a machine gets there.
pub(super) fn machine_in(column: &str) -> Subscription {
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
        apply(&mut machine, step, START, sink);
        outputs(&mut machine);
    }
    machine
}

/// Does what a row says, at a time.
pub(super) fn apply(machine: &mut Subscription, row: &str, start: Millis, sink: &mut Sink) {
    let later = Millis(start.0 + 60_000);
    let first = |offset: &str| ResponseHead { first_offset: Some(offset.into()), ..status(410) };
    let bytes = |machine: &mut Subscription, bytes: &[u8], sink: &mut Sink| {
        machine.push(bytes);
        machine.drain(start, sink);
    };
    match row {
        "subscribe" => machine.handle(start, Input::Subscribe),
        "200 event stream" => machine.handle(start, Input::Response(event_stream())),
        "200 of another type" => machine.handle(
            start,
            Input::Response(ResponseHead { content_type: Some("text/html".into()), ..status(200) }),
        ),
        "204" => machine.handle(start, Input::Response(status(204))),
        "401" => machine.handle(start, Input::Response(status(401))),
        "401, again" => {
            machine.handle(start, Input::Response(status(401)));
            outputs(machine);
            machine.handle(start, Input::Response(status(401)));
        }
        "400, 403 or 404" => machine.handle(start, Input::Response(status(404))),
        "410 with first offset" => machine.handle(start, Input::Response(first("9"))),
        "410 with first offset, again" => {
            machine.handle(start, Input::Response(first("8")));
            outputs(machine);
            machine.handle(start, Input::Response(first("9")));
        }
        "410" => machine.handle(start, Input::Response(status(410))),
        "429, 5xx, other status" => machine.handle(start, Input::Response(status(503))),
        "body ended" => machine.handle(start, Input::BodyEnded),
        "body ended mid-frame" => {
            bytes(machine, b"data: [", sink);
            machine.handle(start, Input::BodyEnded);
        }
        "failed" => machine.handle(start, Input::Failed(Failure::network("refused"))),
        "failed, no attempts left" => {
            machine.config.reconnect.max_attempts = machine.attempt();
            machine.handle(start, Input::Failed(Failure::network("refused")));
        }
        "failed, reconnecting off" => {
            machine.config.reconnect.enabled = false;
            machine.handle(start, Input::Failed(Failure::network("refused")));
        }
        "retry timer" => machine.handle(start, Input::Timer(TimerKind::Retry)),
        "silence timer, early" => machine.handle(start, Input::Timer(TimerKind::Silence)),
        "silence timer, due" => machine.handle(later, Input::Timer(TimerKind::Silence)),
        "bytes: ping" => bytes(machine, &ping(), sink),
        "bytes: data" => bytes(machine, &data(&[event(1)]), sink),
        "bytes: control" => bytes(machine, &control("5", None, false), sink),
        "bytes: closing control" => bytes(machine, &control("5", None, true), sink),
        "bytes: ephemeral" => bytes(machine, &ephemeral(1), sink),
        "bytes: broken data or control" => {
            bytes(machine, b"event: data\ndata: [{]\n\nevent: control\ndata: {}\n\n", sink);
        }
        "unsubscribe" => machine.handle(start, Input::Unsubscribe),
        "reconnect" => machine.handle(start, Input::Reconnect),
        "pause" => machine.handle(start, Input::Pause),
        "woke, heard lately" => machine.handle(Millis(start.0 + 5_000), Input::Woke),
        "woke, long silent" => machine.handle(later, Input::Woke),
        "online" => machine.handle(start, Input::Online),
        "offline, then online" => {
            machine.handle(start, Input::Offline);
            assert_eq!(outputs(machine), [], "offline alone does nothing");
            machine.handle(start, Input::Online);
        }
        other => panic!("no row {other}"),
    }
}

/// The column that a machine now belongs to.
pub(super) fn column_of(machine: &Subscription) -> &'static str {
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

pub(super) fn cells(line: &str) -> Vec<String> {
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
            apply(&mut machine, &row[0], START, &mut Sink::default());
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
    assert_eq!(walked, 8 * 32, "rows are missing from the table");
}

/// People read `docs/reconnection.md`, which is not in the package; it holds the same text.
#[test]
fn the_page_has_this_table() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reconnection.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(TABLE), "docs/reconnection.md must hold src/subscription/table.md word for word");
}
