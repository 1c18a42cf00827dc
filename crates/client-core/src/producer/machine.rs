//! One batch in flight, retried until it is settled; the rest waits in order. Must not know HTTP beyond statuses.
//!
//! What an answer means:
//!
//! | answer | outcome |
//! |---|---|
//! | 200, 204 and other 2xx | the batch is acknowledged (204: it was there already); next sequence number |
//! | no answer, timeout, 408, 425, 429, 5xx | the same batch again, with the same number, after a backoff or `Retry-After` |
//! | 401 | once more with a fresh token, then an error for the batch |
//! | 400, 413 | a batch of several is halved until the messages at fault are alone; those fail, the others go on |
//! | 403 with `Producer-Epoch` | fenced: the end; or, with `auto_claim`, a newer epoch if no earlier attempt of the batch may have arrived |
//! | 409 with `Stream-Closed` | the stream is closed: the end |
//! | 409 with `Producer-Expected-Seq` | the first batch of a producer adopts the number; later it is a gap: the end |
//! | anything else | an error for the batch; its number is used by the next one, as the server did not take it; but if an earlier attempt of the batch may have arrived, the number may be taken, and a batch under it would be acknowledged unstored: the end |

use std::collections::VecDeque;

use durable_sessions_protocol::{ProducerClaim, ProducerEpoch, ProducerId, ProducerSeq, json};

use super::error::{AppendError, Refused};
use super::io::{
    AckedAt, AppendAnswer, AppendRequest, FlushMark, ProducerInput, ProducerOutput, ProducerTimer,
};
use super::outbox::Outbox;
use crate::cause::{Cause, Failure};
use crate::random::Random;
use crate::{Millis, ReconnectConfig};

/// Flushes waiting at the same time; further ones join the last.
const FLUSHES_MAX: usize = 1024;

/// How a producer behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct ProducerConfig {
    /// Names the producer across restarts.
    pub id: ProducerId,
    /// Its session; a restarted producer takes the next one.
    pub epoch: ProducerEpoch,
    /// The first batch's number. Not 0 only when a session is continued.
    pub first_seq: ProducerSeq,
    /// On a newer epoch at the server, take the one after it instead of failing.
    pub auto_claim: bool,
    /// Delays between attempts, and their number; `max_attempts` of `u32::MAX` never gives up.
    pub retry: ReconnectConfig,
    /// How long a request may go without an answer.
    pub timeout_ms: u64,
    /// Messages in one request.
    pub batch_messages_max: usize,
    /// Bytes in one request.
    pub batch_bytes_max: usize,
    /// Messages not settled yet.
    pub outbox_messages_max: usize,
    /// Bytes of messages not settled yet.
    pub outbox_bytes_max: usize,
}

impl ProducerConfig {
    /// The defaults: never gives up, batches up to 1000 messages or 1 MiB, outbox up to 100,000 messages or 64 MiB.
    #[must_use]
    pub fn new(id: ProducerId) -> Self {
        Self {
            id,
            epoch: ProducerEpoch::ZERO,
            first_seq: ProducerSeq::ZERO,
            auto_claim: false,
            retry: ReconnectConfig {
                initial_delay_ms: 200,
                max_delay_ms: 10_000,
                max_attempts: u32::MAX,
                ..ReconnectConfig::default()
            },
            timeout_ms: 30_000,
            batch_messages_max: 1000,
            batch_bytes_max: 1 << 20,
            outbox_messages_max: 100_000,
            outbox_bytes_max: 64 << 20,
        }
    }
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing to send.
    Idle,
    /// A request with so many messages has no answer yet.
    Sending(usize),
    /// The same batch waits for its next attempt.
    Waiting(usize),
    /// Over.
    Failed,
}

