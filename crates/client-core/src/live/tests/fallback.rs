//! When and why polling replaces SSE, and when it does not.

use super::super::*;
use super::harness::{
    NOW, Sink, batches, control_frame, event, events, opened, outputs, page, status, typed,
};
use crate::{ConnectionState, Failure, Millis, Output, SubscriptionError};

fn started(config: LiveConfig) -> Live<Events> {
    let mut machine = events(config);
    machine.handle(NOW, LiveInput::Subscribe);
    outputs(&mut machine);
    machine
}

fn modes(machine: &mut Live<Events>) -> Vec<ReadMode> {
    opened(machine).into_iter().map(|(mode, _)| mode).collect()
}

fn reasons(outputs: &[LiveOutput]) -> Vec<&'static str> {
    let reasons = outputs.iter().filter_map(|output| match output {
        LiveOutput::FellBack(reason) => Some(reason.code()),
        _ => None,
    });
    reasons.collect()
}

#[test]
fn every_reason_leads_to_polling_from_the_same_position_and_is_told() {
    let mut full = status(429);
    full.offers_long_poll = true;
    let refusals = [
        (status(400), "SSE_REFUSED"),
        (status(406), "SSE_REFUSED"),
        (full, "TOO_MANY_CONNECTIONS"),
        (typed("application/json"), "NOT_AN_EVENT_STREAM"),
        (status(204), "NOT_AN_EVENT_STREAM"),
    ];
    for (answer, reason) in refusals {
        let mut machine = started(LiveConfig::default());
        machine.handle(NOW, LiveInput::Response(answer));
        let out = outputs(&mut machine);
        assert_eq!(reasons(&out), [reason]);
        let Some(LiveOutput::Open(request)) = out.iter().find(|o| matches!(o, LiveOutput::Open(_))) else {
            panic!("{out:?}")
        };
        assert_eq!((request.mode, request.query().as_str()), (ReadMode::CatchUp, "offset=-1"));
    }
}

#[test]
fn a_stream_that_is_held_back_is_polled_wherever_it_is_held() {
    // Nothing at all, and nothing after the head.
    for answered in [false, true] {
        let mut machine = started(LiveConfig::default());
        if answered {
            machine.handle(NOW, LiveInput::Response(typed("text/event-stream")));
            let out = outputs(&mut machine);
            assert!(out.iter().any(|o| matches!(o, LiveOutput::SetTimer { kind: LiveTimer::Stall, .. })));
        }
        machine.handle(NOW, LiveInput::Timer(LiveTimer::Stall));
        let out = outputs(&mut machine);
        assert_eq!((reasons(&out), &out[0]), (vec!["SSE_STALLED"], &LiveOutput::Abort));
        // A refusal of the poll is heard.
        machine.handle(NOW, LiveInput::Response(status(404)));
        let out = outputs(&mut machine);
        let gone = SubscriptionError::Refused { status: 404 };
        assert!(out.contains(&LiveOutput::Told(Output::Error(gone))), "{out:?}");
    }
}

#[test]
fn a_poll_that_fails_at_first_says_that_it_was_not_sse() {
    let mut machine = started(LiveConfig::default());
    machine.handle(NOW, LiveInput::Timer(LiveTimer::Stall));
    machine.handle(NOW, LiveInput::Failed(Failure::network("unreachable")));
    outputs(&mut machine);
    machine.handle(NOW, LiveInput::Timer(LiveTimer::Retry));
    assert_eq!(modes(&mut machine), [ReadMode::Sse]);
}

#[test]
fn polling_that_has_worked_goes_on_through_failures_until_sse_is_due_again() {
    let mut machine = started(LiveConfig { sse_again_ms: 5_000, ..LiveConfig::default() });
    let sink = &mut Sink::default();
    machine.handle(NOW, LiveInput::Response(status(406)));
    machine.handle(NOW, LiveInput::Response(page(200, "t1")));
    machine.push(format!("[{}]", event(1)).as_bytes());
    machine.body_ended(NOW, sink);
    assert_eq!(sink.items, ["event 1 1", "control t1 1 tail"]);
    assert_eq!(machine.state(), ConnectionState::Connected);
    outputs(&mut machine);
    machine.handle(NOW, LiveInput::Failed(Failure::network("reset")));
    machine.handle(NOW, LiveInput::Timer(LiveTimer::Retry));
    assert_eq!(modes(&mut machine), [ReadMode::CatchUp], "whether it is connected is known at once");
    machine.handle(NOW, LiveInput::Response(page(200, "t1")));
    machine.push(b"[]");
    machine.body_ended(NOW, sink);
    let polls = opened(&mut machine);
    assert_eq!(polls[0].0, ReadMode::LongPoll);
    assert_eq!((polls[0].1.offset.as_str(), polls[0].1.live_cursor.as_deref()), ("t1", Some("7")));
    let later = Millis(NOW.0 + 5_000);
    machine.handle(later, LiveInput::Response(page(204, "t1")));
    machine.body_ended(later, sink);
    assert_eq!(modes(&mut machine), [ReadMode::Sse]);
    machine.handle(later, LiveInput::Response(typed("text/event-stream")));
    machine.push(&control_frame("t2", true));
    machine.drain(later, sink);
    assert_eq!(machine.state(), ConnectionState::Closed);
}

