//! What reaches the sink, frame by frame.

use super::super::machine::SubscriptionConfig;
use super::super::{
    ConnectionState, From, Input, Output, ResponseHead, Subscription, SubscriptionError, TimerKind,
};
use super::harness::{Sink, control, data, ephemeral, event, event_stream, outputs, ping, status};
use crate::{Cause, Failure, Millis, ReconnectConfig};

const NOW: Millis = Millis(0);

fn streaming(config: SubscriptionConfig) -> Subscription {
    let mut machine = Subscription::new(config, 7);
    machine.handle(NOW, Input::Subscribe);
    machine.handle(NOW, Input::Response(event_stream()));
    outputs(&mut machine);
    machine
}

fn feed(machine: &mut Subscription, sink: &mut Sink, bytes: &[u8]) {
    machine.push(bytes);
    machine.drain(NOW, sink);
}

fn reopened_at(machine: &mut Subscription) -> String {
    let opened = outputs(machine).into_iter().find_map(|output| match output {
        Output::Open(request) => Some(request.query()),
        _ => None,
    });
    machine.handle(NOW, Input::Response(event_stream()));
    opened.expect("a request")
}

#[test]
fn bad_messages_and_frames_are_items_in_order_and_the_stream_goes_on() {
    let mut machine =
        streaming(SubscriptionConfig { frame_bytes_max: 2048, ..SubscriptionConfig::default() });
    let mut sink = Sink::default();
    let bad = r#"{"id":"x","type":"chunk","timestamp":1,"data":{"text":7}}"#.to_owned();
    feed(&mut machine, &mut sink, &data(&[event(1), bad.clone(), event(3)]));
    feed(&mut machine, &mut sink, &control("c3", Some(3), false));
    // The first message of this frame is fine; the frame is not JSON, so it does not count.
    feed(&mut machine, &mut sink, &data(&[event(4), "{\"id\":".to_owned()]));
    feed(&mut machine, &mut sink, &control("c5", Some(5), false));
    feed(&mut machine, &mut sink, format!("event: data\ndata: [\"{}\"]\n\n", "x".repeat(3000)).as_bytes());
    feed(&mut machine, &mut sink, b"event: control\ndata: {\"upToDate\":true}\n\n");
    feed(&mut machine, &mut sink, b"event: unheard-of\ndata: {}\n\n");
    feed(&mut machine, &mut sink, &control("c6", Some(6), false));
    feed(&mut machine, &mut sink, &data(&[event(7)]));
    assert_eq!(
        sink.items,
        [
            "event 1 1".to_owned(),
            format!("rejected $.data.text {} 2", bad.len()),
            "event 3 3".to_owned(),
            "control c3 3".to_owned(),
            "INVALID_JSON 3".to_owned(),
            "control c5 5".to_owned(),
            "FRAME_TOO_LARGE 5".to_owned(),
            "INVALID_CONTROL 5".to_owned(),
            "control c6 6".to_owned(),
            "event 7 7".to_owned(),
        ]
    );
    let stats = machine.stats();
    assert_eq!((stats.messages, stats.rejected, stats.bad_frames), (4, 1, 3));
    assert_eq!(machine.state(), ConnectionState::Connected);
}

#[test]
fn rotation_is_silent_and_resumes_from_the_cursor_with_the_live_cursor() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event(1)]));
    feed(
        &mut machine,
        &mut sink,
        b"event: control\ndata: {\"streamNextOffset\":\"a b\",\"streamCursor\":\"77\"}\n\n",
    );
    feed(&mut machine, &mut sink, &data(&[event(2), event(3)]));
    outputs(&mut machine);
    machine.handle(NOW, Input::BodyEnded);
    assert_eq!(machine.state(), ConnectionState::Connected);
    assert_eq!(reopened_at(&mut machine), "cursor=77&live=sse&offset=a%20b");
    // 2 and 3 had come without a control event after them.
    feed(&mut machine, &mut sink, &data(&[event(2)]));
    feed(&mut machine, &mut sink, &data(&[event(3), event(4)]));
    assert_eq!(sink.events.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert_eq!((machine.attempt(), machine.stats().skipped, machine.stats().requests), (0, 2, 2));
    assert_eq!(outputs(&mut machine), []);
}

