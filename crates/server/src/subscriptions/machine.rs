//! One subscription as a state machine: links, generations, leases, retries. No IO, no clock, no randomness: the
//! time and entropy come in with every call, and what is to be done goes out as an [`Effect`].
//!
//! | phase | pending work | claim | ack, callback, release of the current wake | of any other | lease ends, delivery fails |
//! |---|---|---|---|---|---|
//! | idle | next generation: webhook → held, pull-wake → announced; not before the retry time | held, next generation; refused when nothing is pending | – | fenced | – |
//! | announced | stays | held, same generation | fenced (no token exists) | fenced | idle, retry later |
//! | held | stays | refused, with the holder | applied; `done` and release → idle | fenced | idle; a failure retries later |
//!
//! Every change is made on a copy, persisted, and only then acted on, so nothing is seen outside that a restart
//! could forget; a generation that was given out is never given out again.

mod links;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backoff;
use super::specification::{Delivery, Specification};

pub(crate) use links::{Link, Room, Sighting};

/// Format of the stored record.
const VERSION: u32 = 1;

/// Time and chance of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Unix milliseconds.
    pub(crate) ms: i64,
    pub(crate) entropy: u128,
}

/// A subscription, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    version: u32,
    pub(crate) id: String,
    pub(crate) specification: Specification,
    pub(crate) hash: String,
    /// Scheme, host and path below which its creator reached the server.
    pub(crate) base_url: String,
    /// Tells it from an earlier one with the same id.
    pub(crate) birth: u64,
    pub(crate) created_at_ms: i64,
    pub(crate) generation: u64,
    phase: Phase,
    retry: Option<Retry>,
    pub(crate) links: BTreeMap<String, Link>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
enum Phase {
    Idle,
    /// A wake event was written, nobody has claimed it.
    Announced {
        wake_id: String,
    },
    /// A worker or webhook handler has it.
    Held {
        wake_id: String,
        lease_until_ms: i64,
        /// The worker's name; webhooks have none.
        holder: Option<String>,
        /// The webhook has not answered yet.
        delivering: bool,
    },
}

/// The schedule after failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Retry {
    attempts: u32,
    next_attempt_at_ms: i64,
}

/// Something to be done once the state is persisted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Call the webhook about the current wake.
    Deliver { wake_id: String },
    /// Write a wake event.
    Announce { wake_id: String, stream: String },
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Answered `done`: the tails that were sent count as processed.
    Done(Vec<(String, u64)>),
    /// Taken; a callback follows, or the lease ends.
    Accepted,
    /// Not taken.
    Failed,
}

/// Which wake a request is about: from its token, and from its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WakeRef {
    pub(crate) birth: u64,
    pub(crate) token_generation: u64,
    pub(crate) generation: u64,
    pub(crate) wake_id: String,
}

/// Why a request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("another wake has taken the place of this one")]
    Fenced,
    #[error("another worker holds the subscription")]
    AlreadyClaimed { holder: String, generation: u64 },
    #[error("nothing is pending")]
    NoPendingWork,
    #[error("an acked offset lies beyond the tail of {stream}")]
    BeyondTail { stream: String },
    #[error("a subscription links at most {max} streams")]
    TooManyStreams { max: usize },
    #[error("the paths of the streams of a subscription need more than {max} bytes")]
    TooManyBytes { max: usize },
}

impl Subscription {
    pub(crate) fn new(
        id: &str,
        specification: Specification,
        base_url: String,
        birth: u64,
        created_at_ms: i64,
    ) -> Self {
        Self {
            version: VERSION,
            id: id.to_owned(),
            hash: specification.hash(),
            specification,
            base_url,
            birth,
            created_at_ms,
            generation: 0,
            phase: Phase::Idle,
            retry: None,
            links: BTreeMap::new(),
        }
    }

    /// From its stored form. Waiting times that a clock set back would stretch are cut to their maximum.
    pub(crate) fn decode(stored: &[u8], now_ms: i64) -> Option<Self> {
        let mut this: Self =
            serde_json::from_slice(stored).ok().filter(|this: &Self| this.version == VERSION)?;
        for link in this.links.values_mut() {
            link.tail = link.acked;
        }
        if let Some(retry) = &mut this.retry {
            retry.next_attempt_at_ms =
                retry.next_attempt_at_ms.min(now_ms.saturating_add(backoff::LONGEST_MS));
        }
        let lease_max = now_ms.saturating_add(this.specification.lease_ttl_ms);
        if let Phase::Held { lease_until_ms, .. } = &mut this.phase {
            *lease_until_ms = (*lease_until_ms).min(lease_max);
        }
        Some(this)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // Strings and integers only: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What was begun before a restart, and may not have happened.
    pub(crate) fn interrupted(&self) -> Option<Effect> {
        match &self.phase {
            Phase::Held { wake_id, delivering: true, .. } => {
                Some(Effect::Deliver { wake_id: wake_id.clone() })
            }
            Phase::Announced { wake_id } => self.announcement(wake_id.clone()),
            Phase::Idle | Phase::Held { .. } => None,
        }
    }

    /// Ends what is over, and begins what is due. To be called after every other change.
    pub(crate) fn settle(&mut self, now: Now) -> Option<Effect> {
        self.expire(now);
        let pending = self.has_pending();
        if !pending && matches!(self.phase, Phase::Announced { .. }) {
            self.phase = Phase::Idle;
        }
        let waits = self.retry.as_ref().is_some_and(|retry| now.ms < retry.next_attempt_at_ms);
        if self.phase != Phase::Idle || waits || !pending {
            return None;
        }
        let wake_id = self.next_wake(now);
        match self.specification.delivery {
            Delivery::Webhook { .. } => {
                self.phase = Phase::Held {
                    wake_id: wake_id.clone(),
                    lease_until_ms: self.lease_end(now),
                    holder: None,
                    delivering: true,
                };
                Some(Effect::Deliver { wake_id })
            }
            Delivery::PullWake { .. } => {
                self.phase = Phase::Announced { wake_id: wake_id.clone() };
                self.announcement(wake_id)
            }
        }
    }

    /// When [`Self::settle`] has something to do again, if nothing else happens.
    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        match &self.phase {
            Phase::Held { lease_until_ms, .. } => Some(*lease_until_ms),
            Phase::Idle if self.has_pending() => {
                Some(self.retry.as_ref().map_or(i64::MIN, |retry| retry.next_attempt_at_ms))
            }
            Phase::Idle | Phase::Announced { .. } => None,
        }
    }

