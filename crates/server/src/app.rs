//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use durable_sessions_storage::StreamStore;
use tokio::sync::{Semaphore, watch};

use crate::byte_budget::ByteBudget;
use crate::coalesce::Coalescer;
use crate::config::{AuthConfig, ServerConfig};
use crate::cors::Cors;
use crate::fanout::Fanout;
use crate::identity::Authenticator;
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::quota::{OpenSlot, OpenStreams, Quota};
use crate::request_id::RequestIds;
use crate::session::{Directory, EventIds, EventRules};
use crate::spool::Spool;
use crate::static_files::StaticFiles;
use crate::subscriptions::Subscriptions;

/// Shared by all requests of one server.
pub(crate) struct App {
    pub(crate) config: ServerConfig,
    pub(crate) authenticator: Authenticator,
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) fanout: Fanout,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) sessions: Directory,
    pub(crate) event_rules: EventRules,
    pub(crate) event_ids: EventIds,
    pub(crate) coalescer: Coalescer,
    pub(crate) presence: Presence,
    pub(crate) cors: Cors,
    pub(crate) request_ids: RequestIds,
    pub(crate) static_files: Option<StaticFiles>,
    pub(crate) subscribers: Arc<Gauge>,
    /// Places for connections; those that are taken are open.
    pub(crate) connections: Arc<Semaphore>,
    /// What waits for slow readers.
    pub(crate) unsent: Arc<ByteBudget>,
    /// Bodies of requests that are under way.
    pub(crate) bodies: Arc<ByteBudget>,
    /// Places for appends that wait for the store.
    pub(crate) retrying: Semaphore,
    /// Places of appends that wait for what was queued before them.
    pub(crate) behind_queued: Semaphore,
    /// Places for reading whole sessions to sum them up; others wait for their turn.
    pub(crate) summing: Semaphore,
    pub(crate) spool: Arc<Spool>,
    pub(crate) metrics: Metrics,
    pub(crate) quota: Quota,
    pub(crate) open_streams: Arc<OpenStreams>,
    pub(crate) jitter: Jitter,
    /// Becomes `true` when the server begins to stop.
    pub(crate) draining: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Whether shared caches may keep answers: not when they needed credentials.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self.config.auth, AuthConfig::DevNoAuth)
    }
}

/// Waits until the server begins to stop, or is gone.
pub(crate) async fn until_draining(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

/// Numbers that spread reconnects and cursors over time. No secrets depend on them.
#[derive(Debug)]
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(getrandom::u64().unwrap_or_default()))
    }

    /// splitmix64: one addition shared by all threads, mixed by each for itself.
    pub(crate) fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Counts what is open against a limit.
#[derive(Debug)]
pub(crate) struct Gauge {
    open: AtomicUsize,
    max: usize,
}

/// One that is open; closing it is dropping it.
#[derive(Debug)]
pub(crate) struct Slot {
    gauge: Arc<Gauge>,
    /// The same, counted for whoever opened it.
    _of_identity: Option<OpenSlot>,
}

impl Gauge {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), max })
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn try_open(self: &Arc<Self>, of_identity: Option<OpenSlot>) -> Option<Slot> {
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < self.max).then_some(open + 1))
            .ok()
            .map(|_| Slot { gauge: self.clone(), _of_identity: of_identity })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gauge.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gauge_opens_again_when_something_closes() {
        let gauge = Gauge::new(1);
        let slot = gauge.try_open(None);
        assert!(slot.is_some() && gauge.try_open(None).is_none());
        drop(slot);
        assert!(gauge.try_open(None).is_some());
    }
}
