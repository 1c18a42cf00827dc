//! What is counted as it happens. Must not look at anything but what it is told.
//!
//! Each server has its own: two in one process do not count for each other, and nothing is global.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::response::Response;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::Code;
use crate::error::{ErrorMark, LimitMark, RejectionMark};
use crate::quota::Limit;

/// What all names begin with.
pub(super) const PREFIX: &str = "durable_sessions";

type Label = [(&'static str, &'static str); 1];
type Labelled = Family<Label, Counter>;

/// Why a subscriber was let go although it had not asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// It took nothing for too long.
    Stalled,
    /// What was waiting for slow readers had no place any more.
    Memory,
}

impl Eviction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::Memory => "memory",
        }
    }
}

/// Counters of one server.
pub(crate) struct Metrics {
    pub(super) registry: Registry,
    /// By the first digit of the status, from 1 to 5.
    requests: [Counter<u64, AtomicU64>; 5],
    errors: Labelled,
    auth_refusals: Labelled,
    rejected_events: Labelled,
    limit_refusals: Labelled,
    append_seconds: Histogram,
    pub(crate) append_retries: Counter,
    pub(crate) catch_ups: Counter,
    evictions: Labelled,
    pub(crate) queued_accepted: Counter,
    pub(crate) queued_delivered: Counter,
    pub(crate) queued_retries: Counter,
    pub(crate) dead_letters: Counter,
    coalesced_chunks: Counter,
    coalesced_messages: Counter,
    coalesced_bytes_saved: Counter,
    pub(crate) dead_letters_redriven: Counter,
    pub(crate) dead_letters_purged: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Labelled::default();
        registry.register("requests", "Answered requests by class of their status", requests.clone());
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let requests = classes.map(|class| requests.get_or_create_owned(&[("status", class)]));
        let mut labelled = |name, help, label, known: &[&'static str]| {
            let family = Labelled::default();
            registry.register(name, help, family.clone());
            // A counter that does not exist cannot be seen to grow.
            for value in known {
                drop(family.get_or_create(&[(label, *value)]));
            }
            family
        };
        let errors = labelled(
            "errors",
            "Answers that were errors, by their code",
            "code",
            &[Code::Internal.as_str(), Code::StreamUnavailable.as_str(), Code::StorageFull.as_str()],
        );
        let auth_refusals = labelled(
            "auth_refusals",
            "Requests refused for who asked, by the code of the error",
            "code",
            &[Code::Unauthorized.as_str(), Code::Forbidden.as_str()],
        );
        let rejected_events = labelled(
            "rejected_events",
            "Appends refused because an event broke the schema, by the reason",
            "reason",
            &["syntax", "wrong_type", "missing_field"],
        );
        let limit_refusals = labelled(
            "limit_refusals",
            "Requests refused, and connections ended, for a limit",
            "limit",
            &Limit::ALL.map(Limit::as_str),
        );
        let evictions = labelled(
            "sse_evictions",
            "Subscribers that were cut, by the reason",
            "reason",
            &[Eviction::Stalled.as_str(), Eviction::Memory.as_str()],
        );
        let append_seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
        registry.register(
            "append_duration_seconds",
            "Time from an append's admission to its answer, retries included",
            append_seconds.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            requests,
            errors,
            auth_refusals,
            rejected_events,
            limit_refusals,
            append_seconds,
            append_retries: counter(
                "append_retries",
                "Appends tried again by the server before they were answered",
            ),
            catch_ups: counter("sse_catch_ups", "Times a subscriber lagged so far that it read from storage"),
            evictions,
            queued_accepted: counter("queued_accepted", "Queued appends that were taken"),
            queued_delivered: counter("queued_delivered", "Queued appends that reached their stream"),
            queued_retries: counter("queued_retries", "Attempts at queued appends after the first"),
            dead_letters: counter("dead_letters", "Queued appends that were given up and kept"),
            coalesced_chunks: counter(
                "coalesced_chunks",
                "Chunks that were stored in the message of another one",
            ),
            coalesced_messages: counter("coalesced_messages", "Messages that hold more than one chunk"),
            coalesced_bytes_saved: counter(
                "coalesced_saved_bytes",
                "Bytes of events that were not stored since their chunks were joined",
            ),
            dead_letters_redriven: counter("dead_letters_redriven", "Dead letters that were queued again"),
            dead_letters_purged: counter("dead_letters_purged", "Dead letters that were deleted on demand"),
            registry,
        }
    }

    /// Chunks were joined: how many are in the messages of others, in how many messages, and what that saves.
    pub(crate) fn coalesced(&self, chunks: u64, messages: u64, bytes_saved: u64) {
        self.coalesced_chunks.inc_by(chunks);
        self.coalesced_messages.inc_by(messages);
        self.coalesced_bytes_saved.inc_by(bytes_saved);
    }

    /// Counts an answer. Two relaxed additions, and for errors a look-up.
    pub(crate) fn answered(&self, response: &Response) {
        let class = usize::from(response.status().as_u16() / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|class| self.requests.get(class)) {
            counter.inc();
        }
        let Some(ErrorMark(code)) = response.extensions().get::<ErrorMark>() else { return };
        self.errors.get_or_create(&[("code", code.as_str())]).inc();
        if matches!(response.status().as_u16(), 401 | 403) {
            self.auth_refusals.get_or_create(&[("code", code.as_str())]).inc();
        }
        if let Some(RejectionMark(reason)) = response.extensions().get::<RejectionMark>() {
            self.rejected_events.get_or_create(&[("reason", *reason)]).inc();
        }
        if let Some(LimitMark(limit)) = response.extensions().get::<LimitMark>() {
            self.limited(*limit);
        }
    }

    /// Counts what a limit has refused where there is no answer to be seen.
    pub(crate) fn limited(&self, limit: Limit) {
        self.limit_refusals.get_or_create(&[("limit", limit.as_str())]).inc();
    }

    pub(crate) fn appended_in(&self, took: Duration) {
        self.append_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn evicted(&self, why: Eviction) {
        self.evictions.get_or_create(&[("reason", why.as_str())]).inc();
    }
}
