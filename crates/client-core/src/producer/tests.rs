use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::{Cause, Failure, Millis, ReconnectConfig};

const NOW: Millis = Millis(0);

fn config() -> ProducerConfig {
    ProducerConfig::new("p".parse().unwrap())
}

fn outputs(machine: &mut Producer) -> Vec<ProducerOutput> {
    std::iter::from_fn(|| machine.next_output()).collect()
}

fn sent(outputs: &[ProducerOutput]) -> Option<(String, u64, u64)> {
    outputs.iter().rev().find_map(|output| match output {
        ProducerOutput::Send(request) => Some((
            String::from_utf8(request.body.clone()).unwrap(),
            request.claim.epoch.number(),
            request.claim.seq.number(),
        )),
        _ => None,
    })
}

fn answer(machine: &mut Producer, status: u16) -> Vec<ProducerOutput> {
    answer_with(machine, AppendAnswer { status, ..AppendAnswer::default() })
}

fn answer_with(machine: &mut Producer, answer: AppendAnswer) -> Vec<ProducerOutput> {
    machine.handle(NOW, ProducerInput::Answer(answer));
    outputs(machine)
}

fn failures(outputs: &[ProducerOutput]) -> Vec<(std::ops::Range<u64>, AppendError)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            ProducerOutput::Failed { messages, error } => Some((messages.clone(), error.clone())),
            _ => None,
        })
        .collect()
}

fn flush_results(outputs: &[ProducerOutput]) -> Vec<Result<(), AppendError>> {
    let results = outputs.iter().filter_map(|output| match output {
        ProducerOutput::Flushed { result, .. } => Some(result.clone()),
        _ => None,
    });
    results.collect()
}

#[test]
fn one_batch_is_in_flight_and_the_rest_becomes_the_next() {
    let mut machine = Producer::new(config(), 1);
    assert_eq!(machine.append(NOW, b"0"), Ok(0));
    assert_eq!(sent(&outputs(&mut machine)), Some(("[0]".into(), 0, 0)));
    machine.append(NOW, b"1").unwrap();
    machine.append(NOW, b"{\"n\":2}").unwrap();
    machine.flush();
    assert_eq!(outputs(&mut machine), []);
    let next = answer(&mut machine, 200);
    assert_eq!(sent(&next), Some(("[1,{\"n\":2}]".into(), 0, 1)));
    assert_eq!(flush_results(&next), []);
    let done = answer_with(
        &mut machine,
        AppendAnswer { status: 204, next_offset: Some("t3".into()), ..AppendAnswer::default() },
    );
    let at = AckedAt { next_offset: Some("t3".parse().unwrap()), duplicate: true };
    assert!(done.contains(&ProducerOutput::Acked { messages: 1..3, at }));
    assert_eq!((flush_results(&done), machine.pending(), machine.pending_bytes()), (vec![Ok(())], 0, 0));
}

#[test]
fn a_batch_is_repeated_with_its_number_until_it_is_answered() {
    let mut machine = Producer::new(config(), 1);
    machine.append(NOW, b"0").unwrap();
    let first = sent(&outputs(&mut machine));
    machine.append(NOW, b"1").unwrap();
    let interruptions: [fn(&mut Producer); 5] = [
        |m| m.handle(NOW, ProducerInput::Failed(Failure::network("reset"))),
        |m| m.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout)),
        |m| m.handle(NOW, ProducerInput::Answer(AppendAnswer { status: 503, ..AppendAnswer::default() })),
        |m| m.handle(NOW, ProducerInput::Answer(AppendAnswer { status: 408, ..AppendAnswer::default() })),
        |m| {
            let slow = AppendAnswer { status: 429, retry_after_ms: Some(70_000), ..AppendAnswer::default() };
            m.handle(NOW, ProducerInput::Answer(slow));
        },
    ];
    for (n, interrupt) in interruptions.iter().enumerate() {
        interrupt(&mut machine);
        let waiting = outputs(&mut machine);
        assert_eq!(sent(&waiting), None);
        let Some(ProducerOutput::RetryScheduled { attempt, delay_ms, .. }) = waiting.last() else {
            panic!("{waiting:?}")
        };
        assert_eq!(*attempt as usize, n + 1);
        assert!(n < 4 || *delay_ms == 70_000);
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
        assert_eq!(sent(&outputs(&mut machine)), first);
    }
    assert_eq!(sent(&answer(&mut machine, 200)), Some(("[1]".into(), 0, 1)));
}

