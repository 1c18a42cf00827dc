//! Nothing twice, nothing missing, one request at a time and a bounded number of attempts, against a server that serves
//! both modes, refuses either, holds answers back and cuts anywhere.

use std::collections::HashMap;

use durable_sessions_protocol::sse;
use proptest::prelude::*;

use super::super::*;
use super::harness::{Sink, control_frame, event, status, typed};
use crate::{ConnectionState, Failure, Millis, Output, ReconnectConfig, Subscription, SubscriptionConfig};

const MESSAGES: usize = 30;

/// What the server does to one request.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Serves as asked: so many bytes of the body, then its end, or a break if the flag is set.
    Serve(usize, bool),
    Status(u16),
    /// Refuses SSE and offers polls; serves polls.
    NoSse(u16),
    /// Answers SSE with a head and nothing else, or not at all.
    Hold(bool),
    Refuse,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0usize..2500, any::<bool>()).prop_map(|(bytes, breaks)| Act::Serve(bytes, breaks)),
        1 => proptest::sample::select(vec![500u16, 503, 429]).prop_map(Act::Status),
        1 => proptest::sample::select(vec![400u16, 406, 204, 503]).prop_map(Act::NoSse),
        1 => any::<bool>().prop_map(Act::Hold),
        1 => Just(Act::Refuse),
    ]
}

/// Tokens sort as positions but say nothing about them.
fn token(position: usize) -> String {
    format!("t{:05}", position * 7)
}

fn position(offset: &str) -> usize {
    if offset == "-1" { 0 } else { offset[1..].parse::<usize>().unwrap() / 7 }
}

fn sse_body(from: usize, step: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut at = from;
    while at < MESSAGES {
        let to = (at + step).min(MESSAGES);
        let messages: Vec<String> = (at..to).map(event).collect();
        sse::encode_json_data_event(&mut wire, messages.join(",").as_bytes());
        at = to;
        wire.extend(control_frame(&token(at), at == MESSAGES));
    }
    if from == MESSAGES {
        wire.extend(control_frame(&token(at), true));
    }
    wire
}

fn page(from: usize, step: usize, counts: bool) -> (LiveHead, Vec<u8>) {
    let to = (from + step).min(MESSAGES);
    let mut head = typed("application/json");
    head.head.status = if from == to { 204 } else { 200 };
    head.head.message_count = counts.then_some(from as u64);
    head.next_offset = Some(token(to));
    head.live_cursor = Some("5".into());
    (head.up_to_date, head.closed) = (to == MESSAGES, to == MESSAGES);
    let messages: Vec<String> = (from..to).map(event).collect();
    (head, if from == to { Vec::new() } else { format!("[{}]", messages.join(", ")).into_bytes() })
}

struct World<C> {
    machine: Live<C>,
    sink: Sink,
    now: Millis,
    timers: HashMap<&'static str, (Millis, LiveTimer)>,
    request: Option<LiveRequest>,
}

impl<C> World<C>
where
    C: for<'s> Content,
    Sink: AsSink<C>,
{
    fn outputs(&mut self) {
        while let Some(output) = self.machine.next_output() {
            match output {
                LiveOutput::Open(request) => {
                    assert!(self.request.is_none(), "one request at a time");
                    self.request = Some(request);
                }
                LiveOutput::Abort => self.request = None,
                LiveOutput::SetTimer { kind, after_ms } => {
                    let name = name(kind);
                    self.timers.insert(name, (Millis(self.now.0 + after_ms), kind));
                }
                LiveOutput::CancelTimer(kind) => drop(self.timers.remove(name(kind))),
                LiveOutput::Told(Output::Lost(info)) => panic!("lost: {}", info.cause),
                LiveOutput::FellBack(_) | LiveOutput::Told(_) => {}
            }
        }
    }

    /// Time passes until the next timer.
    fn wait(&mut self) {
        let (&name, &(at, kind)) =
            self.timers.iter().min_by_key(|(_, (at, _))| *at).expect("nothing would happen");
        self.timers.remove(name);
        self.now = at.max(self.now);
        self.machine.handle(self.now, LiveInput::Timer(kind));
    }

    fn serve(&mut self, act: Act, step: usize, counts: bool) {
        let Some(request) = self.request.clone() else { return self.wait() };
        let is_sse = request.mode == ReadMode::Sse;
        let from = position(&request.request.offset);
        match act {
            Act::Refuse => self.fail(),
            Act::Status(code) => self.respond(status(code)),
            Act::NoSse(code) if is_sse => {
                self.respond(LiveHead { offers_long_poll: code == 503, ..status(code) });
            }
            Act::Hold(answers) if is_sse => {
                if answers {
                    self.respond(typed("text/event-stream"));
                }
                self.outputs();
                self.wait();
            }
            _ => {
                let (limit, breaks) =
                    if let Act::Serve(limit, breaks) = act { (limit, breaks) } else { (usize::MAX, false) };
                let (head, body) = if is_sse {
                    (typed("text/event-stream"), sse_body(from, step))
                } else {
                    page(from, step, counts)
                };
                self.respond(head);
                let whole = limit >= body.len();
                for chunk in body[..limit.min(body.len())].chunks(97) {
                    self.machine.push(chunk);
                    Sink::drain(&mut self.machine, self.now, &mut self.sink);
                }
                self.outputs();
                if self.request.is_none() {
                    return;
                }
                // HTTP tells a whole page from a part of it; the end of an event stream comes anywhere.
                if breaks || (!is_sse && !whole) {
                    self.fail();
                } else {
                    self.request = None;
                    Sink::end(&mut self.machine, self.now, &mut self.sink);
                }
            }
        }
    }

    fn respond(&mut self, head: LiveHead) {
        self.machine.handle(self.now, LiveInput::Response(head));
    }

    fn fail(&mut self) {
        self.request = None;
        self.machine.handle(self.now, LiveInput::Failed(Failure::network("reset")));
    }
}

