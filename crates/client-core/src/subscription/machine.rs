//! The states of a subscription and what moves it between them. Must not look into frames.

use std::collections::VecDeque;

use durable_sessions_protocol::sse::FRAME_BYTES_MAX_DEFAULT;
use durable_sessions_protocol::{MESSAGE_COUNT_MAX, OffsetToken};
use durable_sessions_schema::Parser;

use super::io::{ConnectionState, Input, LostInfo, OpenRequest, Output, ResponseHead, TimerKind};
use super::position::{From, Position};
use super::reader::{Reader, Stats};
use super::{EventSink, SubscriptionError};
use crate::cause::{Cause, Detail, Failure};
use crate::random::Random;
use crate::{Millis, ReconnectConfig};

/// After the network or the machine itself came back, so long without a sound means that the connection did not survive: one heartbeat
/// of the server (15 s) and some slack.
const PROBE_MS: u64 = 20_000;
/// A useful connection that brought nothing and ended within this time was no rotation worth repeating at once.
const SHORT_CONNECTION_MS: u64 = 1000;
/// So many of those in a row are let pass before they are paced.
const SHORT_CONNECTIONS_FREE: u32 = 3;

/// How a subscription behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionConfig {
    /// When and how often to reconnect.
    pub reconnect: ReconnectConfig,
    /// How long nothing may be heard before the connection counts as dead. Servers ping every 15 s.
    pub silence_ms: u64,
    /// Largest SSE frame; a larger one is reported and dropped.
    pub frame_bytes_max: usize,
    /// Where to start.
    pub from: From,
}

impl Default for SubscriptionConfig {
    fn default() -> Self {
        Self {
            reconnect: ReconnectConfig::default(),
            silence_ms: 45_000,
            frame_bytes_max: FRAME_BYTES_MAX_DEFAULT,
            from: From::Start,
        }
    }
}

/// The rows of the table below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not subscribed yet, or ended with reconnecting switched off.
    Idle,
    /// A request is under way.
    Opening,
    /// A body is being read.
    Streaming,
    /// Until the retry timer.
    Waiting,
    /// Given up.
    Lost,
    /// Read to the end of a closed stream.
    Closed,
    /// Unsubscribed.
    Ended,
}

/// One subscription. Feed it with [`handle`](Self::handle) and with bytes; after each, take every
/// [`next_output`](Self::next_output) and do it.
///
#[doc = include_str!("table.md")]
#[derive(Debug)]
pub struct Subscription {
    pub(super) config: SubscriptionConfig,
    pub(super) phase: Phase,
    state: ConnectionState,
    reader: Reader,
    stats: Stats,
    random: Random,
    outputs: VecDeque<Output>,
    /// Consecutive attempts since the last useful connection.
    attempt: u32,
    was_connected: bool,
    /// This connection has brought something valid.
    useful: bool,
    /// This connection has brought messages or a new cursor.
    progress: bool,
    token_asked_again: bool,
    trimmed: bool,
    offline: bool,
    opened_at: Millis,
    heard_at: Millis,
    /// The server asked not to be asked before.
    not_before: Millis,
    short_connections: u32,
}

impl Subscription {
    /// A subscription that does nothing until [`Input::Subscribe`]. The seed feeds the jitter.
    #[must_use]
    pub fn new(config: SubscriptionConfig, seed: u64) -> Self {
        Self::with_parser(config, seed, Parser::new())
    }