#[test]
fn a_connection_that_brings_nothing_and_ends_at_once_is_paced_without_an_attempt() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    for _ in 0..3 {
        feed(&mut machine, &mut sink, &ping());
        outputs(&mut machine);
        machine.handle(NOW, Input::BodyEnded);
        reopened_at(&mut machine);
    }
    feed(&mut machine, &mut sink, &ping());
    machine.handle(NOW, Input::BodyEnded);
    let paced = outputs(&mut machine);
    assert!(matches!(paced.last(), Some(Output::SetTimer { kind: TimerKind::Retry, .. })), "{paced:?}");
    assert_eq!((machine.state(), machine.attempt()), (ConnectionState::Connected, 0));
    machine.handle(NOW, Input::Timer(TimerKind::Retry));
    reopened_at(&mut machine);
    // Progress ends the suspicion.
    feed(&mut machine, &mut sink, &data(&[event(1)]));
    machine.handle(NOW, Input::BodyEnded);
    assert!(outputs(&mut machine).iter().any(|output| matches!(output, Output::Open(_))));
}

#[test]
fn the_cap_holds_on_every_failing_path_and_says_why() {
    type Fail = fn(&mut Subscription);
    let paths: [(&str, Fail); 7] = [
        ("NETWORK", |m| m.handle(NOW, Input::Failed(Failure::network("refused")))),
        ("HTTP_STATUS", |m| m.handle(NOW, Input::Response(status(500)))),
        ("NO_CONTENT", |m| m.handle(NOW, Input::Response(status(204)))),
        ("CONTENT_TYPE", |m| {
            let html = ResponseHead { content_type: Some("text/html".into()), ..status(200) };
            m.handle(NOW, Input::Response(html));
        }),
        ("ENDED_EARLY", |m| {
            m.handle(NOW, Input::Response(event_stream()));
            m.handle(NOW, Input::BodyEnded);
        }),
        ("CUT_MID_FRAME", |m| {
            m.handle(NOW, Input::Response(event_stream()));
            feed(m, &mut Sink::default(), b"event: da");
            m.handle(NOW, Input::BodyEnded);
        }),
        ("SILENCE", |m| m.handle(Millis(100_000), Input::Timer(TimerKind::Silence))),
    ];
    for (code, fail) in paths {
        let reconnect = ReconnectConfig { max_attempts: 4, ..ReconnectConfig::default() };
        let mut machine =
            Subscription::new(SubscriptionConfig { reconnect, ..SubscriptionConfig::default() }, 3);
        machine.handle(NOW, Input::Subscribe);
        for attempt in 1..=4 {
            fail(&mut machine);
            let scheduled = outputs(&mut machine).into_iter().find_map(|output| match output {
                Output::RetryScheduled { attempt, cause, .. } => Some((attempt, cause.code())),
                _ => None,
            });
            assert_eq!(scheduled, Some((attempt, code)));
            machine.handle(NOW, Input::Timer(TimerKind::Retry));
            assert!(outputs(&mut machine).iter().any(|output| matches!(output, Output::Open(_))), "{code}");
        }
        fail(&mut machine);
        let last = outputs(&mut machine);
        let error = last.iter().find_map(|output| match output {
            Output::Error(error @ SubscriptionError::AttemptsExhausted { attempts: 4, cause, .. }) => {
                Some((error.to_string(), cause.code()))
            }
            _ => None,
        });
        let (text, last_code) = error.expect("an error that tells");
        assert_eq!(last_code, code);
        assert!(text.contains("4 attempts") && text.contains("nothing was read yet"), "{text}");
        assert!(!last.iter().any(|output| matches!(output, Output::Open(_))));
        assert_eq!((machine.state(), machine.stats().requests), (ConnectionState::Lost, 5), "{code}");
        // Starting anew has all attempts again.
        machine.handle(NOW, Input::Reconnect);
        assert_eq!((machine.attempt(), machine.stats().requests), (0, 6));
    }
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it_even_when_the_network_comes_back() {
    let mut machine = Subscription::new(SubscriptionConfig::default(), 5);
    machine.handle(NOW, Input::Subscribe);
    machine.handle(NOW, Input::Response(ResponseHead { retry_after_ms: Some(90_000), ..status(429) }));
    let delay = outputs(&mut machine).into_iter().find_map(|output| match output {
        Output::RetryScheduled { delay_ms, cause, .. } => Some((delay_ms, cause)),
        _ => None,
    });
    assert_eq!(delay, Some((90_000, Cause::Status(429))));
    machine.handle(Millis(89_999), Input::Online);
    assert_eq!(outputs(&mut machine), []);
    machine.handle(Millis(90_000), Input::Online);
    assert!(!outputs(&mut machine).is_empty());
}

#[test]
fn a_pause_does_not_shorten_the_wait_that_a_server_asked_for() {
    let mut machine = Subscription::new(SubscriptionConfig::default(), 5);
    machine.handle(NOW, Input::Subscribe);
    machine.handle(NOW, Input::Response(ResponseHead { retry_after_ms: Some(90_000), ..status(503) }));
    machine.handle(Millis(10_000), Input::Pause);
    outputs(&mut machine);
    machine.handle(Millis(20_000), Input::Subscribe);
    let waits = Output::SetTimer { kind: TimerKind::Retry, after_ms: 70_000 };
    assert_eq!(outputs(&mut machine), [Output::State(ConnectionState::Connecting), waits]);
    assert_eq!(machine.attempt(), 1, "it was a failure, and still is");
    machine.handle(Millis(90_000), Input::Timer(TimerKind::Retry));
    assert!(outputs(&mut machine).iter().any(|output| matches!(output, Output::Open(_))));
    // Somebody who asks for it by name is not held up.
    machine.handle(
        Millis(90_000),
        Input::Response(ResponseHead { retry_after_ms: Some(90_000), ..status(503) }),
    );
    outputs(&mut machine);
    machine.handle(Millis(90_001), Input::Reconnect);
    assert!(outputs(&mut machine).iter().any(|output| matches!(output, Output::Open(_))));
}

#[test]
fn the_network_ends_a_backoff_that_is_longer_than_what_the_server_asked_for() {
    let reconnect = ReconnectConfig { initial_delay_ms: 30_000, jitter: false, ..ReconnectConfig::default() };
    let config = SubscriptionConfig { reconnect, ..SubscriptionConfig::default() };
    let mut machine = Subscription::new(config, 5);
    machine.handle(NOW, Input::Subscribe);
    machine.handle(NOW, Input::Response(ResponseHead { retry_after_ms: Some(1000), ..status(503) }));
    outputs(&mut machine);
    machine.handle(Millis(999), Input::Online);
    assert_eq!(outputs(&mut machine), []);
    machine.handle(Millis(1000), Input::Online);
    assert!(outputs(&mut machine).iter().any(|output| matches!(output, Output::Open(_))));
}

#[test]
fn trimmed_history_is_told_and_reading_goes_on_there() {
    let from = From::After { cursor: "0010".parse().unwrap(), count: Some(10) };
    let mut machine = Subscription::new(SubscriptionConfig { from, ..SubscriptionConfig::default() }, 1);
    machine.handle(NOW, Input::Subscribe);
    outputs(&mut machine);
    let head = ResponseHead { first_offset: Some("0025".into()), message_count: Some(25), ..status(410) };
    machine.handle(NOW, Input::Response(head));
    let told = outputs(&mut machine);
    assert!(told.contains(&Output::Error(SubscriptionError::HistoryTrimmed {
        first: "0025".parse().unwrap(),
        missing: Some(15)
    })));
    assert!(told.iter().any(|output| matches!(output, Output::Open(request) if request.offset == "0025")));
    machine.handle(NOW, Input::Response(event_stream()));
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event("next")]));
    assert_eq!(sink.events, [("next".to_owned(), 26)]);
}

