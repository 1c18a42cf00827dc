//! One request after another, by SSE or by polls, on top of the subscription machine. Must not look into bodies.

use std::collections::VecDeque;

use durable_sessions_protocol::{Control, OffsetToken};

use super::batches::Nowhere;
use super::content::{Content, Page};
use super::io::{FallbackReason, LiveHead, LiveInput, LiveOutput, LiveRequest, LiveTimer, ReadMode};
use super::modes::{LiveConfig, Modes};
use crate::cause::Failure;
use crate::{ConnectionState, Input, Millis, OpenRequest, Output, ResponseHead, Subscription, TimerKind};

/// What is under way.
#[derive(Debug)]
enum Exchange {
    None,
    /// A request without an answer.
    Asked(ReadMode),
    /// The body of an SSE answer.
    Sse,
    /// The body of a poll's answer.
    Page(LiveHead, OffsetToken),
}

/// A subscription that reads by SSE, or by polls where SSE does not work. Feed it with [`handle`](Self::handle), with
/// bytes and with the ends of bodies; after each, take every [`next_output`](Self::next_output) and do it.
///
#[doc = include_str!("table.md")]
#[derive(Debug)]
pub struct Live<C> {
    config: LiveConfig,
    inner: Subscription,
    content: C,
    modes: Modes,
    exchange: Exchange,
    /// The request under way, to ask for the same by a poll.
    request: Option<OpenRequest>,
    /// The head of an SSE answer of which no byte has come: until one has, the same can still be asked for by a poll,
    /// so the machine inside is not told yet.
    held: Option<ResponseHead>,
    /// The stall timer runs.
    stalling: bool,
    /// The last poll reached the tail, so the next one may wait there.
    up_to_date: bool,
    page: Vec<u8>,
    page_is_too_large: bool,
    outputs: VecDeque<LiveOutput>,
}

impl<C: Content> Live<C> {
    /// Wraps a subscription that was not started.
    #[must_use]
    pub fn new(inner: Subscription, content: C, config: LiveConfig) -> Self {
        Self {
            config,
            inner,
            content,
            modes: Modes::new(config),
            exchange: Exchange::None,
            request: None,
            held: None,
            stalling: false,
            up_to_date: false,
            page: Vec::new(),
            page_is_too_large: false,
            outputs: VecDeque::new(),
        }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Millis, input: LiveInput) {
        match input {
            LiveInput::Subscribe => self.inner.handle(now, Input::Subscribe),
            LiveInput::Response(head) => self.respond(now, head),
            LiveInput::Failed(failure) => self.fail(now, failure),
            LiveInput::Timer(LiveTimer::Stall) => self.stalled(now),
            LiveInput::Timer(LiveTimer::Retry) => self.inner.handle(now, Input::Timer(TimerKind::Retry)),
            LiveInput::Timer(LiveTimer::Silence) => self.silent(now),
            LiveInput::Unsubscribe => self.inner.handle(now, Input::Unsubscribe),
            LiveInput::Reconnect => {
                self.modes.start_over();
                self.inner.handle(now, Input::Reconnect);
            }
            LiveInput::Online => self.inner.handle(now, Input::Online),
            LiveInput::Offline => self.inner.handle(now, Input::Offline),
        }
        self.pass_on(now);
    }

    /// The next thing to do, until there is none.
    pub fn next_output(&mut self) -> Option<LiveOutput> {
        self.outputs.pop_front()
    }

