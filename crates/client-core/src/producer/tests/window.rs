//! Several batches in flight: overtaking, refusals in the middle, and what the end leaves behind.

use durable_sessions_protocol::ProducerSeq;

use super::super::*;
use super::harness::{NOW, config, failures, flush_results, outputs};
use crate::{Cause, Failure, Millis, ReconnectConfig};

/// Established, with `batches` batches of one message under way; the numbers of batches begin at 1, so do messages.
fn under_way(batches: usize) -> Producer {
    let config = ProducerConfig { in_flight_max: batches, batch_messages_max: 1, ..config() };
    let mut machine = Producer::new(config, 1);
    machine.append(NOW, b"0").unwrap();
    for n in 0..batches {
        machine.append(NOW, (n + 1).to_string().as_bytes()).unwrap();
    }
    reply(&mut machine, 0, 200);
    assert_eq!(numbers(&outputs(&mut machine)), (0..=batches as u64).collect::<Vec<_>>());
    machine
}

fn seq(number: u64) -> ProducerSeq {
    ProducerSeq::new(number).unwrap()
}

fn reply(machine: &mut Producer, number: u64, status: u16) {
    reply_with(machine, number, AppendAnswer { status, ..AppendAnswer::default() });
}

fn reply_with(machine: &mut Producer, number: u64, answer: AppendAnswer) {
    machine.handle(NOW, ProducerInput::Answer { seq: seq(number), answer });
}

fn gap(machine: &mut Producer, number: u64, expected: u64) {
    let answer = AppendAnswer { status: 409, expected_seq: Some(expected), ..AppendAnswer::default() };
    reply_with(machine, number, answer);
}

fn reset(machine: &mut Producer, number: u64) {
    machine.handle(NOW, ProducerInput::Failed { seq: seq(number), failure: Failure::network("reset") });
}

/// The numbers of the batches that are sent.
fn numbers(outputs: &[ProducerOutput]) -> Vec<u64> {
    outputs
        .iter()
        .filter_map(|output| match output {
            ProducerOutput::Send(request) => Some(request.claim.seq.number()),
            _ => None,
        })
        .collect()
}