    /// The same with a parser that knows the application's own events.
    #[must_use]
    pub fn with_parser(mut config: SubscriptionConfig, seed: u64, parser: Parser) -> Self {
        let position = Position::new(core::mem::take(&mut config.from));
        Self {
            phase: Phase::Idle,
            state: ConnectionState::Disconnected,
            reader: Reader::new(config.frame_bytes_max, position, parser),
            config,
            stats: Stats::default(),
            random: Random::new(seed),
            outputs: VecDeque::new(),
            attempt: 0,
            was_connected: false,
            useful: false,
            progress: false,
            token_asked_again: false,
            trimmed: false,
            offline: false,
            opened_at: Millis(0),
            heard_at: Millis(0),
            not_before: Millis(0),
            short_connections: 0,
        }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            // A pause shortens no wait that the server asked for.
            Input::Subscribe if self.phase == Phase::Idle && now < self.not_before => {
                self.phase = Phase::Waiting;
                self.enter_connecting();
                self.set_timer(TimerKind::Retry, self.not_before.since(now));
            }
            Input::Subscribe if self.phase == Phase::Idle => self.start(now),
            Input::Response(head) if self.phase == Phase::Opening => self.respond(now, &head),
            Input::BodyEnded => self.body_ended(now),
            Input::Failed(failure) => self.failed(now, failure),
            Input::Timer(TimerKind::Retry) if self.phase == Phase::Waiting => self.open(now, false),
            Input::Timer(TimerKind::Silence) => self.check_silence(now),
            Input::Unsubscribe => self.unsubscribe(),
            Input::Reconnect => self.reconnect(now),
            Input::Online => self.online(now),
            Input::Offline => self.offline = true,
            Input::Woke => self.wake(now),
            Input::Pause => self.pause(),
            Input::Subscribe | Input::Response(_) | Input::Timer(TimerKind::Retry) => {}
        }
    }

    /// The next thing to do, until there is none.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Room for at least `n` bytes of the body, to be filled from its beginning.
    pub fn spare(&mut self, n: usize) -> &mut [u8] {
        self.reader.decoder.spare(n)
    }

    /// The first `n` bytes of [`spare`](Self::spare) were received.
    pub fn filled(&mut self, n: usize) {
        self.reader.decoder.filled(n);
        self.stats.bytes += n as u64;
    }

    /// Takes a copy of received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reader.decoder.push(bytes);
        self.stats.bytes += bytes.len() as u64;
    }

    /// Delivers everything that is complete to the sink. To be called after bytes were received.
    pub fn drain(&mut self, now: Millis, sink: &mut dyn EventSink) {
        if self.phase != Phase::Streaming {
            // A driver that did not notice an abort; the next connection starts with an empty buffer.
            self.reader.decoder.reset();
            return;
        }
        self.heard_at = now;
        let found = self.reader.drain(&mut self.stats, sink);
        self.progress |= found.progress;
        if found.useful {
            self.become_useful();
        }
        if found.closed {
            self.outputs.push_back(Output::Abort);
            self.outputs.push_back(Output::CancelTimer(TimerKind::Silence));
            self.phase = Phase::Closed;
            self.enter(ConnectionState::Closed);
            self.outputs.push_back(Output::Closed);
        }
    }

    /// The state as applications see it.
    #[must_use]
    pub const fn state(&self) -> ConnectionState {
        self.state
    }

    /// Consecutive attempts since the last useful connection.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Where reading would resume; none before the first control event.
    #[must_use]
    pub const fn cursor(&self) -> Option<&OffsetToken> {
        self.reader.position.cursor()
    }

    /// Number of the last message delivered.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.reader.position.delivered()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    #[cfg(test)]
    pub(super) const fn is_useful(&self) -> bool {
        self.useful
    }

    fn start(&mut self, now: Millis) {
        self.attempt = 0;
        self.token_asked_again = false;
        self.trimmed = false;
        self.short_connections = 0;
        self.enter_connecting();
        self.open(now, false);
    }

    fn enter_connecting(&mut self) {
        self.enter(if self.was_connected {
            ConnectionState::Reconnecting
        } else {
            ConnectionState::Connecting
        });
    }

    fn open(&mut self, now: Millis, fresh_token: bool) {
        self.phase = Phase::Opening;
        (self.useful, self.progress) = (false, false);
        (self.opened_at, self.heard_at, self.not_before) = (now, now, Millis(0));
        self.reader.begin_connection();
        self.stats.requests += 1;
        self.outputs.push_back(Output::Open(OpenRequest {
            offset: self.reader.position.offset().to_owned(),
            live_cursor: self.reader.live_cursor().map(str::to_owned),
            fresh_token,
            attempt: self.attempt,
        }));
        self.set_timer(TimerKind::Silence, self.config.silence_ms);
    }

    fn respond(&mut self, now: Millis, head: &ResponseHead) {
        self.heard_at = now;
        let cause = match head.status {
            200 => match not_an_event_stream(head) {
                None => {
                    self.phase = Phase::Streaming;
                    if let Some(count) = believable_count(head) {
                        self.reader.begin_at(count);
                    }
                    return;
                }
                Some(detail) => Cause::ContentType(Detail::new(detail)),
            },
            204 => Cause::NoContent,
            status => Cause::Status(status),
        };
        self.outputs.push_back(Output::Abort);
        match head.status {
            401 if !self.token_asked_again => {
                self.token_asked_again = true;
                self.open(now, true);
            }
            400 | 401 | 403 | 404 => self.refuse(head.status, cause),
            410 => self.gone(now, head, cause),
            _ => self.fail(now, cause, head.retry_after_ms),
        }
    }

    fn gone(&mut self, now: Millis, head: &ResponseHead, cause: Cause) {
        let first = head.first_offset.as_deref().and_then(|first| first.parse::<OffsetToken>().ok());
        // Tokens sort as positions do: a first offset that is not ahead explains nothing.
        let Some(first) = first.filter(|first| self.cursor().is_none_or(|cursor| cursor < first)) else {
            return self.refuse(head.status, cause);
        };
        let missing = self.reader.position.trim(first.clone(), believable_count(head));
        self.outputs.push_back(Output::Error(SubscriptionError::HistoryTrimmed { first, missing }));
        if self.trimmed {
            // Trimming that outruns the reader must not become a storm.
            return self.fail(now, Cause::TrimmedAgain, head.retry_after_ms);
        }
        self.trimmed = true;
        self.open(now, false);
    }

    fn become_useful(&mut self) {
        if self.useful {
            return;
        }
        self.useful = true;
        self.attempt = 0;
        self.token_asked_again = false;
        self.trimmed = false;
        if self.state != ConnectionState::Connected {
            self.enter(ConnectionState::Connected);
            if self.was_connected {
                self.outputs.push_back(Output::Reconnected);
            }
            self.was_connected = true;
        }
    }

    fn body_ended(&mut self, now: Millis) {
        match self.phase {
            Phase::Streaming if self.reader.decoder.is_mid_frame() => {
                self.fail(now, Cause::CutMidFrame, None);
            }
            Phase::Streaming if self.useful => self.rotate(now),
            Phase::Streaming | Phase::Opening => self.fail(now, Cause::EndedEarly, None),
            _ => {}
        }
    }

    fn rotate(&mut self, now: Millis) {
        let short = !self.progress && now.since(self.opened_at) < SHORT_CONNECTION_MS;
        self.short_connections = if short { self.short_connections.saturating_add(1) } else { 0 };
        if self.short_connections <= SHORT_CONNECTIONS_FREE {
            return self.open(now, false);
        }
        // A server that hangs up right after its first ping would otherwise be asked in a loop without a pause.
        let step = self.short_connections - SHORT_CONNECTIONS_FREE;
        let after_ms = self.config.reconnect.delay_ms(step, None, &mut self.random);
        self.outputs.push_back(Output::CancelTimer(TimerKind::Silence));
        self.phase = Phase::Waiting;
        self.set_timer(TimerKind::Retry, after_ms);
    }

    fn failed(&mut self, now: Millis, failure: Failure) {
        let cause = match (self.phase, failure) {
            (Phase::Opening, Failure::Network(detail)) => Cause::Network(detail),
            (Phase::Streaming, Failure::Network(detail)) => Cause::Interrupted(detail),
            (Phase::Opening | Phase::Streaming, Failure::Token(detail)) => Cause::Token(detail),
            _ => return,
        };
        self.fail(now, cause, None);
    }

    fn check_silence(&mut self, now: Millis) {
        if !matches!(self.phase, Phase::Opening | Phase::Streaming) {
            return;
        }
        // The clock was set back: count anew, or nothing would be silent until it has caught up.
        self.heard_at = self.heard_at.min(now);
        let silent_ms = now.since(self.heard_at);
        if silent_ms < self.config.silence_ms {
            return self.set_timer(TimerKind::Silence, self.config.silence_ms - silent_ms);
        }
        self.outputs.push_back(Output::Abort);
        self.fail(now, Cause::Silence, None);
    }

    /// The one place where an attempt is counted.
    fn fail(&mut self, now: Millis, cause: Cause, retry_after_ms: Option<u64>) {
        self.outputs.push_back(Output::CancelTimer(TimerKind::Silence));
        self.interrupt();
        if !self.config.reconnect.enabled {
            self.phase = Phase::Idle;
            self.enter(ConnectionState::Disconnected);
            return self.outputs.push_back(Output::Error(SubscriptionError::NotReconnecting { cause }));
        }
        if self.attempt >= self.config.reconnect.max_attempts {
            let error = SubscriptionError::AttemptsExhausted {
                attempts: self.attempt,
                cause: cause.clone(),
                cursor: self.cursor().cloned(),
            };
            return self.lose(error, cause);
        }
        self.attempt += 1;
        let delay_ms = self.config.reconnect.delay_ms(self.attempt, retry_after_ms, &mut self.random);
        // What the server asked for, not the backoff beyond it: that ends when the network comes back.
        let asked_ms = retry_after_ms.unwrap_or_default().min(delay_ms);
        self.not_before = Millis(if asked_ms == 0 { 0 } else { now.0.saturating_add(asked_ms) });
        self.phase = Phase::Waiting;
        self.enter(ConnectionState::Reconnecting);
        self.set_timer(TimerKind::Retry, delay_ms);
        self.outputs.push_back(Output::RetryScheduled { attempt: self.attempt, delay_ms, cause });
    }

    fn refuse(&mut self, status: u16, cause: Cause) {
        self.outputs.push_back(Output::CancelTimer(TimerKind::Silence));
        self.interrupt();
        self.lose(SubscriptionError::Refused { status }, cause);
    }

    fn lose(&mut self, error: SubscriptionError, cause: Cause) {
        self.phase = Phase::Lost;
        self.outputs.push_back(Output::Error(error));
        self.enter(ConnectionState::Lost);
        self.outputs.push_back(Output::Lost(LostInfo {
            attempts: self.attempt,
            cause,
            cursor: self.cursor().cloned(),
            count: self.count(),
        }));
    }

    fn interrupt(&mut self) {
        if self.state == ConnectionState::Connected {
            self.outputs.push_back(Output::Disconnected);
        }
    }

    fn unsubscribe(&mut self) {
        self.drop_request();
        self.phase = Phase::Ended;
        self.enter(ConnectionState::Disconnected);
    }

    fn reconnect(&mut self, now: Millis) {
        if matches!(self.phase, Phase::Closed | Phase::Ended) {
            return;
        }
        self.drop_request();
        self.interrupt();
        self.start(now);
    }

    fn drop_request(&mut self) {
        match self.phase {
            Phase::Opening | Phase::Streaming => {
                self.outputs.push_back(Output::Abort);
                self.outputs.push_back(Output::CancelTimer(TimerKind::Silence));
            }
            Phase::Waiting => self.outputs.push_back(Output::CancelTimer(TimerKind::Retry)),
            _ => {}
        }
    }

    fn online(&mut self, now: Millis) {
        let was_offline = core::mem::take(&mut self.offline);
        match self.phase {
            // The attempt was counted when it was scheduled, and a server's wish to be left alone still holds.
            Phase::Waiting if now >= self.not_before => {
                self.outputs.push_back(Output::CancelTimer(TimerKind::Retry));
                self.open(now, false);
            }
            Phase::Opening | Phase::Streaming if was_offline && self.config.silence_ms > PROBE_MS => {
                let spent = self.config.silence_ms - PROBE_MS;
                self.heard_at = self.heard_at.min(Millis(now.0.saturating_sub(spent)));
                self.set_timer(TimerKind::Silence, PROBE_MS);
            }
            _ => {}
        }
    }

    fn wake(&mut self, now: Millis) {
        match self.phase {
            // Nobody was there to hear: no failure of the server's, so no attempt, and no pause before the next request.
            Phase::Opening | Phase::Streaming
                if now.since(self.heard_at) >= PROBE_MS.min(self.config.silence_ms) =>
            {
                self.outputs.push_back(Output::Abort);
                self.open(now, false);
            }
            Phase::Waiting if now < self.not_before => {
                self.set_timer(TimerKind::Retry, self.not_before.since(now));
            }
            Phase::Waiting => self.online(now),
            _ => self.check_silence(now),
        }
    }

    fn pause(&mut self) {
        if matches!(self.phase, Phase::Opening | Phase::Streaming | Phase::Waiting) {
            self.drop_request();
            self.interrupt();
            self.phase = Phase::Idle;
            self.enter(ConnectionState::Disconnected);
        }
    }

    fn set_timer(&mut self, kind: TimerKind, after_ms: u64) {
        self.outputs.push_back(Output::SetTimer { kind, after_ms });
    }

    fn enter(&mut self, state: ConnectionState) {
        if self.state != state {
            self.state = state;
            self.outputs.push_back(Output::State(state));
        }
    }
}

/// The count of messages in the answer, unless counting on from it could overflow.
fn believable_count(head: &ResponseHead) -> Option<u64> {
    head.message_count.filter(|&count| count <= MESSAGE_COUNT_MAX)
}

/// What the answer claims to be, unless it is an event stream of text.
fn not_an_event_stream(head: &ResponseHead) -> Option<&str> {
    if let Some(encoding) = head.data_encoding.as_deref() {
        return Some(encoding);
    }
    let claimed = head.content_type.as_deref().unwrap_or_default();
    // Bytes: the searching and trimming of `str` know all of Unicode, which is code in the browser package.
    let essence = claimed.as_bytes().split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"text/event-stream") { None } else { Some(claimed) }
}
