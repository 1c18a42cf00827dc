//! Several batches in flight, repeated until they are settled; the rest waits in order. Must not know HTTP beyond
//! statuses.

use std::collections::VecDeque;
use std::ops::Range;

use durable_sessions_protocol::{ProducerClaim, ProducerEpoch, ProducerSeq, json};

use super::config::ProducerConfig;
use super::error::{AppendError, Refused};
use super::io::{
    AckedAt, AppendAnswer, AppendRequest, FlushMark, ProducerInput, ProducerOutput, ProducerTimer,
};
use super::outbox::{Framing, Outbox};
use super::window::{Standing, Window};
use crate::Millis;
use crate::cause::{Cause, Failure};
use crate::random::Random;

/// After so many acknowledgements in a row without an overtaking one more request may be under way.
const CALM_ACKS: u32 = 32;

/// Flushes waiting at the same time; further ones join the last.
const FLUSHES_MAX: usize = 1024;

/// An idempotent producer. Feed it with [`append`](Self::append) and [`handle`](Self::handle); after each, take every
/// [`next_output`](Self::next_output) and do it.
///
#[doc = include_str!("table.md")]
#[derive(Debug)]
pub struct Producer {
    config: ProducerConfig,
    outbox: Outbox,
    window: Window,
    epoch: ProducerEpoch,
    /// The number of the next new batch; none when the epoch is used up.
    next_seq: Option<ProducerSeq>,
    /// The server has acknowledged a batch of this producer.
    established: bool,
    failed: bool,
    /// Repetitions of the first batch.
    attempt: u32,
    /// Messages up to this number came in a batch that was refused, so they go in batches of so many, one at a time.
    halved: Option<(u64, usize)>,
    /// Requests that may be under way now: fewer where they overtake each other, up to the configured number.
    width: usize,
    calm_acks: u32,
    tickets: u64,
    /// The last attempt with a fresh token; those before it went with one that has been replaced.
    fresh_since: u64,
    /// The attempt that the timeout timer runs for.
    timed: Option<u64>,
    flushes: VecDeque<FlushMark>,
    /// The first loss that no flush has told yet, and how far the loss reaches.
    loss: Option<(u64, AppendError)>,
    random: Random,
    outputs: VecDeque<ProducerOutput>,
}

