//! The producer against a server of the protocol and a network that loses, delays, repeats the order of nothing, and
//! delivers requests long after their sender has given them up.

use std::collections::{BTreeSet, VecDeque};

use durable_sessions_protocol::ProducerSeq;
use proptest::prelude::*;

use super::super::*;
use super::harness::{NOW, config};
use crate::Failure;

/// What becomes of the oldest request, or of another one.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answered,
    RequestLost,
    AnswerLost,
    /// The sender gives up; the request arrives later.
    Delayed,
    /// Nothing is done.
    Status(u16),
}

/// One thing that happens: to which of the requests under way, counted from the oldest, and what.
type Step = (usize, Fate);

/// A server of the protocol: producer state and log change together.
#[derive(Default)]
struct Server {
    log: Vec<u64>,
    last: Option<u64>,
    poison: BTreeSet<u64>,
    closed_after: Option<usize>,
}

impl Server {
    fn append(&mut self, request: &AppendRequest) -> AppendAnswer {
        let seq = request.claim.seq.number();
        let expected = self.last.map_or(0, |last| last + 1);
        let status = |status| AppendAnswer { status, ..AppendAnswer::default() };
        let text = std::str::from_utf8(&request.body).unwrap().trim_matches(['[', ']']);
        let messages: Vec<u64> = text.split(',').map(|n| n.parse().unwrap()).collect();
        if seq >= expected && self.closed_after.is_some_and(|len| self.log.len() >= len) {
            return AppendAnswer { closed: true, ..status(409) };
        }
        if messages.iter().any(|n| self.poison.contains(n)) {
            return status(400);
        }
        match seq {
            seq if seq < expected => status(204),
            seq if seq > expected => AppendAnswer { expected_seq: Some(expected), ..status(409) },
            _ => {
                self.last = Some(seq);
                self.log.extend(messages);
                status(200)
            }
        }
    }
}

/// What became of all messages.
#[derive(Default)]
struct Outcome {
    acked: Vec<u64>,
    lost: BTreeSet<u64>,
    flushed: Option<Result<(), AppendError>>,
    in_flight_most: usize,
    ended: bool,
}

/// Requests under way, and those that their sender has given up and that may arrive all the same.
#[derive(Default)]
struct Network {
    requests: VecDeque<AppendRequest>,
    strays: VecDeque<AppendRequest>,
}

/// Appends `count` messages, `pace` at a time, and flushes; after its steps the network is well.
fn run(machine: &mut Producer, server: &mut Server, count: u64, pace: usize, steps: Vec<Step>) -> Outcome {
    let mut steps = steps.into_iter();
    let (mut todo, mut network, mut outcome) = (0..count, Network::default(), Outcome::default());
    let mut retrying = false;
    for _ in 0..20_000 {
        for n in todo.by_ref().take(pace) {
            if machine.append(NOW, n.to_string().as_bytes()).is_err() {
                outcome.lost.insert(n);
            }
            if n + 1 == count {
                machine.flush();
            }
        }
        while let Some(output) = machine.next_output() {
            match output {
                ProducerOutput::Send(request) => {
                    assert!(!outcome.ended, "invariant 5");
                    machine.handle(NOW, ProducerInput::Sent { seq: request.claim.seq });
                    network.requests.push_back(request);
                }
                ProducerOutput::Abort(seq) => {
                    let at = network.requests.iter().position(|request| request.claim.seq == seq).unwrap();
                    network.strays.extend(network.requests.remove(at));
                }
                ProducerOutput::SetTimer { kind: ProducerTimer::Retry, .. } => retrying = true,
                ProducerOutput::CancelTimer(ProducerTimer::Retry) => retrying = false,
                ProducerOutput::Acked { messages, .. } => outcome.acked.extend(messages),
                ProducerOutput::Failed { messages, error } => {
                    outcome.ended |= !matches!(error, AppendError::Refused { .. });
                    outcome.lost.extend(messages);
                }
                ProducerOutput::Flushed { result, .. } => outcome.flushed = Some(result),
                _ => {}
            }
        }
        outcome.in_flight_most = outcome.in_flight_most.max(network.requests.len());
        if network.requests.is_empty() {
            if std::mem::take(&mut retrying) {
                machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
            } else if outcome.flushed.is_some() {
                break;
            }
            continue;
        }
        let (which, fate) = steps.next().unwrap_or((0, Fate::Answered));
        // Strays arrive whenever, and nobody hears their answers.
        if which % 3 == 2
            && let Some(stray) = network.strays.pop_front()
        {
            server.append(&stray);
        }
        deliver(machine, server, &mut network, which, fate);
    }
    for stray in network.strays {
        server.append(&stray);
    }
    outcome
}