#[test]
fn a_refusal_fails_exactly_the_messages_concerned_and_their_number_is_used_again() {
    for status in [400, 403, 404, 409, 410, 413] {
        let mut machine = Producer::new(config(), 1);
        machine.append(NOW, b"0").unwrap();
        outputs(&mut machine);
        machine.append(NOW, b"1").unwrap();
        machine.flush();
        let next = answer(&mut machine, status);
        assert_eq!(failures(&next), [(0..1, AppendError::Refused { status })]);
        assert_eq!(sent(&next), Some(("[1]".into(), 0, 0)));
        let done = answer(&mut machine, 200);
        // The loss is told once.
        assert_eq!(flush_results(&done), [Err(AppendError::Refused { status })]);
        machine.flush();
        assert_eq!(flush_results(&outputs(&mut machine)), [Ok(())]);
    }
}

#[test]
fn a_batch_that_may_have_arrived_and_is_then_refused_ends_the_producer() {
    // Its number may be taken at the server: the next batch under it would be acknowledged as a repetition, unstored.
    let interruptions: [fn(&mut Producer); 3] = [
        |m| m.handle(NOW, ProducerInput::Failed(Failure::network("reset"))),
        |m| m.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout)),
        |m| m.handle(NOW, ProducerInput::Answer(AppendAnswer { status: 500, ..AppendAnswer::default() })),
    ];
    for interrupt in interruptions {
        let mut machine = Producer::new(config(), 1);
        machine.append(NOW, b"0").unwrap();
        machine.append(NOW, b"1").unwrap();
        interrupt(&mut machine);
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
        outputs(&mut machine);
        assert!(sent(&answer(&mut machine, 401)).is_some(), "the token is still asked for once more");
        let out = answer(&mut machine, 401);
        assert_eq!(
            failures(&out),
            [(0..1, AppendError::Refused { status: 401 }), (1..2, AppendError::ProducerFailed)]
        );
        assert_eq!(sent(&out), None);
        assert_eq!(machine.append(NOW, b"2"), Err(Refused::Failed));
    }
    // Without a token no request left, and 429 says that nothing was done: nothing is in doubt.
    let harmless: [fn(&mut Producer); 2] = [
        |m| m.handle(NOW, ProducerInput::Failed(Failure::token("none"))),
        |m| m.handle(NOW, ProducerInput::Answer(AppendAnswer { status: 429, ..AppendAnswer::default() })),
    ];
    for interrupt in harmless {
        let mut machine = Producer::new(config(), 1);
        machine.append(NOW, b"0").unwrap();
        machine.append(NOW, b"1").unwrap();
        interrupt(&mut machine);
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
        outputs(&mut machine);
        assert_eq!(sent(&answer(&mut machine, 404)), Some(("[1]".into(), 0, 0)));
    }
}

#[test]
fn an_invalid_message_is_found_by_halving_its_batch() {
    let mut machine = Producer::new(config(), 1);
    machine.append(NOW, b"\"first\"").unwrap();
    outputs(&mut machine);
    for n in 0..9 {
        machine.append(NOW, format!("{n}").as_bytes()).unwrap();
    }
    let mut out = answer(&mut machine, 200);
    let (mut stored, mut failed) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        failed.extend(failures(&out));
        let Some((body, _, _)) = sent(&out) else { break };
        let bad = body.contains('5');
        if !bad {
            stored.push(body);
        }
        out = answer(&mut machine, if bad { 400 } else { 200 });
    }
    assert_eq!(failed, [(6..7, AppendError::Refused { status: 400 })]);
    let numbers: String = stored.concat().chars().filter(char::is_ascii_digit).collect();
    assert_eq!(numbers, "01234678");
}