/// An idempotent producer. Feed it with [`append`](Self::append) and [`handle`](Self::handle); after each, take every
/// [`next_output`](Self::next_output) and do it.
#[derive(Debug)]
pub struct Producer {
    config: ProducerConfig,
    phase: Phase,
    outbox: Outbox,
    epoch: ProducerEpoch,
    seq: ProducerSeq,
    /// The server has acknowledged a batch of this producer.
    established: bool,
    attempt: u32,
    /// An earlier attempt of this batch may have arrived: nobody has said otherwise.
    in_doubt: bool,
    token_asked_again: bool,
    /// Messages up to this number came in a batch that was refused, so they go in batches of so many.
    halved: Option<(u64, usize)>,
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
            phase: Phase::Idle,
            outbox: Outbox::new(config.outbox_messages_max, config.outbox_bytes_max),
            epoch: config.epoch,
            seq: config.first_seq,
            established: false,
            attempt: 0,
            in_doubt: false,
            token_asked_again: false,
            halved: None,
            flushes: VecDeque::new(),
            loss: None,
            random: Random::new(seed),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes one message, which is sent as soon as nothing is in flight. Returns its number.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed then.
    pub fn append(&mut self, _now: Millis, message: &[u8]) -> Result<u64, Refused> {
        if self.phase == Phase::Failed {
            return Err(Refused::Failed);
        }
        if message.len() + 2 > self.config.batch_bytes_max {
            return Err(Refused::TooLarge);
        }
        json::check(message).map_err(|_| Refused::NotJson)?;
        let number = self.outbox.add(message)?;
        if self.phase == Phase::Idle {
            self.send_next();
        }
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
    pub fn handle(&mut self, _now: Millis, input: ProducerInput) {
        match (self.phase, input) {
            (Phase::Sending(len), ProducerInput::Answer(answer)) => {
                self.outputs.push_back(ProducerOutput::CancelTimer(ProducerTimer::Timeout));
                self.answered(len, &answer);
            }
            (Phase::Sending(len), ProducerInput::Failed(failure)) => {
                self.outputs.push_back(ProducerOutput::CancelTimer(ProducerTimer::Timeout));
                let cause = match failure {
                    Failure::Network(detail) => Cause::Network(detail),
                    Failure::Token(detail) => Cause::Token(detail),
                };
                self.retry(len, cause, None);
            }
            (Phase::Sending(len), ProducerInput::Timer(ProducerTimer::Timeout)) => {
                self.outputs.push_back(ProducerOutput::Abort);
                self.retry(len, Cause::Silence, None);
            }
            (Phase::Waiting(len), ProducerInput::Timer(ProducerTimer::Retry)) => self.send(len, false),
            (Phase::Waiting(len), ProducerInput::RetryNow) => {
                self.outputs.push_back(ProducerOutput::CancelTimer(ProducerTimer::Retry));
                self.send(len, false);
            }
            _ => {}
        }
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

    /// The number of the next batch.
    #[must_use]
    pub const fn next_seq(&self) -> ProducerSeq {
        self.seq
    }

    fn send_next(&mut self) {
        self.attempt = 0;
        self.in_doubt = false;
        self.token_asked_again = false;
        let mut messages_max = self.config.batch_messages_max;
        if let Some((until, len)) = self.halved {
            let left = until.saturating_sub(self.outbox.first());
            if left == 0 {
                self.halved = None;
            } else {
                messages_max = messages_max.min(len).min(usize::try_from(left).unwrap_or(usize::MAX));
            }
        }
        match self.outbox.batch_len(messages_max, self.config.batch_bytes_max) {
            0 => self.phase = Phase::Idle,
            len => self.send(len, false),
        }
    }

    fn send(&mut self, len: usize, fresh_token: bool) {
        self.phase = Phase::Sending(len);
        self.outputs.push_back(ProducerOutput::Send(AppendRequest {
            body: self.outbox.array(len),
            claim: ProducerClaim { id: self.config.id.clone(), epoch: self.epoch, seq: self.seq },
            fresh_token,
            attempt: self.attempt,
        }));
        self.outputs.push_back(ProducerOutput::SetTimer {
            kind: ProducerTimer::Timeout,
            after_ms: self.config.timeout_ms,
        });
    }

    fn answered(&mut self, len: usize, answer: &AppendAnswer) {
        match answer.status {
            200..=299 => self.acknowledged(len, answer),
            408 | 425 | 429 | 500..=599 => {
                self.retry(len, Cause::Status(answer.status), answer.retry_after_ms);
            }
            401 if !self.token_asked_again => {
                self.token_asked_again = true;
                self.send(len, true);
            }
            400 | 413 if len > 1 => {
                // Either part may be at fault; a batch of one tells. What is refused for its content was refused
                // on every attempt, so its number is free.
                self.halved = Some((self.outbox.first() + len as u64, len / 2));
                self.send_next();
            }
            403 if answer.producer_epoch.is_some() => self.fenced(len, answer.producer_epoch),
            409 if answer.closed => self.fail(AppendError::StreamClosed),
            409 if answer.expected_seq.is_some() => self.gap(len, answer.expected_seq),
            status if self.in_doubt && !matches!(status, 400 | 413) => {
                self.fail(AppendError::Refused { status });
            }
            status => {
                let messages = self.outbox.settle(len);
                self.lost(messages, AppendError::Refused { status });
                self.send_next();
            }
        }
    }

    fn acknowledged(&mut self, len: usize, answer: &AppendAnswer) {
        self.established = true;
        let messages = self.outbox.settle(len);
        let at = AckedAt {
            next_offset: answer.next_offset.as_deref().and_then(|token| token.parse().ok()),
            duplicate: answer.status == 204,
        };
        self.outputs.push_back(ProducerOutput::Acked { messages, at });
        self.resolve_flushes();
        match self.seq.next() {
            Some(seq) => {
                self.seq = seq;
                self.send_next();
            }
            // After 2^53 batches the epoch is used up.
            None => self.fail(AppendError::SequenceGap { expected: None, sent: self.seq.number() }),
        }
    }

    fn fenced(&mut self, len: usize, epoch: Option<u64>) {
        let epoch = epoch.and_then(|epoch| ProducerEpoch::new(epoch).ok());
        let next = epoch.and_then(ProducerEpoch::next);
        match next {
            // After a first attempt without an answer the batch may be there under the old epoch: sending it under
            // a new one could double it.
            Some(next) if self.config.auto_claim && !self.established && !self.in_doubt => {
                (self.epoch, self.seq) = (next, ProducerSeq::ZERO);
                self.send(len, false);
            }
            _ => self.fail(AppendError::Fenced { epoch }),
        }
    }

    fn gap(&mut self, len: usize, expected: Option<u64>) {
        let sent = self.seq.number();
        match expected.and_then(|expected| ProducerSeq::new(expected).ok()) {
            Some(seq) if !self.established && seq != self.seq => {
                self.established = true;
                self.seq = seq;
                self.send(len, false);
            }
            _ => self.fail(AppendError::SequenceGap { expected, sent }),
        }
    }

    fn retry(&mut self, len: usize, cause: Cause, retry_after_ms: Option<u64>) {
        let limit = if self.config.retry.enabled { self.config.retry.max_attempts } else { 0 };
        if self.attempt >= limit {
            return self.fail(AppendError::AttemptsExhausted { attempts: self.attempt, cause });
        }
        self.attempt = self.attempt.saturating_add(1);
        // Only these say that nothing was done; a 503 may stand for a commit of which nobody knows how it ended.
        self.in_doubt |= !matches!(cause, Cause::Token(_) | Cause::Status(425 | 429));
        let delay_ms = self.config.retry.delay_ms(self.attempt, retry_after_ms, &mut self.random);
        self.phase = Phase::Waiting(len);
        self.outputs.push_back(ProducerOutput::SetTimer { kind: ProducerTimer::Retry, after_ms: delay_ms });
        self.outputs.push_back(ProducerOutput::RetryScheduled { attempt: self.attempt, delay_ms, cause });
    }

    /// The end: the batch in flight fails with `error`, what had not been sent with it.
    fn fail(&mut self, error: AppendError) {
        let in_flight = match self.phase {
            Phase::Sending(len) | Phase::Waiting(len) => len,
            Phase::Idle | Phase::Failed => 0,
        };
        self.phase = Phase::Failed;
        let messages = self.outbox.settle(in_flight);
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
    }

    fn lost(&mut self, messages: std::ops::Range<u64>, error: AppendError) {
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
                None if self.phase == Phase::Failed => Err(AppendError::ProducerFailed),
                None => Ok(()),
            };
            self.outputs.push_back(ProducerOutput::Flushed { mark, result });
        }
    }
}
