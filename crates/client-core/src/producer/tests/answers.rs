//! One batch in flight: what its answers do.

use durable_sessions_protocol::ProducerSeq;

use super::super::*;
use super::harness::{
    NOW, answer, answer_with, break_off, config, failures, flush_results, outputs, reply, sent,
};
use crate::{Cause, Failure, ReconnectConfig};

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
        |m| break_off(m, Failure::network("reset")),
        |m| m.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout)),
        |m| reply(m, 503),
        |m| reply(m, 408),
        |m| {
            let slow = AppendAnswer { status: 429, retry_after_ms: Some(70_000), ..AppendAnswer::default() };
            let seq = m.next_seq().unwrap();
            m.handle(NOW, ProducerInput::Answer { seq, answer: slow });
        },
    ];
    for (n, interrupt) in interruptions.iter().enumerate() {
        interrupt(&mut machine);
        let waiting = outputs(&mut machine);
        assert_eq!(sent(&waiting), None);
        let scheduled = waiting.iter().find(|o| matches!(o, ProducerOutput::RetryScheduled { .. }));
        let Some(ProducerOutput::RetryScheduled { attempt, delay_ms, .. }) = scheduled else {
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
        |m| break_off(m, Failure::network("reset")),
        |m| m.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout)),
        |m| reply(m, 500),
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
    let harmless: [fn(&mut Producer); 2] = [|m| break_off(m, Failure::token("none")), |m| reply(m, 429)];
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
    break_off(&mut machine, Failure::network("reset"));
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
        break_off(&mut machine, Failure::network("reset"));
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
    }
    outputs(&mut machine);
    machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Timeout));
    let out = outputs(&mut machine);
    assert!(out.contains(&ProducerOutput::Abort(ProducerSeq::ZERO)));
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
