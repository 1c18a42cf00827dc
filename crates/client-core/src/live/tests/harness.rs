//! What the tests share: sinks that remember, answers, and short words for outputs.

use durable_sessions_protocol::{Control, sse};
use durable_sessions_schema::{EventView, Rejection};

use super::super::*;
use crate::subscription::FrameProblem;
use crate::{
    EventSink, Millis, OpenRequest, Output, ReconnectConfig, ResponseHead, Subscription, SubscriptionConfig,
};

pub(super) const NOW: Millis = Millis(1_000_000);

/// Everything that was delivered, in words.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) items: Vec<String>,
    mark: usize,
}

impl EventSink for Sink {
    fn event(&mut self, view: &EventView<'_, '_>, count: u64) {
        self.items.push(format!("event {} {count}", view.id()));
    }

    fn rejected(&mut self, rejection: &Rejection, _: &[u8], count: u64) {
        self.items.push(format!("rejected {} {count}", rejection.path));
    }

    fn bad_frame(&mut self, problem: &FrameProblem<'_>, count: u64) {
        self.items.push(format!("{} {count}", problem.code()));
    }

    fn control(&mut self, cursor: &str, count: u64, up_to_date: bool, closed: bool) {
        let flags = [if up_to_date { " tail" } else { "" }, if closed { " closed" } else { "" }].concat();
        self.items.push(format!("control {cursor} {count}{flags}"));
    }

    fn checkpoint(&mut self) {
        self.mark = self.items.len();
    }

    fn rollback(&mut self) {
        self.items.truncate(self.mark);
    }
}

impl BatchSink for Sink {
    fn piece(&mut self, bytes: &[u8]) {
        self.items.push(format!("piece {}", bytes.escape_ascii()));
    }

    fn control(&mut self, control: &Control) {
        EventSink::control(self, control.next_offset.as_str(), 0, control.up_to_date, control.closed);
    }

    fn bad(&mut self, problem: BatchProblem) {
        self.items.push(problem.code().to_owned());
    }
}

pub(super) fn subscription() -> Subscription {
    let reconnect = ReconnectConfig { jitter: false, max_attempts: 3, ..ReconnectConfig::default() };
    Subscription::new(SubscriptionConfig { reconnect, ..SubscriptionConfig::default() }, 1)
}

pub(super) fn events(config: LiveConfig) -> Live<Events> {
    Live::new(subscription(), Events::default(), config)
}

pub(super) fn batches(config: LiveConfig) -> Live<Batches> {
    Live::new(subscription(), Batches::new(4096), config)
}

pub(super) fn event(id: impl std::fmt::Display) -> String {
    format!(r#"{{"id":"{id}","type":"chunk","timestamp":1700000000000,"data":{{"text":"a\nb"}}}}"#)
}

pub(super) fn control_frame(token: &str, closed: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    let control = Control { closed, ..Control::at(token.parse().unwrap()) };
    sse::encode_control_event(&mut wire, &control);
    wire
}

pub(super) fn status(status: u16) -> LiveHead {
    LiveHead { head: ResponseHead { status, ..ResponseHead::default() }, ..LiveHead::default() }
}

pub(super) fn typed(content_type: &str) -> LiveHead {
    let mut head = status(200);
    head.head.content_type = Some(content_type.to_owned());
    head
}

/// A poll's answer that reaches the tail.
pub(super) fn page(status: u16, next_offset: &str) -> LiveHead {
    LiveHead {
        head: ResponseHead {
            status,
            content_type: Some("application/json".to_owned()),
            ..ResponseHead::default()
        },
        next_offset: Some(next_offset.to_owned()),
        live_cursor: Some("7".to_owned()),
        up_to_date: true,
        ..LiveHead::default()
    }
}

pub(super) fn outputs<C: Content>(machine: &mut Live<C>) -> Vec<LiveOutput> {
    std::iter::from_fn(|| machine.next_output()).collect()
}

/// The requests among the outputs.
pub(super) fn opened<C: Content>(machine: &mut Live<C>) -> Vec<(ReadMode, OpenRequest)> {
    let opened = outputs(machine).into_iter().filter_map(|output| match output {
        LiveOutput::Open(LiveRequest { mode, request }) => Some((mode, request)),
        _ => None,
    });
    opened.collect()
}

/// The word for an output that the table uses.
pub(super) fn word(output: &LiveOutput) -> String {
    let timer = |kind: &LiveTimer| match kind {
        LiveTimer::Retry => "retry",
        LiveTimer::Silence => "silence",
        LiveTimer::Stall => "stall",
    };
    match output {
        LiveOutput::Open(request) => {
            let fresh = if request.request.fresh_token { "-fresh" } else { "" };
            format!("open-{}{fresh}", request.mode.as_str())
        }
        LiveOutput::Abort => "abort".into(),
        LiveOutput::SetTimer { kind, .. } => format!("+{}", timer(kind)),
        LiveOutput::CancelTimer(kind) => format!("-{}", timer(kind)),
        LiveOutput::FellBack(reason) => format!("fell-back({})", reason.code()),
        LiveOutput::Told(Output::State(state)) => format!("*{}*", state.as_str()),
        LiveOutput::Told(Output::RetryScheduled { attempt, .. }) => format!("attempt{attempt}"),
        LiveOutput::Told(Output::Error(error)) => error.code().into(),
        LiveOutput::Told(Output::Reconnected) => "reconnected".into(),
        LiveOutput::Told(Output::Disconnected) => "disconnected".into(),
        LiveOutput::Told(Output::Lost(_)) => "lost".into(),
        LiveOutput::Told(Output::Closed) => "closed".into(),
        LiveOutput::Told(other) => panic!("the application is told {other:?}"),
    }
}