fn acked(outputs: &[ProducerOutput]) -> Vec<u64> {
    outputs
        .iter()
        .filter_map(|output| match output {
            ProducerOutput::Acked { messages, .. } => Some(messages.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

#[test]
fn one_batch_finds_out_before_several_go() {
    let mut machine =
        Producer::new(ProducerConfig { in_flight_max: 3, batch_messages_max: 1, ..config() }, 1);
    for n in 0..6 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    assert_eq!(numbers(&outputs(&mut machine)), [0]);
    reply(&mut machine, 0, 200);
    assert_eq!(numbers(&outputs(&mut machine)), [1, 2, 3], "bounded by the window");
    reply(&mut machine, 1, 200);
    assert_eq!(numbers(&outputs(&mut machine)), [4]);
}

#[test]
fn a_batch_goes_when_the_one_before_it_is_written() {
    let mut machine =
        Producer::new(ProducerConfig { in_flight_max: 3, batch_messages_max: 1, ..config() }, 1);
    for n in 0..3 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    reply(&mut machine, 0, 200);
    let next = |machine: &mut Producer| {
        let outputs: Vec<ProducerOutput> = std::iter::from_fn(|| machine.next_output()).collect();
        numbers(&outputs)
    };
    assert_eq!(next(&mut machine), [0, 1], "not 2, which could arrive before 1");
    machine.handle(NOW, ProducerInput::Sent { seq: seq(1) });
    assert_eq!(next(&mut machine), [2]);
    // What is sent again has to be written again.
    reset(&mut machine, 1);
    machine.handle(NOW, ProducerInput::RetryNow);
    reset(&mut machine, 2);
    assert_eq!(next(&mut machine), [1]);
}

#[test]
fn a_batch_that_overtook_another_goes_again_after_it_and_not_before() {
    let mut machine = under_way(3);
    gap(&mut machine, 2, 1);
    gap(&mut machine, 3, 1);
    assert_eq!(outputs(&mut machine), [], "1 is still under way, so both would only overtake again");
    reply(&mut machine, 1, 200);
    assert_eq!(numbers(&outputs(&mut machine)), [2], "one at a time, where they overtake each other");
    reply(&mut machine, 2, 200);
    reply(&mut machine, 3, 200);
    assert_eq!(acked(&outputs(&mut machine)), [2, 3]);
}

#[test]
fn the_window_narrows_where_batches_overtake_each_other_and_widens_again() {
    let mut machine = under_way(4);
    for number in [4, 3] {
        gap(&mut machine, number, 1);
    }
    for n in 5..200 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    outputs(&mut machine);
    let mut most = Vec::new();
    for number in 1..140 {
        reply(&mut machine, number, 200);
        outputs(&mut machine);
        most.push(machine.under_way());
    }
    assert_eq!((most[3], most[40], most[138]), (1, 2, 4), "{most:?}");
}

#[test]
fn a_gap_that_was_told_late_is_no_gap() {
    // The server judged 2 before it had 1, and its answer comes after that of 1.
    let mut machine = under_way(2);
    reply(&mut machine, 1, 200);
    outputs(&mut machine);
    gap(&mut machine, 2, 1);
    assert_eq!(numbers(&outputs(&mut machine)), [2]);
    // Now it is: nothing is before it.
    gap(&mut machine, 2, 1);
    let out = outputs(&mut machine);
    assert_eq!(failures(&out), [(2..3, AppendError::SequenceGap { expected: Some(1), sent: 2 })]);
}

#[test]
fn an_acknowledgement_settles_everything_before_it() {
    let mut machine = under_way(3);
    machine.flush();
    reset(&mut machine, 1);
    outputs(&mut machine);
    reply(&mut machine, 3, 200);
    let out = outputs(&mut machine);
    assert_eq!(acked(&out), [1, 2, 3]);
    assert!(out.contains(&ProducerOutput::CancelTimer(ProducerTimer::Retry)), "1 needs no repetition");
    assert!(out.contains(&ProducerOutput::Abort(seq(2))), "nor does 2 need its answer");
    assert_eq!(flush_results(&out), [Ok(())]);
    assert_eq!(machine.pending(), 0);
}

#[test]
fn an_outage_costs_one_request_per_attempt_and_then_everything_goes_on() {
    let mut machine = under_way(4);
    for number in 1..=4 {
        reset(&mut machine, number);
    }
    assert_eq!(numbers(&outputs(&mut machine)), [0u64; 0], "the first waits for its attempt");
    for _ in 0..3 {
        machine.handle(NOW, ProducerInput::Timer(ProducerTimer::Retry));
        assert_eq!(numbers(&outputs(&mut machine)), [1]);
        reply(&mut machine, 1, 503);
    }
    machine.handle(NOW, ProducerInput::RetryNow);
    reply(&mut machine, 1, 204);
    assert_eq!(numbers(&outputs(&mut machine)), [1, 2, 3, 4], "the others without a pause");
    for number in 2..=4 {
        reply(&mut machine, number, 204);
    }
    assert_eq!(acked(&outputs(&mut machine)), [2, 3, 4]);
}

#[test]
fn an_expired_token_is_replaced_once_however_many_batches_met_it() {
    let mut machine = under_way(3);
    for number in [3, 1, 2] {
        reply(&mut machine, number, 401);
    }
    let fresh = |outputs: &[ProducerOutput]| {
        outputs.iter().filter(|o| matches!(o, ProducerOutput::Send(request) if request.fresh_token)).count()
    };
    let out = outputs(&mut machine);
    assert_eq!((numbers(&out), fresh(&out)), (vec![1], 1));
    reply(&mut machine, 1, 200);
    let out = outputs(&mut machine);
    assert_eq!((numbers(&out), fresh(&out)), (vec![2, 3], 0));
    // The same when they hear of it late.
    let mut late = under_way(2);
    reply(&mut late, 1, 401);
    reply(&mut late, 1, 200);
    outputs(&mut late);
    reply(&mut late, 2, 401);
    let out = outputs(&mut late);
    assert_eq!((numbers(&out), fresh(&out)), (vec![2], 0));
    // One that is refused all the same asks for itself, once.
    reply(&mut machine, 2, 401);
    assert_eq!(fresh(&outputs(&mut machine)), 1);
    reply(&mut machine, 3, 401);
    reply(&mut machine, 2, 401);
    assert_eq!(failures(&outputs(&mut machine)), [(2..3, AppendError::Refused { status: 401 })]);
}

#[test]
fn a_server_that_wants_a_pause_gets_it_for_the_batches_behind_too() {
    let mut machine = under_way(2);
    let slow = AppendAnswer { status: 429, retry_after_ms: Some(70_000), ..AppendAnswer::default() };
    reply_with(&mut machine, 2, slow);
    reply(&mut machine, 1, 200);
    let out = outputs(&mut machine);
    assert_eq!(numbers(&out), [0u64; 0]);
    assert!(out.contains(&ProducerOutput::SetTimer { kind: ProducerTimer::Retry, after_ms: 70_000 }));
}

#[test]
fn a_refused_batch_frees_its_number_once_nothing_behind_it_can_arrive() {
    let mut machine = under_way(3);
    machine.flush();
    reply(&mut machine, 1, 404);
    gap(&mut machine, 2, 1);
    let out = outputs(&mut machine);
    assert_eq!((numbers(&out), failures(&out)), (vec![], vec![]), "3 has no answer yet");
    gap(&mut machine, 3, 1);
    let out = outputs(&mut machine);
    assert_eq!(failures(&out), [(1..2, AppendError::Refused { status: 404 })]);
    assert_eq!(numbers(&out), [1, 2], "the same messages under the free number and the next");
    reply(&mut machine, 1, 200);
    reply(&mut machine, 2, 200);
    let out = outputs(&mut machine);
    assert_eq!(
        (acked(&out), flush_results(&out)),
        (vec![2, 3], vec![Err(AppendError::Refused { status: 404 })])
    );
}

#[test]
fn a_refused_batch_before_one_in_doubt_ends_the_producer() {
    // A request of 2 may still arrive under its number, after another batch has been stored under 1.
    let mut machine = under_way(2);
    reset(&mut machine, 2);
    reply(&mut machine, 1, 404);
    let out = outputs(&mut machine);
    assert_eq!(
        failures(&out),
        [(1..2, AppendError::Refused { status: 404 }), (2..3, AppendError::ProducerFailed)]
    );
    assert_eq!(machine.append(NOW, b"9"), Err(Refused::Failed));
}

#[test]
fn a_bad_message_is_found_with_several_batches_under_way() {
    let config = ProducerConfig { in_flight_max: 3, batch_messages_max: 4, ..config() };
    let mut machine = Producer::new(config, 1);
    for n in 0..13 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    let (mut log, mut last, mut failed) = (Vec::new(), None::<u64>, Vec::new());
    for _ in 0..100 {
        let out = outputs(&mut machine);
        failed.extend(failures(&out));
        // Answered in order, as the server takes them.
        for output in out {
            let ProducerOutput::Send(request) = output else { continue };
            let (number, body) = (request.claim.seq.number(), String::from_utf8(request.body).unwrap());
            let expected = last.map_or(0, |last| last + 1);
            if body.trim_matches(['[', ']']).split(',').any(|message| message == "6") {
                reply(&mut machine, number, 400);
            } else if number > expected {
                gap(&mut machine, number, expected);
            } else {
                last = Some(number);
                log.push(body);
                reply(&mut machine, number, 200);
            }
        }
    }
    assert_eq!(failed, [(6..7, AppendError::Refused { status: 400 })]);
    assert_eq!(log.concat().replace("][", ","), "[0,1,2,3,4,5,7,8,9,10,11,12]");
}

#[test]
fn a_closed_stream_ends_the_producer_after_what_came_before_is_settled() {
    let mut machine = under_way(3);
    machine.append(NOW, b"4").unwrap();
    machine.flush();
    for number in [3, 2] {
        reply_with(
            &mut machine,
            number,
            AppendAnswer { status: 409, closed: true, ..AppendAnswer::default() },
        );
    }
    assert_eq!(failures(&outputs(&mut machine)), [], "1 may have been stored before the end");
    reply(&mut machine, 1, 200);
    let out = outputs(&mut machine);
    assert_eq!(acked(&out), [1]);
    assert_eq!(failures(&out), [(2..3, AppendError::StreamClosed), (3..5, AppendError::StreamClosed)]);
    assert_eq!((numbers(&out), flush_results(&out)), (vec![], vec![Err(AppendError::StreamClosed)]));
    assert_eq!(machine.append(NOW, b"5"), Err(Refused::Failed));
}

#[test]
fn a_request_that_hangs_is_dropped_in_time_although_others_are_behind_it() {
    let mut machine = under_way(2);
    let later = Millis(29_000);
    machine.handle(later, ProducerInput::Failed { seq: seq(2), failure: Failure::network("reset") });
    assert_eq!(outputs(&mut machine), [], "the timer of 1 goes on");
    machine.handle(Millis(30_000), ProducerInput::Timer(ProducerTimer::Timeout));
    let out = outputs(&mut machine);
    assert_eq!(out[0], ProducerOutput::Abort(seq(1)));
    assert!(matches!(&out[2], ProducerOutput::RetryScheduled { attempt: 1, cause: Cause::Silence, .. }));
    // Behind the first, what is left of its time counts.
    let mut machine = under_way(2);
    machine.handle(
        later,
        ProducerInput::Answer {
            seq: seq(1),
            answer: AppendAnswer { status: 200, ..AppendAnswer::default() },
        },
    );
    let timeout = ProducerOutput::SetTimer { kind: ProducerTimer::Timeout, after_ms: 1000 };
    assert!(outputs(&mut machine).contains(&timeout));
}

#[test]
fn the_end_drops_every_request() {
    let retry = ReconnectConfig { max_attempts: 0, ..ReconnectConfig::default() };
    let config = ProducerConfig { retry, in_flight_max: 3, batch_messages_max: 1, ..config() };
    let mut machine = Producer::new(config, 1);
    for n in 0..5 {
        machine.append(NOW, n.to_string().as_bytes()).unwrap();
    }
    reply(&mut machine, 0, 200);
    outputs(&mut machine);
    reset(&mut machine, 1);
    let out = outputs(&mut machine);
    assert!(out.contains(&ProducerOutput::Abort(seq(2))) && out.contains(&ProducerOutput::Abort(seq(3))));
    assert!(out.contains(&ProducerOutput::CancelTimer(ProducerTimer::Timeout)));
    let (first, rest) = (failures(&out)[0].clone(), failures(&out)[1].clone());
    assert!(matches!(first, (range, AppendError::AttemptsExhausted { .. }) if range == (1..2)));
    assert_eq!(rest, (2..5, AppendError::ProducerFailed));
    // Late answers of dropped requests say nothing any more.
    reply(&mut machine, 2, 200);
    assert_eq!(outputs(&mut machine), []);
}

#[test]
fn pieces_of_a_byte_stream_are_joined_as_they_are() {
    let config = ProducerConfig { framing: Framing::Bytes, batch_bytes_max: 8, ..config() };
    let mut machine = Producer::new(config, 1);
    assert_eq!(machine.append(NOW, b""), Err(Refused::Empty));
    assert_eq!(machine.append(NOW, b"123456789"), Err(Refused::TooLarge));
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for piece in [&b"[1,"[..], b"\xff\x00", b"abc", b"def", b"12345678"] {
        machine.append(NOW, piece).unwrap();
    }
    for number in 0..4 {
        let sent = outputs(&mut machine).into_iter().find_map(|output| match output {
            ProducerOutput::Send(request) => Some(request.body),
            _ => None,
        });
        bodies.extend(sent);
        reply(&mut machine, number, 200);
    }
    assert_eq!(bodies, [&b"[1,"[..], b"\xff\x00abcdef", b"12345678"]);
}
