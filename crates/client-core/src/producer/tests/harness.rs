//! What the tests share: one-batch steps and short forms of outputs.

use super::super::*;
use crate::{Failure, Millis};

pub(super) const NOW: Millis = Millis(0);

/// One batch at a time.
pub(super) fn config() -> ProducerConfig {
    ProducerConfig { in_flight_max: 1, ..ProducerConfig::new("p".parse().unwrap()) }
}

/// Everything that is put out when each request is written at once.
pub(super) fn outputs(machine: &mut Producer) -> Vec<ProducerOutput> {
    let mut outputs = Vec::new();
    while let Some(output) = machine.next_output() {
        if let ProducerOutput::Send(request) = &output {
            machine.handle(NOW, ProducerInput::Sent { seq: request.claim.seq });
        }
        outputs.push(output);
    }
    outputs
}

pub(super) fn sent(outputs: &[ProducerOutput]) -> Option<(String, u64, u64)> {
    outputs.iter().rev().find_map(|output| match output {
        ProducerOutput::Send(request) => Some((
            String::from_utf8(request.body.clone()).unwrap(),
            request.claim.epoch.number(),
            request.claim.seq.number(),
        )),
        _ => None,
    })
}

pub(super) fn answer(machine: &mut Producer, status: u16) -> Vec<ProducerOutput> {
    answer_with(machine, AppendAnswer { status, ..AppendAnswer::default() })
}

pub(super) fn answer_with(machine: &mut Producer, answer: AppendAnswer) -> Vec<ProducerOutput> {
    let seq = machine.next_seq().unwrap();
    machine.handle(NOW, ProducerInput::Answer { seq, answer });
    outputs(machine)
}

pub(super) fn failures(outputs: &[ProducerOutput]) -> Vec<(std::ops::Range<u64>, AppendError)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            ProducerOutput::Failed { messages, error } => Some((messages.clone(), error.clone())),
            _ => None,
        })
        .collect()
}

pub(super) fn flush_results(outputs: &[ProducerOutput]) -> Vec<Result<(), AppendError>> {
    let results = outputs.iter().filter_map(|output| match output {
        ProducerOutput::Flushed { result, .. } => Some(result.clone()),
        _ => None,
    });
    results.collect()
}

/// The first batch gets no answer.
pub(super) fn break_off(machine: &mut Producer, failure: Failure) {
    let seq = machine.next_seq().unwrap();
    machine.handle(NOW, ProducerInput::Failed { seq, failure });
}

/// The first batch is answered with a status; the outputs wait.
pub(super) fn reply(machine: &mut Producer, status: u16) {
    let seq = machine.next_seq().unwrap();
    let answer = AppendAnswer { status, ..AppendAnswer::default() };
    machine.handle(NOW, ProducerInput::Answer { seq, answer });
}
