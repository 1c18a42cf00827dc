//! Invariants 1, 2, 3, 5 and 6 against a simulated server that cuts anywhere, in virtual time.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::machine::SubscriptionConfig;
use super::super::{ConnectionState, Input, OpenRequest, Output, ResponseHead, Subscription, TimerKind};
use super::harness::{Sink, control, data, ephemeral, event, event_stream, ping, status};
use crate::{Cause, Failure, Millis, ReconnectConfig};

/// What the server does to one connection.
#[derive(Debug, Clone)]
enum Act {
    Refuse,
    Status(u16, Option<u64>),
    NotAStream,
    /// Serves so many bytes, framed by these sizes, then ends in this way.
    Serve {
        bytes: usize,
        frames: Vec<u8>,
        end: End,
    },
}

#[derive(Debug, Clone, Copy)]
enum End {
    Clean,
    Error,
    Silence,
    Sleep,
    Pause,
}

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        Just(End::Clean),
        Just(End::Error),
        Just(End::Silence),
        Just(End::Sleep),
        Just(End::Pause)
    ];
    prop_oneof![
        1 => Just(Act::Refuse),
        1 => (prop_oneof![Just(500u16), Just(503), Just(429)], proptest::option::of(0u64..200_000))
            .prop_map(|(status, after)| Act::Status(status, after)),
        1 => Just(Act::NotAStream),
        8 => (0usize..1500, proptest::collection::vec(any::<u8>(), 1..12), end)
            .prop_map(|(bytes, frames, end)| Act::Serve { bytes, frames, end }),
    ]
}

struct Server {
    messages: usize,
    counts: bool,
    acts: std::vec::IntoIter<Act>,
}

impl Server {
    /// Tokens sort as positions but say nothing about them.
    fn token(position: usize) -> String {
        format!("t{:05}", position * 7)
    }

    /// The whole answer from a position on: data frames of changing sizes, control events after most, pings between.
    fn body(&self, from: usize, frames: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut at = from;
        let mut choices = frames.iter().cycle();
        while at < self.messages {
            let choice = *choices.next().unwrap();
            let size = usize::from(choice % 7).min(self.messages - at);
            if choice & 8 == 0 {
                wire.extend(ping());
            }
            wire.extend(data(&(at..at + size).map(event).collect::<Vec<_>>()));
            at += size;
            if choice & 0x40 != 0 {
                wire.extend(ephemeral(at));
            }
            if choice & 0x30 != 0 {
                wire.extend(self.control(at, false));
            }
            if size == 0 && frames.iter().all(|choice| choice % 7 == 0) {
                // Nothing but empty frames would never end.
                wire.extend(data(&[event(at)]));
                at += 1;
            }
        }
        wire.extend(self.control(at, true));
        wire
    }

    fn control(&self, at: usize, closed: bool) -> Vec<u8> {
        control(&Self::token(at), self.counts.then_some(at as u64), closed)
    }
}