/// Base64 is not JSON, whatever it would look like: such an answer is no event stream of ours.
#[test]
fn an_answer_whose_data_is_encoded_is_refused() {
    for (data_encoding, read) in [(None, true), (Some("base64".to_owned()), false)] {
        let mut machine = Subscription::new(SubscriptionConfig::default(), 1);
        machine.handle(NOW, Input::Subscribe);
        outputs(&mut machine);
        machine.handle(NOW, Input::Response(ResponseHead { data_encoding, ..event_stream() }));
        let refused = outputs(&mut machine).contains(&Output::Abort);
        let mut sink = Sink::default();
        feed(&mut machine, &mut sink, &data(&[event(1)]));
        assert_eq!((refused, sink.events.is_empty()), (!read, !read));
    }
}

#[test]
fn messages_that_the_server_counts_but_never_sent_are_told() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event(1)]));
    feed(&mut machine, &mut sink, &control("c", Some(4), false));
    assert_eq!(sink.items, ["event 1 1", "MESSAGES_MISSING 4", "control c 4"]);
}

#[test]
fn the_end_of_a_closed_stream_ends_everything() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    let mut wire = data(&[event(1)]);
    wire.extend(control("end", Some(1), true));
    wire.extend(data(&[event("after the end")]));
    feed(&mut machine, &mut sink, &wire);
    assert_eq!(sink.items, ["event 1 1", "control end 1 tail closed"]);
    assert_eq!(machine.state(), ConnectionState::Closed);
    outputs(&mut machine);
    machine.handle(NOW, Input::Reconnect);
    machine.handle(NOW, Input::Subscribe);
    assert_eq!(outputs(&mut machine), []);
}

