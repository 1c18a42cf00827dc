//! Walks every cell of the table in the documentation: the text is the expectation.

use super::super::*;
use super::harness::{NOW, config, outputs};
use crate::{Failure, ReconnectConfig};
use durable_sessions_protocol::ProducerSeq;

const TABLE: &str = include_str!("../table.md");

fn seq(number: u64) -> ProducerSeq {
    ProducerSeq::new(number).unwrap()
}

/// An established producer with batches 1 and 2 of two messages each under way and two messages waiting.
fn machine_in(column: &str) -> Producer {
    let retry = ReconnectConfig { jitter: false, ..ReconnectConfig::default() };
    let config = ProducerConfig { in_flight_max: 2, batch_messages_max: 2, retry, ..config() };
    let mut machine = Producer::new(config, 1);
    for n in 0..7 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    reply(&mut machine, 0, AppendAnswer { status: 200, ..AppendAnswer::default() });
    outputs(&mut machine);
    if column == "First, in doubt" {
        machine.handle(NOW, ProducerInput::Failed { seq: seq(1), failure: Failure::network("reset") });
        reply(&mut machine, 2, gap(2));
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
    }
    outputs(&mut machine);
    machine
}

fn reply(machine: &mut Producer, number: u64, answer: AppendAnswer) {
    machine.handle(NOW, ProducerInput::Answer { seq: seq(number), answer });
}

fn gap(sent: u64) -> AppendAnswer {
    AppendAnswer { status: 409, expected_seq: Some(sent - 1), ..AppendAnswer::default() }
}

fn apply(machine: &mut Producer, row: &str, number: u64) {
    let status = |status| AppendAnswer { status, ..AppendAnswer::default() };
    match row {
        "200" => reply(machine, number, status(200)),
        "204, a duplicate" => reply(machine, number, status(204)),
        "none: the network" => machine
            .handle(NOW, ProducerInput::Failed { seq: seq(number), failure: Failure::network("reset") }),
        "none: no token" => {
            machine.handle(NOW, ProducerInput::Failed { seq: seq(number), failure: Failure::token("none") });
        }
        "none: timeout" => machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout)),
        "408, 425, 429, 5xx but 501" => reply(machine, number, status(503)),
        "401" => reply(machine, number, status(401)),
        "401, again" => {
            reply(machine, number, status(401));
            outputs(machine);
            reply(machine, number, status(401));
        }
        "400 or 413" => reply(machine, number, status(413)),
        "403 with an epoch" => {
            reply(machine, number, AppendAnswer { producer_epoch: Some(4), ..status(403) });
        }
        "409, closed" => reply(machine, number, AppendAnswer { closed: true, ..status(409) }),
        "409, a gap" => reply(machine, number, gap(number)),
        "404, 501 or another status" => reply(machine, number, status(501)),
        other => panic!("no row {other}"),
    }
}

fn word(output: &ProducerOutput) -> String {
    let timer = |kind: &ProducerTimer| match kind {
        ProducerTimer::Retry => "retry",
        ProducerTimer::Timeout => "timeout",
    };
    match output {
        ProducerOutput::Send(request) if request.fresh_token => "send-fresh".into(),
        ProducerOutput::Send(_) => "send".into(),
        ProducerOutput::Abort(_) => "abort".into(),
        ProducerOutput::SetTimer { kind, .. } => format!("+{}", timer(kind)),
        ProducerOutput::CancelTimer(kind) => format!("-{}", timer(kind)),
        ProducerOutput::Acked { messages, .. } => format!("acked({})", messages.end - messages.start),
        ProducerOutput::Failed { messages, error } => {
            format!("lost({}){}", messages.end - messages.start, error.code())
        }
        ProducerOutput::Flushed { .. } => "flushed".into(),
        ProducerOutput::RetryScheduled { attempt, .. } => format!("attempt{attempt}"),
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn every_cell_of_the_table_holds() {
    let mut lines = TABLE.lines().filter(|line| line.starts_with('|'));
    let columns = cells(lines.next().unwrap());
    assert_eq!(columns[1..], ["First", "First, in doubt", "Behind"]);
    lines.next().unwrap();
    let (mut walked, mut actual, mut wrong) = (0, String::new(), false);
    for line in lines {
        let row = cells(line);
        actual.push_str(&format!("| {} |", row[0]));
        for (column, expected) in columns.iter().zip(&row).skip(1) {
            let mut machine = machine_in(column);
            apply(&mut machine, &row[0], if column == "Behind" { 2 } else { 1 });
            let words: Vec<String> = outputs(&mut machine).iter().map(word).collect();
            let cell = if words.is_empty() { "-".to_owned() } else { words.join(" ") };
            wrong |= cell != *expected;
            actual.push_str(&format!(" {cell} |"));
            walked += 1;
        }
        actual.push('\n');
    }
    assert!(!wrong, "the machine does:\n{actual}");
    assert_eq!(walked, 3 * 13, "rows are missing from the table");
}