fn deliver(machine: &mut Producer, server: &mut Server, network: &mut Network, which: usize, fate: Fate) {
    let at = which % network.requests.len();
    let request = network.requests.remove(at).unwrap();
    let seq: ProducerSeq = request.claim.seq;
    let failed = ProducerInput::Failed { seq, failure: Failure::network("reset") };
    let input = match fate {
        Fate::Answered => ProducerInput::Answer { seq, answer: server.append(&request) },
        Fate::RequestLost => failed,
        Fate::AnswerLost => {
            server.append(&request);
            failed
        }
        Fate::Delayed => {
            network.strays.push_back(request);
            failed
        }
        Fate::Status(status) => {
            ProducerInput::Answer { seq, answer: AppendAnswer { status, ..AppendAnswer::default() } }
        }
    };
    machine.handle(NOW, input);
}

fn steps(statuses: Vec<u16>) -> impl Strategy<Value = Vec<Step>> {
    let fate = prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::RequestLost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Delayed),
        1 => proptest::sample::select(statuses).prop_map(Fate::Status),
    ];
    proptest::collection::vec((0usize..6, fate), 0..120)
}

fn producer(batch: usize, window: usize, seed: u64) -> Producer {
    Producer::new(ProducerConfig { batch_messages_max: batch, in_flight_max: window, ..config() }, seed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn transient_faults_cost_nothing_however_many_batches_are_under_way(
        count in 1u64..60, steps in steps(vec![408, 425, 429, 500, 503]),
        pace in 1usize..8, batch in 1usize..9, window in 1usize..6, seed: u64,
    ) {
        let mut machine = producer(batch, window, seed);
        let mut server = Server::default();
        let outcome = run(&mut machine, &mut server, count, pace, steps);
        let all: Vec<u64> = (0..count).collect();
        prop_assert_eq!(&server.log, &all, "once and in order");
        prop_assert_eq!(outcome.acked, all);
        prop_assert_eq!(outcome.flushed, Some(Ok(())));
        prop_assert!(outcome.in_flight_most <= window, "invariant 4");
    }

    #[test]
    fn a_bad_message_alone_is_lost_and_one_batch_at_a_time_always_goes_on(
        count in 1u64..60, poison in proptest::collection::btree_set(0u64..60, 0..4),
        steps in steps(vec![503]), pace in 1usize..8, batch in 1usize..9, seed: u64,
    ) {
        let mut machine = producer(batch, 1, seed);
        let mut server = Server { poison, ..Server::default() };
        let outcome = run(&mut machine, &mut server, count, pace, steps);
        let expected: Vec<u64> = (0..count).filter(|n| !server.poison.contains(n)).collect();
        prop_assert_eq!(&server.log, &expected);
        prop_assert_eq!(outcome.acked, expected);
        prop_assert!(outcome.lost.iter().all(|n| server.poison.contains(n)));
        let result = if outcome.lost.is_empty() { Ok(()) } else { Err(AppendError::Refused { status: 400 }) };
        prop_assert_eq!(outcome.flushed, Some(result));
    }

    #[test]
    fn no_refusal_on_the_way_makes_an_acknowledgement_a_lie(
        count in 1u64..60, poison in proptest::collection::btree_set(0u64..60, 0..3),
        steps in steps(vec![401, 403, 404, 429, 500, 503]),
        closed_after in proptest::option::weighted(0.3, 0usize..60),
        pace in 1usize..8, batch in 1usize..9, window in 1usize..6, seed: u64,
    ) {
        let mut machine = producer(batch, window, seed);
        let mut server = Server { poison, closed_after, ..Server::default() };
        let outcome = run(&mut machine, &mut server, count, pace, steps);
        prop_assert!(server.log.is_sorted_by(|a, b| a < b), "doubled or out of order: {:?}", server.log);
        prop_assert!(outcome.acked.iter().all(|n| server.log.contains(n)), "acknowledged and not stored");
        prop_assert!(outcome.acked.is_sorted_by(|a, b| a < b), "acknowledged twice");
        prop_assert_eq!(outcome.acked.len() + outcome.lost.len(), count as usize, "invariant 1");
        prop_assert_eq!(outcome.flushed.map(|result| result.is_ok()), Some(outcome.lost.is_empty()));
        prop_assert!(outcome.in_flight_most <= window, "invariant 4");
    }
}