#[test]
fn one_mode_alone_is_used_where_that_is_wanted() {
    let mut machine = started(LiveConfig { modes: LiveModes::Sse, ..LiveConfig::default() });
    machine.handle(NOW, LiveInput::Timer(LiveTimer::Stall));
    machine.handle(NOW, LiveInput::Response(status(400)));
    let out = outputs(&mut machine);
    assert!(out.contains(&LiveOutput::Told(Output::Error(SubscriptionError::Refused { status: 400 }))));
    let mut machine = events(LiveConfig { modes: LiveModes::LongPoll, ..LiveConfig::default() });
    machine.handle(NOW, LiveInput::Subscribe);
    assert_eq!(modes(&mut machine), [ReadMode::CatchUp]);
}

#[test]
fn a_server_that_answers_every_poll_at_once_is_asked_ever_more_slowly() {
    let mut machine = events(LiveConfig { modes: LiveModes::LongPoll, ..LiveConfig::default() });
    machine.handle(NOW, LiveInput::Subscribe);
    let sink = &mut Sink::default();
    let mut polls = 0;
    while modes(&mut machine).len() == 1 {
        machine.handle(NOW, LiveInput::Response(page(204, "t1")));
        machine.body_ended(NOW, sink);
        polls += 1;
        assert!(polls < 20, "a loop without a pause");
    }
}

#[test]
fn a_page_over_the_cap_is_a_failure() {
    let mut machine =
        started(LiveConfig { modes: LiveModes::LongPoll, page_bytes_max: 10, ..LiveConfig::default() });
    machine.handle(NOW, LiveInput::Response(page(200, "t1")));
    machine.push(b"[1,2,3,4,5,6]");
    machine.body_ended(NOW, &mut Sink::default());
    let out = outputs(&mut machine);
    assert!(out.iter().any(|o| matches!(o, LiveOutput::Told(Output::RetryScheduled { attempt: 1, .. }))));
}

#[test]
fn a_page_that_is_not_json_is_told_and_reading_goes_on_after_it() {
    let mut machine = started(LiveConfig { modes: LiveModes::LongPoll, ..LiveConfig::default() });
    let sink = &mut Sink::default();
    machine.handle(NOW, LiveInput::Response(page(200, "t1")));
    machine.push(b"[{]\n");
    machine.body_ended(NOW, sink);
    assert_eq!(sink.items, ["INVALID_JSON 0", "control t1 0 tail"]);
    assert_eq!(opened(&mut machine)[0].1.offset, "t1");
}

#[test]
fn batches_are_given_with_their_cursor_or_not_at_all() {
    let mut machine = batches(LiveConfig::default());
    let sink = &mut Sink::default();
    machine.handle(NOW, LiveInput::Subscribe);
    let mut head = typed("text/event-stream");
    head.head.data_encoding = Some("base64".into());
    machine.handle(NOW, LiveInput::Response(head.clone()));
    machine.push(b"event: data\ndata: /wA=\n\n");
    machine.drain(NOW, sink);
    assert!(sink.items.is_empty(), "held until the control event");
    machine.push(&control_frame("t2", false));
    machine.push(b"event: data\ndata: AQ\ndata: ID\n\nevent: data\ndata: !\n\n: ping\n\nevent: data\ndata: ");
    machine.drain(NOW, sink);
    assert_eq!(sink.items, ["piece \\xff\\x00", "control t2 0", "INVALID_BASE64"]);
    machine.body_ended(NOW, sink);
    assert_eq!(opened(&mut machine).len(), 1, "the first; the cut is an attempt");
    machine.handle(NOW, LiveInput::Timer(LiveTimer::Retry));
    assert_eq!(opened(&mut machine)[0].1.offset, "t2");
    machine.handle(NOW, LiveInput::Response(head));
    machine.push(b"event: data\ndata: AQ\ndata: ID\n\n");
    machine.push(&control_frame("t5", true));
    machine.drain(NOW, sink);
    assert_eq!(sink.items[3..], ["piece \\x01\\x02\\x03", "control t5 0 tail closed"]);
    assert_eq!(machine.state(), ConnectionState::Closed);
}

#[test]
fn what_is_held_for_a_control_event_is_bounded() {
    let mut machine = batches(LiveConfig::default());
    let sink = &mut Sink::default();
    machine.handle(NOW, LiveInput::Subscribe);
    machine.handle(NOW, LiveInput::Response(typed("text/event-stream")));
    for _ in 0..3 {
        machine.push(format!("event: data\ndata: {}\n\n", "x".repeat(2000)).as_bytes());
        machine.drain(NOW, sink);
    }
    assert_eq!(sink.items, ["FRAME_TOO_LARGE"]);
}