#[test]
fn a_refused_token_is_asked_for_once_more() {
    let mut machine = Producer::new(config(), 1);
    machine.append(NOW, b"0").unwrap();
    outputs(&mut machine);
    let again = answer(&mut machine, 401);
    assert!(again.iter().any(|o| matches!(o, ProducerOutput::Send(request) if request.fresh_token)));
    assert_eq!(failures(&answer(&mut machine, 401)), [(0..1, AppendError::Refused { status: 401 })]);
}

#[test]
fn a_newer_epoch_fences_unless_it_may_be_claimed() {
    let fenced = AppendAnswer { status: 403, producer_epoch: Some(4), ..AppendAnswer::default() };
    let mut machine = Producer::new(config(), 1);
    machine.append(NOW, b"0").unwrap();
    machine.append(NOW, b"1").unwrap();
    machine.flush();
    let out = answer_with(&mut machine, fenced.clone());
    let error = AppendError::Fenced { epoch: Some(4u64.to_string().parse().unwrap()) };
    assert_eq!(failures(&out), [(0..1, error.clone()), (1..2, error.clone())]);
    assert_eq!(flush_results(&out), [Err(error)]);
    assert_eq!(machine.append(NOW, b"2"), Err(Refused::Failed));
    machine.flush();
    assert_eq!(flush_results(&outputs(&mut machine)), [Err(AppendError::ProducerFailed)]);

    let mut machine = Producer::new(ProducerConfig { auto_claim: true, ..config() }, 1);
    machine.append(NOW, b"0").unwrap();
    outputs(&mut machine);
    assert_eq!(sent(&answer_with(&mut machine, fenced.clone())), Some(("[0]".into(), 5, 0)));
    answer(&mut machine, 200);
    machine.append(NOW, b"1").unwrap();
    outputs(&mut machine);
    // Once established, somebody newer has taken over.
    assert_eq!(failures(&answer_with(&mut machine, fenced.clone())).len(), 1);

    // A first attempt that was not answered may have arrived: claiming could double it.
    let mut machine = Producer::new(ProducerConfig { auto_claim: true, ..config() }, 1);
    machine.append(NOW, b"0").unwrap();
    machine.handle(NOW, ProducerInput::Failed(Failure::network("reset")));
    machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
    assert_eq!(failures(&answer_with(&mut machine, fenced.clone())).len(), 1);

    // One that the server put off has not.
    let mut machine = Producer::new(ProducerConfig { auto_claim: true, ..config() }, 1);
    machine.append(NOW, b"0").unwrap();
    answer(&mut machine, 429);
    machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
    assert_eq!(sent(&answer_with(&mut machine, fenced)), Some(("[0]".into(), 5, 0)));
}

#[test]
fn a_gap_is_adopted_at_the_start_and_fatal_later() {
    let gap =
        |expected| AppendAnswer { status: 409, expected_seq: Some(expected), ..AppendAnswer::default() };
    let mut machine = Producer::new(ProducerConfig { first_seq: "9".parse().unwrap(), ..config() }, 1);
    machine.append(NOW, b"0").unwrap();
    outputs(&mut machine);
    assert_eq!(sent(&answer_with(&mut machine, gap(3))), Some(("[0]".into(), 0, 3)));
    answer(&mut machine, 200);
    machine.append(NOW, b"1").unwrap();
    outputs(&mut machine);
    let out = answer_with(&mut machine, gap(0));
    assert_eq!(failures(&out), [(1..2, AppendError::SequenceGap { expected: Some(0), sent: 4 })]);
}

#[test]
fn a_closed_stream_ends_the_producer() {
    let mut machine = Producer::new(config(), 1);
    machine.append(NOW, b"0").unwrap();
    machine.append(NOW, b"1").unwrap();
    let out =
        answer_with(&mut machine, AppendAnswer { status: 409, closed: true, ..AppendAnswer::default() });
    let lost: Vec<_> = failures(&out);
    assert_eq!(lost, [(0..1, AppendError::StreamClosed), (1..2, AppendError::StreamClosed)]);
}