    /// The end of a call of the webhook. One of an earlier wake means nothing any more.
    pub(crate) fn delivered(&mut self, now: Now, of: &str, outcome: Delivered) {
        let Phase::Held { wake_id, delivering, .. } = &mut self.phase else { return };
        if wake_id != of {
            return;
        }
        match outcome {
            Delivered::Done(tails) => {
                self.retry = None;
                self.phase = Phase::Idle;
                self.advance(&tails);
            }
            Delivered::Accepted => {
                *delivering = false;
                self.retry = None;
            }
            Delivered::Failed => self.fail(now),
        }
    }

    /// Whether the wake event is on its stream.
    pub(crate) fn announced(&mut self, now: Now, of: &str, written: bool) {
        match &self.phase {
            Phase::Announced { wake_id } if wake_id == of && !written => self.fail(now),
            _ if written => self.retry = None,
            _ => {}
        }
    }

    /// A worker takes the subscription; its generation and wake id are what it has to present from now on.
    pub(crate) fn claim(&mut self, now: Now, worker: &str) -> Result<String, Refusal> {
        self.expire(now);
        let wake_id = match &self.phase {
            Phase::Held { holder, .. } => {
                return Err(Refusal::AlreadyClaimed {
                    holder: holder.clone().unwrap_or_default(),
                    generation: self.generation,
                });
            }
            _ if !self.has_pending() => return Err(Refusal::NoPendingWork),
            Phase::Announced { wake_id } => wake_id.clone(),
            Phase::Idle => self.next_wake(now),
        };
        self.phase = Phase::Held {
            wake_id: wake_id.clone(),
            lease_until_ms: self.lease_end(now),
            holder: Some(worker.to_owned()),
            delivering: false,
        };
        Ok(wake_id)
    }

    /// Acks, extends the lease, and with `done` gives the wake back. All of it or nothing.
    pub(crate) fn ack(
        &mut self,
        now: Now,
        wake: &WakeRef,
        acks: &[(String, u64)],
        done: bool,
    ) -> Result<(), Refusal> {
        self.check(now, wake)?;
        for (stream, offset) in acks {
            let link = self.links.get(stream).filter(|link| link.replaced_in != Some(self.generation));
            if link.is_some_and(|link| *offset > link.tail) {
                return Err(Refusal::BeyondTail { stream: stream.clone() });
            }
        }
        self.advance(acks);
        self.retry = None;
        let lease_end = self.lease_end(now);
        if done {
            self.phase = Phase::Idle;
        } else if let Phase::Held { lease_until_ms, .. } = &mut self.phase {
            *lease_until_ms = lease_end;
        }
        Ok(())
    }

    /// Gives the wake back without acking.
    pub(crate) fn release(&mut self, now: Now, wake: &WakeRef) -> Result<(), Refusal> {
        self.check(now, wake)?;
        self.phase = Phase::Idle;
        Ok(())
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.links.values().any(Link::is_pending)
    }

    /// Whether the last delivery failed and another one is scheduled.
    pub(crate) fn has_failed(&self) -> bool {
        self.retry.is_some()
    }

    fn first_pending(&self) -> Option<&String> {
        self.links.iter().find(|(_, link)| link.is_pending()).map(|(path, _)| path)
    }

    fn announcement(&self, wake_id: String) -> Option<Effect> {
        let stream = self.first_pending().or_else(|| self.links.keys().next())?.clone();
        Some(Effect::Announce { wake_id, stream })
    }

    fn expire(&mut self, now: Now) {
        if let Phase::Held { lease_until_ms, .. } = &self.phase
            && *lease_until_ms <= now.ms
        {
            self.phase = Phase::Idle;
        }
    }

    fn check(&mut self, now: Now, wake: &WakeRef) -> Result<(), Refusal> {
        self.expire(now);
        match &self.phase {
            Phase::Held { wake_id, .. }
                if wake.birth == self.birth
                    && wake.token_generation == self.generation
                    && wake.generation == self.generation
                    && wake.wake_id == *wake_id =>
            {
                Ok(())
            }
            _ => Err(Refusal::Fenced),
        }
    }

    fn fail(&mut self, now: Now) {
        let attempts = self.retry.as_ref().map_or(0, |retry| retry.attempts).saturating_add(1);
        let wait = backoff::delay_ms(attempts, now.entropy as u64);
        self.retry = Some(Retry { attempts, next_attempt_at_ms: now.ms.saturating_add(wait) });
        self.phase = Phase::Idle;
    }

    fn next_wake(&mut self, now: Now) -> String {
        self.generation += 1;
        format!("w_{:032x}", now.entropy)
    }

    fn lease_end(&self, now: Now) -> i64 {
        now.ms.saturating_add(self.specification.lease_ttl_ms)
    }
}

#[cfg(test)]
mod tests;