impl Producer {
    /// A producer with nothing to send. The seed feeds the jitter.
    #[must_use]
    pub fn new(config: ProducerConfig, seed: u64) -> Self {
        Self {
            outbox: Outbox::new(config.framing, config.outbox_messages_max, config.outbox_bytes_max),
            window: Window::default(),
            epoch: config.epoch,
            next_seq: Some(config.first_seq),
            established: false,
            failed: false,
            attempt: 0,
            halved: None,
            width: config.in_flight_max.max(1),
            calm_acks: 0,
            tickets: 0,
            fresh_since: 0,
            timed: None,
            flushes: VecDeque::new(),
            loss: None,
            random: Random::new(seed),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes one message, which is sent as soon as there is room in the window. Returns its number.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed then.
    pub fn append(&mut self, now: Millis, message: &[u8]) -> Result<u64, Refused> {
        if self.failed {
            return Err(Refused::Failed);
        }
        if !self.outbox.fits_alone(message, self.config.batch_bytes_max) {
            return Err(Refused::TooLarge);
        }
        match self.config.framing {
            Framing::Json => json::check(message).map_err(|_| Refused::NotJson)?,
            Framing::Bytes if message.is_empty() => return Err(Refused::Empty),
            Framing::Bytes => {}
        }
        let number = self.outbox.add(message)?;
        self.send_what_may_go(now);
        Ok(number)
    }

    /// Asks for [`ProducerOutput::Flushed`] once every message appended so far is settled.
    pub fn flush(&mut self) -> FlushMark {
        let mark = FlushMark(self.outbox.end());
        if self.flushes.back() != Some(&mark) {
            if self.flushes.len() >= FLUSHES_MAX {
                self.flushes.pop_back();
            }
            self.flushes.push_back(mark);
        }
        self.resolve_flushes();
        mark
    }

    /// Something happened.
    pub fn handle(&mut self, now: Millis, input: ProducerInput) {
        match input {
            ProducerInput::Answer { seq, answer } => {
                let Some(at) = self.window.sending(seq) else { return };
                self.answered(at, answer);
            }
            ProducerInput::Failed { seq, failure } => {
                let Some(at) = self.window.sending(seq) else { return };
                let cause = match failure {
                    Failure::Network(detail) => Cause::Network(detail),
                    Failure::Token(detail) => Cause::Token(detail),
                };
                self.break_off(at, cause, None);
            }
            ProducerInput::Sent { seq } => {
                let Some(at) = self.window.sending(seq) else { return };
                if let Some(batch) = self.window.get_mut(at) {
                    batch.is_written = true;
                }
            }
            ProducerInput::Timer(ProducerTimer::Timeout) => {
                let overdue = self.window.first_sending().map(|batch| (batch.seq, batch.ticket));
                let Some((seq, _)) = overdue.filter(|&(_, ticket)| self.timed == Some(ticket)) else {
                    return;
                };
                self.timed = None;
                self.outputs.push_back(ProducerOutput::Abort(seq));
                if let Some(at) = self.window.sending(seq) {
                    self.break_off(at, Cause::Silence, None);
                }
            }
            ProducerInput::Timer(ProducerTimer::Retry) if self.is_waiting() => self.repeat_first(),
            ProducerInput::RetryNow if self.is_waiting() => {
                self.outputs.push_back(ProducerOutput::CancelTimer(ProducerTimer::Retry));
                self.repeat_first();
            }
            ProducerInput::Timer(ProducerTimer::Retry) | ProducerInput::RetryNow => return,
        }
        self.advance(now);
    }

    /// The next thing to do, until there is none.
    pub fn next_output(&mut self) -> Option<ProducerOutput> {
        self.outputs.pop_front()
    }

    /// Messages not settled yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Bytes of messages not settled yet.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// The epoch in use; auto-claim may have raised it.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// The number of the first batch that is not acknowledged; none when the epoch is used up.
    #[must_use]
    pub fn next_seq(&self) -> Option<ProducerSeq> {
        self.window.first().map(|batch| batch.seq).or(self.next_seq)
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.window.all_sending().count()
    }

    fn is_waiting(&self) -> bool {
        self.window.first().is_some_and(|first| first.standing == Standing::Waiting)
    }

    fn repeat_first(&mut self) {
        if let Some(first) = self.window.first_mut() {
            first.standing = Standing::Ready;
        }
    }

    /// Remembers an answer; what follows from it is decided when its batch is the first.
    fn answered(&mut self, at: usize, answer: AppendAnswer) {
        if answer.is_success() {
            self.acknowledge_before(at);
        }
        let behind_others = self.window.sending_before(at);
        let Some(batch) = self.window.get_mut(at) else { return };
        let overtook = answer.status == 409
            && !answer.closed
            && !batch.sent_as_first
            && answer.expected_seq.is_some_and(|expected| expected < batch.seq.number());
        if overtook && (at == 0 || behind_others) {
            // On a short way the batches after it would mostly be refused too, and cost more than they gain.
            (self.width, self.calm_acks) = ((self.width / 2).max(1), 0);
        }
        let had_old_token = answer.status == 401 && batch.ticket < self.fresh_since;
        match answer.status {
            408 | 425 | 429 | 500 | 502..=599 => {
                batch.break_off(Cause::Status(answer.status), answer.retry_after_ms);
            }
            // What it waits for has been settled meanwhile, if it is the first now.
            _ if overtook || had_old_token => {
                batch.standing = if at == 0 { Standing::Ready } else { Standing::Held };
            }
            _ => batch.standing = Standing::Answered(answer),
        }
    }

    fn break_off(&mut self, at: usize, cause: Cause, retry_after_ms: Option<u64>) {
        if let Some(batch) = self.window.get_mut(at) {
            batch.break_off(cause, retry_after_ms);
        }
    }

    /// The server takes batches in order only, so all before an acknowledged one are in the stream.
    fn acknowledge_before(&mut self, at: usize) {
        for before in 0..at {
            let Some(batch) = self.window.get_mut(before) else { return };
            match batch.standing {
                Standing::Answered(_) => continue,
                Standing::Sending => self.outputs.push_back(ProducerOutput::Abort(batch.seq)),
                Standing::Waiting => {
                    self.outputs.push_back(ProducerOutput::CancelTimer(ProducerTimer::Retry));
                }
                Standing::Ready | Standing::Held | Standing::Broken(..) => {}
            }
            batch.standing = Standing::Answered(AppendAnswer { status: 200, ..AppendAnswer::default() });
        }
    }

    /// Settles from the front what can be, then sends what may go.
    fn advance(&mut self, now: Millis) {
        while let Some(first) = self.window.first() {
            let goes_on = match first.standing.clone() {
                Standing::Answered(answer) => self.judge(&answer),
                Standing::Broken(cause, retry_after_ms) => {
                    self.retry(cause, retry_after_ms);
                    false
                }
                _ => false,
            };
            if !goes_on {
                break;
            }
        }
        self.send_what_may_go(now);
    }

    /// What follows from the answer to the first batch; whether the next one can be looked at.
    fn judge(&mut self, answer: &AppendAnswer) -> bool {
        let Some(first) = self.window.first_mut() else { return false };
        let seq = first.seq;
        match answer.status {
            200..=299 => self.acknowledged(answer),
            401 if !first.token_asked_again => {
                (first.token_asked_again, first.fresh_token) = (true, true);
                first.standing = Standing::Ready;
                false
            }
            // Either part may be at fault; a batch of one tells. What is refused for its content was refused on every
            // attempt, so its number is free.
            400 | 413 => self.refused(answer.status, true),
            403 if answer.producer_epoch.is_some() => self.fenced(answer.producer_epoch),
            409 if answer.closed => self.fail(AppendError::StreamClosed),
            409 if answer.expected_seq.is_some() => self.gap(seq, answer.expected_seq),
            status if first.in_doubt => self.fail(AppendError::Refused { status }),
            status => self.refused(status, false),
        }
    }

    fn acknowledged(&mut self, answer: &AppendAnswer) -> bool {
        let Some(batch) = self.window.pop() else { return false };
        self.established = true;
        self.attempt = 0;
        self.calm_acks += 1;
        if self.calm_acks >= CALM_ACKS {
            (self.width, self.calm_acks) = ((self.width + 1).min(self.config.in_flight_max.max(1)), 0);
        }
        let messages = self.outbox.settle(batch.len);
        let at = AckedAt {
            next_offset: answer.next_offset.as_deref().and_then(|token| token.parse().ok()),
            duplicate: answer.status == 204,
        };
        self.outputs.push_back(ProducerOutput::Acked { messages, at });
        self.resolve_flushes();
        self.window.release();
        if self.next_seq.is_none() && self.window.is_empty() {
            // After 2^53 batches the epoch is used up.
            return self.fail(AppendError::SequenceGap { expected: None, sent: batch.seq.number() });
        }
        true
    }

    /// The first batch was refused for good: its number is free, and those behind it take new ones.
    fn refused(&mut self, status: u16, for_content: bool) -> bool {
        if self.window.first_sending().is_some() {
            // Their answers say whether they may take other numbers.
            return false;
        }
        if !self.window.rest_is_void() {
            return self.fail(AppendError::Refused { status });
        }
        let Some(first) = self.window.pop() else { return false };
        self.window.clear();
        self.next_seq = Some(first.seq);
        self.attempt = 0;
        if for_content && first.len > 1 {
            self.halved = Some((self.outbox.first() + first.len as u64, first.len / 2));
        } else {
            let messages = self.outbox.settle(first.len);
            self.lost(messages, AppendError::Refused { status });
        }
        true
    }

    fn fenced(&mut self, epoch: Option<u64>) -> bool {
        let epoch = epoch.and_then(|epoch| ProducerEpoch::new(epoch).ok());
        let next = epoch.and_then(ProducerEpoch::next);
        match (next, self.window.first_mut()) {
            // After a first attempt without an answer the batch may be there under the old epoch: sending it under
            // a new one could double it.
            (Some(next), Some(first)) if self.config.auto_claim && !self.established && !first.in_doubt => {
                self.epoch = next;
                first.seq = ProducerSeq::ZERO;
                first.standing = Standing::Ready;
                self.next_seq = ProducerSeq::ZERO.next();
                false
            }
            _ => self.fail(AppendError::Fenced { epoch }),
        }
    }

    fn gap(&mut self, sent: ProducerSeq, expected: Option<u64>) -> bool {
        let seq = expected.and_then(|expected| ProducerSeq::new(expected).ok());
        match (seq, self.window.first_mut()) {
            // One batch is under way before the first acknowledgement, so nothing else has a number.
            (Some(seq), Some(first)) if !self.established && seq != sent => {
                self.established = true;
                first.seq = seq;
                first.standing = Standing::Ready;
                self.next_seq = seq.next();
                false
            }
            _ => self.fail(AppendError::SequenceGap { expected, sent: sent.number() }),
        }
    }

    fn retry(&mut self, cause: Cause, retry_after_ms: Option<u64>) {
        let limit = if self.config.retry.enabled { self.config.retry.max_attempts } else { 0 };
        if self.attempt >= limit {
            self.fail(AppendError::AttemptsExhausted { attempts: self.attempt, cause });
            return;
        }
        self.attempt = self.attempt.saturating_add(1);
        let delay_ms = self.config.retry.delay_ms(self.attempt, retry_after_ms, &mut self.random);
        if let Some(first) = self.window.first_mut() {
            first.standing = Standing::Waiting;
        }
        self.outputs.push_back(ProducerOutput::SetTimer { kind: ProducerTimer::Retry, after_ms: delay_ms });
        self.outputs.push_back(ProducerOutput::RetryScheduled { attempt: self.attempt, delay_ms, cause });
    }

    /// Sends, in order, everything that the window allows.
    fn send_what_may_go(&mut self, now: Millis) {
        if self.halved.is_some_and(|(until, _)| self.outbox.first() >= until) {
            self.halved = None;
        }
        // Before the first acknowledgement, and while a bad message is looked for, one at a time.
        let alone = !self.established || self.halved.is_some();
        let width = if alone { 1 } else { self.width };
        for at in 0..width {
            if self.failed || (at == self.window.len() && !self.begin_batch()) {
                break;
            }
            match self.window.get(at) {
                Some(batch) if batch.is_sending() && batch.is_written => {}
                Some(batch) if batch.is_acknowledged() => {}
                Some(batch) if batch.standing == Standing::Ready => {
                    self.send(at, now);
                    break;
                }
                // Whatever came after this one could arrive before it, and would be refused for the gap.
                _ => break,
            }
        }
        self.watch_the_first(now);
    }

    /// Gives the next messages a number, if there are any.
    fn begin_batch(&mut self) -> bool {
        let skip = self.window.messages_before(self.window.len());
        let mut messages_max = self.config.batch_messages_max;
        if let Some((until, len)) = self.halved {
            let left = until.saturating_sub(self.outbox.first());
            messages_max = messages_max.min(len).min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let len = self.outbox.batch_len(skip, messages_max, self.config.batch_bytes_max);
        let Some(seq) = self.next_seq.filter(|_| len > 0) else { return false };
        self.window.push(seq, len);
        self.next_seq = seq.next();
        true
    }

    fn send(&mut self, at: usize, now: Millis) {
        let start = self.window.messages_before(at);
        let attempt = if at == 0 { self.attempt } else { 0 };
        self.tickets += 1;
        let (ticket, epoch) = (self.tickets, self.epoch);
        let Some(batch) = self.window.get_mut(at) else { return };
        batch.standing = Standing::Sending;
        (batch.sent_as_first, batch.is_written) = (at == 0, false);
        (batch.sent_at, batch.ticket) = (now, ticket);
        if batch.fresh_token {
            self.fresh_since = ticket;
        }
        self.outputs.push_back(ProducerOutput::Send(AppendRequest {
            body: self.outbox.body(start..start + batch.len),
            claim: ProducerClaim { id: self.config.id.clone(), epoch, seq: batch.seq },
            fresh_token: core::mem::take(&mut batch.fresh_token),
            attempt,
        }));
    }

    /// The timeout timer runs for the first request without an answer: everything behind it waits for it anyway.
    fn watch_the_first(&mut self, now: Millis) {
        let watched = self.window.first_sending().map(|batch| (batch.ticket, batch.sent_at));
        if self.timed == watched.map(|(ticket, _)| ticket) {
            return;
        }
        self.timed = watched.map(|(ticket, _)| ticket);
        self.outputs.push_back(match watched {
            Some((_, sent_at)) => ProducerOutput::SetTimer {
                kind: ProducerTimer::Timeout,
                after_ms: self.config.timeout_ms.saturating_sub(now.since(sent_at)),
            },
            None => ProducerOutput::CancelTimer(ProducerTimer::Timeout),
        });
    }

    /// The end: the first batch fails with `error`, everything else with it. Nothing can be looked at any more.
    fn fail(&mut self, error: AppendError) -> bool {
        self.failed = true;
        for seq in self.window.all_sending() {
            self.outputs.push_back(ProducerOutput::Abort(seq));
        }
        let first = self.window.first().map_or(0, |batch| batch.len);
        self.window.clear();
        let messages = self.outbox.settle(first);
        self.lost(messages, error.clone());
        let rest = self.outbox.settle(self.outbox.len());
        // What happened to one batch is no reason of the others.
        let error = match error {
            AppendError::AttemptsExhausted { .. } | AppendError::Refused { .. } => {
                AppendError::ProducerFailed
            }
            error => error,
        };
        self.lost(rest, error);
        false
    }

    fn lost(&mut self, messages: Range<u64>, error: AppendError) {
        if !messages.is_empty() {
            self.loss.get_or_insert_with(|| (messages.start, error.clone()));
            self.outputs.push_back(ProducerOutput::Failed { messages, error });
        }
        self.resolve_flushes();
    }

    fn resolve_flushes(&mut self) {
        while let Some(&mark) = self.flushes.front()
            && mark.0 <= self.outbox.first()
        {
            self.flushes.pop_front();
            let result = match self.loss.take_if(|(at, _)| *at < mark.0) {
                Some((_, error)) => Err(error),
                // Success would be a lie to whoever asks a dead producer.
                None if self.failed => Err(AppendError::ProducerFailed),
                None => Ok(()),
            };
            self.outputs.push_back(ProducerOutput::Flushed { mark, result });
        }
    }
}