    /// Takes a copy of received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.exchange {
            Exchange::Sse => {
                if !bytes.is_empty() {
                    self.stop_stall_timer();
                }
                self.content.push(&mut self.inner, bytes);
            }
            Exchange::Page(..) => {
                self.page_is_too_large |= self.page.len() + bytes.len() > self.config.page_bytes_max;
                if !self.page_is_too_large {
                    self.page.extend_from_slice(bytes);
                }
            }
            Exchange::None | Exchange::Asked(_) => {}
        }
    }

    /// Delivers everything that is complete to the sink. To be called after bytes were received.
    pub fn drain(&mut self, now: Millis, sink: &mut C::Sink<'_>) {
        match self.exchange {
            Exchange::Sse => {
                if !self.stalling {
                    self.tell_head(now);
                }
                self.content.drain(&mut self.inner, now, sink);
            }
            // A page is delivered when it is whole; until then its bytes say that the server is there.
            Exchange::Page(..) => self.inner.drain(now, &mut Nowhere),
            Exchange::None | Exchange::Asked(_) => {}
        }
        self.pass_on(now);
    }

    /// The body ended without an error.
    pub fn body_ended(&mut self, now: Millis, sink: &mut C::Sink<'_>) {
        match std::mem::replace(&mut self.exchange, Exchange::None) {
            Exchange::None => return,
            // A driver that has seen no head cannot have seen the end of a body.
            Exchange::Asked(_) => {}
            Exchange::Sse => {
                self.stop_stall_timer();
                self.tell_head(now);
                self.content.end(&mut self.inner);
            }
            Exchange::Page(..) if self.page_is_too_large => {
                let bytes_max = self.config.page_bytes_max;
                let failure = Failure::network(&format!("the answer is larger than {bytes_max} bytes"));
                self.fail(now, failure);
                return self.pass_on(now);
            }
            Exchange::Page(head, next_offset) => self.deliver(now, head, next_offset, sink),
        }
        self.inner.handle(now, Input::BodyEnded);
        self.pass_on(now);
    }

    /// The state as applications see it.
    #[must_use]
    pub const fn state(&self) -> ConnectionState {
        self.inner.state()
    }

    /// Where reading would resume; none before the first answer.
    #[must_use]
    pub const fn cursor(&self) -> Option<&OffsetToken> {
        self.inner.cursor()
    }

    #[cfg(test)]
    pub(super) fn column(&self) -> &'static str {
        use super::modes::Choice;
        match (&self.exchange, self.modes.choice()) {
            (Exchange::None, _) => "None",
            (Exchange::Asked(ReadMode::Sse), _) => "SSE asked",
            (Exchange::Sse, _) if self.stalling => "SSE begun",
            (Exchange::Sse, _) => "SSE live",
            (Exchange::Asked(_), Choice::Trying) => "Poll tried",
            (Exchange::Asked(_), _) => "Poll asked",
            (Exchange::Page(..), _) => "Page",
        }
    }

    fn respond(&mut self, now: Millis, answer: LiveHead) {
        match self.exchange {
            Exchange::Asked(ReadMode::Sse) => self.respond_sse(now, answer),
            Exchange::Asked(_) => self.respond_poll(now, answer),
            Exchange::None | Exchange::Sse | Exchange::Page(..) => {}
        }
    }

    fn respond_sse(&mut self, now: Millis, answer: LiveHead) {
        if let Some(reason) = self.modes.objection(&answer) {
            return self.fall_back(now, reason);
        }
        self.stop_stall_timer();
        let is_success = answer.head.status == 200;
        let head = self.content.sse_head(answer.head);
        if is_success {
            self.exchange = Exchange::Sse;
            self.content.begin();
            self.held = Some(head);
            self.start_stall_timer();
        } else {
            self.inner.handle(now, Input::Response(head));
        }
    }

    fn tell_head(&mut self, now: Millis) {
        if let Some(head) = self.held.take() {
            self.inner.handle(now, Input::Response(head));
        }
    }

    fn respond_poll(&mut self, now: Millis, answer: LiveHead) {
        let head = &answer.head;
        let next_offset = answer.next_offset.as_deref().and_then(|token| token.parse::<OffsetToken>().ok());
        match (head.status, next_offset) {
            (200 | 204, None) => {
                self.outputs.push_back(LiveOutput::Abort);
                self.fail(now, Failure::network("an answer without a valid Stream-Next-Offset"));
            }
            (200, Some(_)) if !self.content.reads(head.content_type.as_deref()) => {
                self.modes.poll_failed();
                self.inner.handle(now, Input::Response(answer.head));
            }
            (200 | 204, Some(next_offset)) => {
                self.modes.poll_works();
                self.page.clear();
                self.page_is_too_large = false;
                // To the machine inside this is an event stream that begins and soon ends.
                let seen = ResponseHead {
                    status: 200,
                    content_type: Some("text/event-stream".to_owned()),
                    message_count: head.message_count,
                    ..ResponseHead::default()
                };
                let seen = self.content.sse_head(seen);
                self.exchange = Exchange::Page(answer, next_offset);
                self.inner.handle(now, Input::Response(seen));
            }
            _ => {
                // What concerns the stream or the caller would be the same by SSE.
                if !matches!(head.status, 401 | 410) {
                    self.modes.poll_failed();
                }
                self.inner.handle(now, Input::Response(answer.head));
            }
        }
    }

    fn deliver(&mut self, now: Millis, answer: LiveHead, next_offset: OffsetToken, sink: &mut C::Sink<'_>) {
        self.up_to_date = answer.up_to_date || answer.closed;
        let control = Control {
            cursor: answer.live_cursor,
            up_to_date: self.up_to_date,
            closed: answer.closed,
            ..Control::at(next_offset)
        };
        let page = std::mem::take(&mut self.page);
        let count = answer.head.message_count;
        self.content.page(&mut self.inner, now, Page { body: &page, control, count }, sink);
    }

    fn fail(&mut self, now: Millis, failure: Failure) {
        if self.is_polling() {
            self.modes.poll_failed();
        }
        self.exchange = Exchange::None;
        self.stop_stall_timer();
        self.tell_head(now);
        self.inner.handle(now, Input::Failed(failure));
    }

    fn silent(&mut self, now: Millis) {
        let was_polling = self.is_polling();
        self.inner.handle(now, Input::Timer(TimerKind::Silence));
        self.pass_on(now);
        if was_polling && !self.is_polling() {
            self.modes.poll_failed();
        }
    }

    fn stalled(&mut self, now: Millis) {
        if std::mem::take(&mut self.stalling) && self.modes.may_fall_back() {
            self.fall_back(now, FallbackReason::Stalled { after_ms: self.config.stall_ms });
        }
    }

    /// Asks by a poll for what was asked for by SSE. The machine inside does not see the difference.
    fn fall_back(&mut self, now: Millis, reason: FallbackReason) {
        let Some(request) = self.request.take() else { return };
        self.stop_stall_timer();
        self.outputs.push_back(LiveOutput::Abort);
        self.modes.fall_back(now);
        self.outputs.push_back(LiveOutput::FellBack(reason));
        self.open(now, request);
        let after_ms = self.config.poll_silence_ms;
        self.outputs.push_back(LiveOutput::SetTimer { kind: LiveTimer::Silence, after_ms });
    }

    fn open(&mut self, now: Millis, request: OpenRequest) {
        let mode = if self.modes.wants_sse(now) {
            ReadMode::Sse
        } else if self.up_to_date && self.inner.state() == ConnectionState::Connected {
            ReadMode::LongPoll
        } else {
            // Answered at once, where a poll could wait, so that the state is known.
            ReadMode::CatchUp
        };
        self.exchange = Exchange::Asked(mode);
        self.held = None;
        self.request = Some(request.clone());
        self.outputs.push_back(LiveOutput::Open(LiveRequest { mode, request }));
        if mode == ReadMode::Sse {
            self.up_to_date = false;
            self.start_stall_timer();
        }
    }

    fn is_polling(&self) -> bool {
        matches!(self.exchange, Exchange::Asked(ReadMode::CatchUp | ReadMode::LongPoll) | Exchange::Page(..))
    }

    fn start_stall_timer(&mut self) {
        if self.modes.may_fall_back() {
            self.stalling = true;
            let after_ms = self.config.stall_ms;
            self.outputs.push_back(LiveOutput::SetTimer { kind: LiveTimer::Stall, after_ms });
        }
    }

    fn stop_stall_timer(&mut self) {
        if std::mem::take(&mut self.stalling) {
            self.outputs.push_back(LiveOutput::CancelTimer(LiveTimer::Stall));
        }
    }

    /// Turns what the machine inside wants into what the driver is to do.
    fn pass_on(&mut self, now: Millis) {
        while let Some(output) = self.inner.next_output() {
            match output {
                Output::Open(request) => self.open(now, request),
                Output::Abort => {
                    self.exchange = Exchange::None;
                    self.stop_stall_timer();
                    self.outputs.push_back(LiveOutput::Abort);
                }
                Output::SetTimer { kind, after_ms } => {
                    let after_ms = match kind {
                        // A poll is silent while it waits.
                        TimerKind::Silence if self.is_polling() => after_ms.max(self.config.poll_silence_ms),
                        _ => after_ms,
                    };
                    self.outputs.push_back(LiveOutput::SetTimer { kind: timer(kind), after_ms });
                }
                Output::CancelTimer(kind) => {
                    self.outputs.push_back(LiveOutput::CancelTimer(timer(kind)));
                }
                told => self.outputs.push_back(LiveOutput::Told(told)),
            }
        }
    }
}

const fn timer(kind: TimerKind) -> LiveTimer {
    match kind {
        TimerKind::Retry => LiveTimer::Retry,
        TimerKind::Silence => LiveTimer::Silence,
    }
}