/// Runs a subscription to its end against the server; after its acts the server is well.
fn run(server: &mut Server, seed: u64, chunk: usize) -> (Sink, Subscription) {
    let reconnect = ReconnectConfig { max_attempts: 200, ..ReconnectConfig::default() };
    let config = SubscriptionConfig { reconnect, ..SubscriptionConfig::default() };
    let mut machine = Subscription::new(config, seed);
    let mut sink = Sink::default();
    let mut now = Millis(0);
    let mut timers: HashMap<bool, Millis> = HashMap::new();
    let mut request: Option<OpenRequest> = None;
    let mut asked_to_wait = None;
    machine.handle(now, Input::Subscribe);
    for _ in 0..10_000 {
        while let Some(output) = machine.next_output() {
            match output {
                Output::Open(open) => {
                    assert!(request.is_none(), "invariant 5: one request at a time");
                    request = Some(open);
                }
                Output::Abort => request = None,
                Output::SetTimer { kind, after_ms } => {
                    timers.insert(kind == TimerKind::Retry, Millis(now.0 + after_ms));
                }
                Output::CancelTimer(kind) => drop(timers.remove(&(kind == TimerKind::Retry))),
                Output::RetryScheduled { attempt, delay_ms, .. } => {
                    let bound = u64::from(reconnect.delay_bound_ms(attempt));
                    match asked_to_wait.take() {
                        Some(asked) => assert!((asked..=bound.max(asked)).contains(&delay_ms), "invariant 6"),
                        None => assert!(delay_ms <= bound, "invariant 6"),
                    }
                }
                Output::Lost(info) => panic!("lost: {}", info.cause),
                _ => {}
            }
        }
        if machine.state() == ConnectionState::Closed {
            assert!(timers.is_empty() && request.is_none(), "invariant 5: nothing is left behind");
            return (sink, machine);
        }
        let Some(open) = &request else {
            // Nothing under way: time passes until the next timer.
            let (&retry, &at) = timers.iter().min_by_key(|(_, at)| **at).expect("the machine is stuck");
            timers.remove(&retry);
            now = at;
            machine.handle(now, Input::Timer(if retry { TimerKind::Retry } else { TimerKind::Silence }));
            continue;
        };
        let from = match open.offset.as_str() {
            "-1" => 0,
            token => token[1..].parse::<usize>().unwrap() / 7,
        };
        let healthy = Act::Serve { bytes: usize::MAX, frames: vec![0x33, 0x14], end: End::Clean };
        now = Millis(now.0 + 5);
        match server.acts.next().unwrap_or(healthy) {
            Act::Refuse => {
                request = None;
                machine.handle(now, Input::Failed(Failure::network("refused")));
            }
            Act::Status(code, retry_after_ms) => {
                asked_to_wait = retry_after_ms;
                machine.handle(now, Input::Response(ResponseHead { retry_after_ms, ..status(code) }));
            }
            Act::NotAStream => machine.handle(now, Input::Response(status(200))),
            Act::Serve { bytes, frames, end } => {
                let message_count = server.counts.then_some(from as u64);
                machine.handle(now, Input::Response(ResponseHead { message_count, ..event_stream() }));
                let body = server.body(from, &frames);
                for chunk in body[..bytes.min(body.len())].chunks(chunk) {
                    machine.push(chunk);
                    machine.drain(now, &mut sink);
                }
                if machine.state() == ConnectionState::Closed {
                    continue;
                }
                match end {
                    End::Clean => {
                        request = None;
                        machine.handle(now, Input::BodyEnded);
                    }
                    End::Error => {
                        request = None;
                        machine.handle(now, Input::Failed(Failure::network("reset")));
                    }
                    End::Silence => {
                        now = Millis(now.0 + 45_000);
                        machine.handle(now, Input::Timer(TimerKind::Silence));
                    }
                    End::Sleep => {
                        let attempt = machine.attempt();
                        now = Millis(now.0 + 45_000);
                        machine.handle(now, Input::Woke);
                        assert_eq!(machine.attempt(), attempt, "invariant 5");
                    }
                    End::Pause => {
                        machine.handle(now, Input::Pause);
                        machine.handle(now, Input::Subscribe);
                        assert_eq!(machine.attempt(), 0, "invariant 5");
                    }
                }
            }
        }
    }
    panic!("never came to an end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_twice_and_nothing_missing_wherever_it_is_cut(
        messages in 0usize..40, counts: bool, seed: u64, chunk in 1usize..200,
        acts in proptest::collection::vec(act(), 0..25),
    ) {
        let mut server = Server { messages, counts, acts: acts.into_iter() };
        let (sink, machine) = run(&mut server, seed, chunk);
        let expected: Vec<_> = (0..messages).map(|n| (n.to_string(), n as u64 + 1)).collect();
        prop_assert_eq!(&sink.events, &expected);
        prop_assert_eq!(machine.count(), messages as u64);
        prop_assert!(!sink.items.iter().any(|item| item.starts_with("MESSAGES_MISSING")));
        // Invariant 8: told with the number of the last message, and no number of its own.
        let mut last = 0;
        for item in &sink.items {
            let number = item.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
            if item.starts_with("ephemeral") {
                prop_assert_eq!(number, Some(last), "{}", item);
            } else if item.starts_with("event") {
                last = number.unwrap();
            }
        }
        let token = Server::token(messages);
        prop_assert_eq!(machine.cursor().map(ToString::to_string), Some(token));
    }
}

#[test]
fn the_last_cause_is_the_last_one() {
    // A simulation that could not fail would prove nothing: cut it off from the server for good.
    let reconnect = ReconnectConfig { max_attempts: 2, ..ReconnectConfig::default() };
    let mut machine = Subscription::new(SubscriptionConfig { reconnect, ..SubscriptionConfig::default() }, 1);
    machine.handle(Millis(0), Input::Subscribe);
    machine.handle(Millis(0), Input::Failed(Failure::network("first")));
    machine.handle(Millis(0), Input::Timer(TimerKind::Retry));
    machine.handle(Millis(0), Input::Response(status(502)));
    machine.handle(Millis(0), Input::Timer(TimerKind::Retry));
    machine.handle(Millis(0), Input::Failed(Failure::network("last")));
    let lost = std::iter::from_fn(|| machine.next_output()).find_map(|output| match output {
        Output::Lost(info) => Some(info),
        _ => None,
    });
    let info = lost.expect("lost");
    assert_eq!(info.attempts, 2);
    assert!(matches!(&info.cause, Cause::Network(detail) if detail.as_str() == "last"));
}