#[test]
fn the_cap_ends_it_and_only_the_batch_in_flight_is_in_doubt() {
    let retry = ReconnectConfig { max_attempts: 2, ..ReconnectConfig::default() };
    let mut machine = Producer::new(ProducerConfig { retry, ..config() }, 1);
    machine.append(NOW, b"0").unwrap();
    machine.append(NOW, b"1").unwrap();
    for _ in 0..2 {
        machine.handle(NOW, ProducerInput::Failed(Failure::network("reset")));
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
    }
    outputs(&mut machine);
    machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout));
    let out = outputs(&mut machine);
    assert!(out.contains(&ProducerOutput::Abort));
    assert_eq!(
        failures(&out),
        [
            (0..1, AppendError::AttemptsExhausted { attempts: 2, cause: Cause::Silence }),
            (1..2, AppendError::ProducerFailed)
        ]
    );
}

#[test]
fn the_outbox_is_bounded_and_refuses_clearly() {
    let bounded =
        ProducerConfig { outbox_messages_max: 2, outbox_bytes_max: 8, batch_bytes_max: 64, ..config() };
    let mut machine = Producer::new(bounded, 1);
    assert_eq!(machine.append(NOW, b"nonsense"), Err(Refused::NotJson));
    assert_eq!(machine.append(NOW, format!("\"{}\"", "x".repeat(64)).as_bytes()), Err(Refused::TooLarge));
    // Alone it fits, though larger than the bound.
    assert_eq!(machine.append(NOW, b"\"123456789\""), Ok(0));
    assert_eq!(machine.append(NOW, b"1"), Err(Refused::Full));
    answer(&mut machine, 200);
    assert_eq!((machine.append(NOW, b"1"), machine.append(NOW, b"2")), (Ok(1), Ok(2)));
    assert_eq!(machine.append(NOW, b"3"), Err(Refused::Full));
    assert!(Refused::Full.is_retryable() && !Refused::NotJson.is_retryable());
}

#[test]
fn batches_respect_their_limits() {
    let small = ProducerConfig { batch_messages_max: 3, batch_bytes_max: 16, ..config() };
    let mut machine = Producer::new(small, 1);
    for n in 10..20 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    machine.append(NOW, b"\"0123456789\"").unwrap();
    machine.append(NOW, b"20").unwrap();
    let mut bodies = Vec::new();
    let mut out = outputs(&mut machine);
    while let Some((body, _, _)) = sent(&out) {
        assert!(body.len() <= 16, "{body}");
        bodies.push(body);
        out = answer(&mut machine, 200);
    }
    assert_eq!(bodies.concat().replace("][", ","), "[10,11,12,13,14,15,16,17,18,19,\"0123456789\",20]");
    assert!(bodies.iter().any(|body| body == "[11,12,13]"));
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answered,
    RequestLost,
    AnswerLost,
    TimedOut,
    /// Nothing is done.
    Status(u16),
}

/// A server of the protocol: producer state and log change together.
#[derive(Default)]
struct Server {
    log: Vec<u64>,
    last: Option<u64>,
    poison: BTreeSet<u64>,
}