#[test]
fn numbers_begin_where_the_server_says_when_reading_starts_at_the_tail() {
    let config = SubscriptionConfig { from: From::Now, ..SubscriptionConfig::default() };
    let mut machine = Subscription::new(config, 1);
    machine.handle(NOW, Input::Subscribe);
    assert!(outputs(&mut machine).iter().any(|o| matches!(o, Output::Open(r) if r.offset == "now")));
    machine.handle(NOW, Input::Response(ResponseHead { message_count: Some(70), ..event_stream() }));
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event("x")]));
    assert_eq!(sink.events, [("x".to_owned(), 71)]);
}

#[test]
fn a_count_that_no_stream_can_have_is_ignored() {
    let mut machine = Subscription::new(SubscriptionConfig::default(), 1);
    machine.handle(NOW, Input::Subscribe);
    let trimmed =
        ResponseHead { first_offset: Some("c".into()), message_count: Some(u64::MAX), ..status(410) };
    machine.handle(NOW, Input::Response(trimmed));
    let told = outputs(&mut machine).into_iter().find_map(|output| match output {
        Output::Error(SubscriptionError::HistoryTrimmed { missing, .. }) => Some(missing),
        _ => None,
    });
    assert_eq!(told, Some(None));
    machine.handle(NOW, Input::Response(ResponseHead { message_count: Some(1 << 53), ..event_stream() }));
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event("x")]));
    assert_eq!(sink.items, ["event x 1"]);
}

#[test]
fn refusals_are_fatal_at_once_and_have_codes() {
    for (refused, code) in
        [(400, "BAD_REQUEST"), (403, "FORBIDDEN"), (404, "SESSION_NOT_FOUND"), (410, "GONE")]
    {
        let mut machine = Subscription::new(SubscriptionConfig::default(), 1);
        machine.handle(NOW, Input::Subscribe);
        outputs(&mut machine);
        let head = ResponseHead { retry_after_ms: Some(1), ..status(refused) };
        machine.handle(NOW, Input::Response(head));
        let told = outputs(&mut machine);
        let codes: Vec<_> = told
            .iter()
            .filter_map(|output| match output {
                Output::Error(error) => Some(error.code()),
                _ => None,
            })
            .collect();
        assert_eq!((codes, machine.state()), (vec![code], ConnectionState::Lost));
        assert!(!told.iter().any(|output| matches!(output, Output::Open(_) | Output::SetTimer { .. })));
    }
    for passing in [405, 408, 418, 500, 502, 504] {
        let mut machine = Subscription::new(SubscriptionConfig::default(), 1);
        machine.handle(NOW, Input::Subscribe);
        machine.handle(NOW, Input::Response(status(passing)));
        assert_eq!((machine.attempt(), machine.state()), (1, ConnectionState::Reconnecting), "{passing}");
    }
}

