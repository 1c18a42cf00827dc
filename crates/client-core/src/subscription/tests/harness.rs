//! What the tests share: a sink that remembers, frames, and short words for outputs.

use durable_sessions_protocol::{Control, sse};
use durable_sessions_schema::{EventView, Rejection};

use super::super::{EventSink, FrameProblem, Output, ResponseHead, Subscription, TimerKind};

/// Everything that was delivered, in words.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) items: Vec<String>,
    /// Ids and numbers of events alone.
    pub(super) events: Vec<(String, u64)>,
    marks: (usize, usize),
}

impl EventSink for Sink {
    fn event(&mut self, view: &EventView<'_, '_>, count: u64) {
        self.items.push(format!("event {} {count}", view.id()));
        self.events.push((view.id().into_owned(), count));
    }

    fn ephemeral(&mut self, view: &EventView<'_, '_>, count: u64) {
        self.items.push(format!("ephemeral {} {count}", view.id()));
    }

    fn rejected(&mut self, rejection: &Rejection, raw: &[u8], count: u64) {
        self.items.push(format!("rejected {} {} {count}", rejection.path, raw.len()));
    }

    fn bad_frame(&mut self, problem: &FrameProblem<'_>, count: u64) {
        self.items.push(format!("{} {count}", problem.code()));
    }

    fn control(&mut self, cursor: &str, count: u64, up_to_date: bool, closed: bool) {
        let flags = [if up_to_date { " tail" } else { "" }, if closed { " closed" } else { "" }].concat();
        self.items.push(format!("control {cursor} {count}{flags}"));
    }

    fn checkpoint(&mut self) {
        self.marks = (self.items.len(), self.events.len());
    }

    fn rollback(&mut self) {
        self.items.truncate(self.marks.0);
        self.events.truncate(self.marks.1);
    }
}

pub(super) fn event(id: impl std::fmt::Display) -> String {
    format!(r#"{{"id":"{id}","type":"chunk","timestamp":1700000000000,"data":{{"text":"a\nb"}}}}"#)
}

/// A data frame with these messages.
pub(super) fn data(messages: &[String]) -> Vec<u8> {
    let mut wire = Vec::new();
    sse::encode_json_data_event(&mut wire, messages.join(",").as_bytes());
    wire
}

/// An ephemeral frame with one event.
pub(super) fn ephemeral(id: impl std::fmt::Display) -> Vec<u8> {
    format!("event: ephemeral\ndata: {}\n\n", event(id)).into_bytes()
}

/// A control frame.
pub(super) fn control(token: &str, count: Option<u64>, closed: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    let control = Control { closed, message_count: count, ..Control::at(token.parse().unwrap()) };
    sse::encode_control_event(&mut wire, &control);
    wire
}

pub(super) fn ping() -> Vec<u8> {
    b": ping\n\n".to_vec()
}

pub(super) fn status(status: u16) -> ResponseHead {
    ResponseHead { status, ..ResponseHead::default() }
}

pub(super) fn event_stream() -> ResponseHead {
    ResponseHead { content_type: Some("text/event-stream; charset=utf-8".into()), ..status(200) }
}

pub(super) fn outputs(machine: &mut Subscription) -> Vec<Output> {
    std::iter::from_fn(|| machine.next_output()).collect()
}

/// The word for an output that the table uses.
pub(super) fn word(output: &Output) -> String {
    let timer = |kind: &TimerKind| match kind {
        TimerKind::Retry => "retry",
        TimerKind::Silence => "silence",
    };
    match output {
        Output::Open(request) if request.fresh_token => "open-fresh".into(),
        Output::Open(_) => "open".into(),
        Output::Abort => "abort".into(),
        Output::SetTimer { kind, .. } => format!("+{}", timer(kind)),
        Output::CancelTimer(kind) => format!("-{}", timer(kind)),
        Output::State(state) => format!("*{}*", state.as_str()),
        Output::RetryScheduled { attempt, .. } => format!("attempt{attempt}"),
        Output::Error(error) => error.code().into(),
        Output::Reconnected => "reconnected".into(),
        Output::Disconnected => "disconnected".into(),
        Output::Lost(_) => "lost".into(),
        Output::Closed => "closed".into(),
    }
}