/// The sink as each content wants it.
trait AsSink<C: Content> {
    fn drain(machine: &mut Live<C>, now: Millis, sink: &mut Sink);
    fn end(machine: &mut Live<C>, now: Millis, sink: &mut Sink);
}

impl AsSink<Events> for Sink {
    fn drain(machine: &mut Live<Events>, now: Millis, sink: &mut Sink) {
        machine.drain(now, sink);
    }
    fn end(machine: &mut Live<Events>, now: Millis, sink: &mut Sink) {
        machine.body_ended(now, sink);
    }
}

impl AsSink<Batches> for Sink {
    fn drain(machine: &mut Live<Batches>, now: Millis, sink: &mut Sink) {
        machine.drain(now, sink);
    }
    fn end(machine: &mut Live<Batches>, now: Millis, sink: &mut Sink) {
        machine.body_ended(now, sink);
    }
}

fn name(kind: LiveTimer) -> &'static str {
    match kind {
        LiveTimer::Retry => "retry",
        LiveTimer::Silence => "silence",
        LiveTimer::Stall => "stall",
    }
}

fn run<C: Content>(content: C, acts: Vec<Act>, step: usize, counts: bool, seed: u64) -> Vec<String>
where
    Sink: AsSink<C>,
{
    let reconnect = ReconnectConfig { max_attempts: 200, ..ReconnectConfig::default() };
    let config = SubscriptionConfig { reconnect, ..SubscriptionConfig::default() };
    let machine = Live::new(Subscription::new(config, seed), content, LiveConfig::default());
    let mut world =
        World { machine, sink: Sink::default(), now: Millis(0), timers: HashMap::new(), request: None };
    world.machine.handle(world.now, LiveInput::Subscribe);
    let mut acts = acts.into_iter();
    for _ in 0..10_000 {
        world.outputs();
        if world.machine.state() == ConnectionState::Closed {
            return world.sink.items;
        }
        if world.request.is_none() {
            world.wait();
            continue;
        }
        world.serve(acts.next().unwrap_or(Act::Serve(usize::MAX, false)), step, counts);
    }
    panic!("it never ended");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_event_comes_once_in_whatever_mode(
        acts in proptest::collection::vec(act(), 0..40), step in 1usize..9, counts: bool, seed: u64,
    ) {
        let items = run(Events::default(), acts, step, counts, seed);
        let events: Vec<&String> = items.iter().filter(|item| !item.starts_with("control")).collect();
        let expected: Vec<String> = (0..MESSAGES).map(|n| format!("event {n} {}", n + 1)).collect();
        prop_assert_eq!(events, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn every_piece_comes_once_in_whatever_mode(
        acts in proptest::collection::vec(act(), 0..40), step in 1usize..9, seed: u64,
    ) {
        let items = run(Batches::new(1 << 20), acts, step, false, seed);
        let text: String = items.iter().filter_map(|item| item.strip_prefix("piece ")).collect();
        let ids: Vec<usize> =
            text.split("\\\"id\\\":\\\"").skip(1).map(|rest| rest.split('\\').next().unwrap().parse().unwrap()).collect();
        prop_assert_eq!(ids, (0..MESSAGES).collect::<Vec<_>>());
    }
}