impl Server {
    fn append(&mut self, request: &AppendRequest) -> AppendAnswer {
        let seq = request.claim.seq.number();
        let expected = self.last.map_or(0, |last| last + 1);
        let status = |status| AppendAnswer { status, ..AppendAnswer::default() };
        let text = std::str::from_utf8(&request.body).unwrap().trim_matches(['[', ']']);
        let messages: Vec<u64> = text.split(',').map(|n| n.parse().unwrap()).collect();
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
}

/// Appends `count` messages, `pace` at a time, and flushes; after its fates the network is well.
fn run(machine: &mut Producer, server: &mut Server, count: u64, pace: usize, fates: Vec<Fate>) -> Outcome {
    let mut fates = fates.into_iter();
    let (mut todo, mut work, mut outcome) = (0..count, VecDeque::new(), Outcome::default());
    for _ in 0..5000 {
        for n in todo.by_ref().take(pace) {
            if machine.append(NOW, n.to_string().as_bytes()).is_err() {
                outcome.lost.insert(n);
            }
            if n + 1 == count {
                machine.flush();
            }
        }
        work.extend(outputs(machine));
        let Some(output) = work.pop_front() else { if outcome.flushed.is_some() { break } else { continue } };
        match output {
            ProducerOutput::Send(request) => {
                let input = match fates.next().unwrap_or(Fate::Answered) {
                    Fate::Answered => ProducerInput::Answer(server.append(&request)),
                    Fate::RequestLost => ProducerInput::Failed(Failure::network("refused")),
                    Fate::AnswerLost => {
                        server.append(&request);
                        ProducerInput::Failed(Failure::network("reset"))
                    }
                    Fate::TimedOut => {
                        server.append(&request);
                        ProducerInput::Timer(ProducerTimer::Timeout)
                    }
                    Fate::Status(status) => {
                        ProducerInput::Answer(AppendAnswer { status, ..AppendAnswer::default() })
                    }
                };
                machine.handle(NOW, input);
            }
            ProducerOutput::SetTimer { kind: ProducerTimer::Retry, .. } => {
                machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
            }
            ProducerOutput::Acked { messages, .. } => outcome.acked.extend(messages),
            ProducerOutput::Failed { messages, .. } => outcome.lost.extend(messages),
            ProducerOutput::Flushed { result, .. } => outcome.flushed = Some(result),
            _ => {}
        }
    }
    outcome
}

fn fate(statuses: Vec<u16>) -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::RequestLost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::TimedOut),
        1 => proptest::sample::select(statuses).prop_map(Fate::Status),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn every_message_is_in_the_log_once_and_in_order_or_reported_lost(
        count in 1u64..60,
        poison in proptest::collection::btree_set(0u64..60, 0..4),
        fates in proptest::collection::vec(fate(vec![503]), 0..80),
        pace in 1usize..8, batch in 1usize..9, seed: u64,
    ) {
        let mut machine = Producer::new(ProducerConfig { batch_messages_max: batch, ..config() }, seed);
        let mut server = Server { poison, ..Server::default() };
        let Outcome { acked, lost, flushed } = run(&mut machine, &mut server, count, pace, fates);
        let expected: Vec<u64> = (0..count).filter(|n| !server.poison.contains(n)).collect();
        prop_assert_eq!(&server.log, &expected);
        prop_assert_eq!(acked, expected);
        prop_assert!(lost.iter().all(|n| server.poison.contains(n)));
        prop_assert_eq!(lost.len(), count as usize - server.log.len(), "flush waits for all");
        prop_assert_eq!(flushed, Some(if lost.is_empty() { Ok(()) } else { Err(AppendError::Refused { status: 400 }) }));
    }

    #[test]
    fn no_refusal_on_the_way_makes_an_acknowledgement_a_lie(
        count in 1u64..60,
        fates in proptest::collection::vec(fate(vec![401, 403, 404, 429, 500, 503]), 0..80),
        pace in 1usize..8, batch in 1usize..9, seed: u64,
    ) {
        let mut machine = Producer::new(ProducerConfig { batch_messages_max: batch, ..config() }, seed);
        let mut server = Server::default();
        let Outcome { acked, lost, flushed } = run(&mut machine, &mut server, count, pace, fates);
        prop_assert!(server.log.is_sorted_by(|a, b| a < b), "doubled or out of order: {:?}", server.log);
        prop_assert!(acked.iter().all(|n| server.log.contains(n)), "acknowledged and not stored");
        prop_assert_eq!(acked.len() + lost.len(), count as usize, "flush waits for all");
        prop_assert_eq!(flushed.map(|result| result.is_ok()), Some(lost.is_empty()));
    }
}