#[test]
fn what_is_ephemeral_disturbs_no_count() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &ephemeral("before"));
    assert_eq!(machine.state(), ConnectionState::Connected);
    feed(&mut machine, &mut sink, &data(&[event(1)]));
    feed(&mut machine, &mut sink, &control("c1", None, false));
    feed(&mut machine, &mut sink, &data(&[event(2)]));
    feed(&mut machine, &mut sink, &ephemeral("between"));
    feed(&mut machine, &mut sink, &data(&[event(3)]));
    // Not an event, and not even JSON: told, and nothing else.
    feed(&mut machine, &mut sink, b"event: ephemeral\ndata: {\"id\":\"x\"}\n\nevent: ephemeral\ndata: {\n\n");
    feed(&mut machine, &mut sink, b"event: da");
    outputs(&mut machine);
    machine.handle(NOW, Input::Failed(Failure::network("reset")));
    machine.handle(NOW, Input::Timer(TimerKind::Retry));
    assert_eq!(reopened_at(&mut machine), "live=sse&offset=c1");
    feed(&mut machine, &mut sink, &ephemeral("after"));
    feed(&mut machine, &mut sink, &data(&[event(2), event(3), event(4)]));
    feed(&mut machine, &mut sink, &control("c4", Some(4), false));
    assert_eq!(
        sink.items,
        [
            "ephemeral before 0",
            "event 1 1",
            "control c1 1",
            "event 2 2",
            "ephemeral between 2",
            "event 3 3",
            "INVALID_EVENT 3",
            "INVALID_JSON 3",
            "ephemeral after 3",
            "event 4 4",
            "control c4 4",
        ]
    );
    let stats = machine.stats();
    assert_eq!((stats.messages, stats.skipped, stats.rejected, stats.bad_frames), (4, 2, 0, 2));
}

#[test]
fn sleep_is_no_failure_and_a_pause_the_server_asked_for_still_holds() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event(1)]));
    outputs(&mut machine);
    machine.handle(Millis(3_600_000), Input::Woke);
    let told = outputs(&mut machine);
    assert!(matches!(told[..], [Output::Abort, Output::Open(_), Output::SetTimer { .. }]), "{told:?}");
    assert_eq!((machine.state(), machine.attempt()), (ConnectionState::Connected, 0));

    let mut machine = Subscription::new(SubscriptionConfig::default(), 1);
    machine.handle(NOW, Input::Subscribe);
    machine.handle(NOW, Input::Response(ResponseHead { retry_after_ms: Some(90_000), ..status(503) }));
    outputs(&mut machine);
    machine.handle(Millis(60_000), Input::Woke);
    assert_eq!(outputs(&mut machine), [Output::SetTimer { kind: TimerKind::Retry, after_ms: 30_000 }]);
    machine.handle(Millis(90_000), Input::Woke);
    assert!(outputs(&mut machine).iter().any(|output| matches!(output, Output::Open(_))));
}

#[test]
fn a_pause_lets_go_and_goes_on_from_the_cursor() {
    let mut machine = streaming(SubscriptionConfig::default());
    let mut sink = Sink::default();
    feed(&mut machine, &mut sink, &data(&[event(1)]));
    feed(&mut machine, &mut sink, &control("c1", None, false));
    feed(&mut machine, &mut sink, &data(&[event(2)]));
    outputs(&mut machine);
    machine.handle(NOW, Input::Pause);
    assert!(outputs(&mut machine).contains(&Output::Abort));
    assert_eq!(machine.state(), ConnectionState::Disconnected);
    machine.handle(NOW, Input::Subscribe);
    assert_eq!(machine.state(), ConnectionState::Reconnecting);
    assert_eq!(reopened_at(&mut machine), "live=sse&offset=c1");
    feed(&mut machine, &mut sink, &data(&[event(2), event(3)]));
    assert_eq!(sink.events.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(outputs(&mut machine), [Output::State(ConnectionState::Connected), Output::Reconnected]);
}

#[test]
fn a_clock_that_is_set_back_costs_one_more_time_of_silence() {
    let mut machine = streaming(SubscriptionConfig::default());
    machine.push(&ping());
    machine.drain(Millis(9_000_000), &mut Sink::default());
    outputs(&mut machine);
    machine.handle(Millis(1_000_000), Input::Timer(TimerKind::Silence));
    assert_eq!(outputs(&mut machine), [Output::SetTimer { kind: TimerKind::Silence, after_ms: 45_000 }]);
    machine.handle(Millis(1_045_000), Input::Timer(TimerKind::Silence));
    assert!(outputs(&mut machine).contains(&Output::Abort));
}
