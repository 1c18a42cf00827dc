//! What is looked up when somebody asks: the state of the store, of live delivery and of what is queued. Must not
//! keep anything.

use durable_sessions_storage::{StoreHealth, StoreStats};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::counters::PREFIX;
use super::distribution::ScaledDistribution;
use crate::app::App;

/// One microsecond in seconds.
const MICRO: f64 = 1e-6;

/// All of it, as a registry that is written once and dropped.
pub(super) fn look(app: &App) -> Registry {
    let mut snapshot = Snapshot(Registry::with_prefix(PREFIX));
    snapshot.server(app);
    snapshot.bodies(app);
    snapshot.store(&app.store.stats());
    snapshot.delivery(app);
    snapshot.open_streams(app);
    snapshot.queued(app);
    snapshot.0
}

struct Snapshot(Registry);

impl Snapshot {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0.register(name, help, ConstGauge::new(value));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.0.register(name, help, ConstCounter::new(value));
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: f64,
        distribution: &durable_sessions_storage::Distribution,
    ) {
        let distribution = distribution.clone();
        self.0.register(name, help, ScaledDistribution { distribution, unit });
    }

    fn server(&mut self, app: &App) {
        self.0.register("build", "What runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        let ready = !app.is_draining() && matches!(app.store.health(), StoreHealth::Ready(_));
        self.gauge("ready", "1 while appends are taken, as /readyz says it", u64::from(ready));
        let max = app.config.limits.connections_max;
        let open = max.saturating_sub(app.connections.available_permits());
        self.gauge("connections", "Connections that are open", open as u64);
        self.gauge("connections_max", "Connections that may be open", max as u64);
    }

    fn bodies(&mut self, app: &App) {
        let (held, max) = (app.bodies.bytes() as u64, app.bodies.max() as u64);
        self.gauge("request_body_bytes", "Bodies of requests that are under way", held);
        self.gauge("request_body_bytes_max", "Bodies of requests that may be under way", max);
    }

    fn store(&mut self, stats: &StoreStats) {
        self.counter("appends", "Appends that were committed", stats.appends);
        self.counter("append_bytes", "Payload bytes of committed appends", stats.appended_bytes);
        self.counter(
            "store_refused_overloaded",
            "Operations refused because the store's queue was full",
            stats.refused_overloaded,
        );
        self.counter("store_failed_commits", "Commits that failed", stats.failed_commits);
        self.gauge("streams", "Streams that exist", stats.streams);
        self.gauge("store_queue_operations", "Operations that wait for the store", stats.queue_len);
        self.gauge(
            "store_queue_operations_max",
            "Operations that may wait for the store",
            stats.queue_len_max,
        );
        self.gauge("store_queue_bytes", "Payload bytes that wait for the store", stats.queue_bytes);
        self.gauge(
            "store_queue_bytes_max",
            "Payload bytes that may wait for the store",
            stats.queue_bytes_max,
        );
        self.histogram("commit_operations", "Operations committed together", 1.0, &stats.group_lens);
        self.histogram("commit_duration_seconds", "Time a commit took", MICRO, &stats.commit_micros);
        self.histogram("fsync_duration_seconds", "Time the sync of a commit took", MICRO, &stats.sync_micros);
    }

    fn delivery(&mut self, app: &App) {
        let standing = app.fanout.standing();
        self.gauge("sse_subscribers", "SSE answers that are open", app.subscribers.open() as u64);
        self.gauge("sse_subscribers_max", "SSE answers that may be open", app.subscribers.max() as u64);
        self.gauge("sse_streams", "Streams that somebody follows by SSE", standing.hubs);
        self.gauge("sse_lagging_subscribers", "Subscribers with something left to take", standing.lagging);
        self.gauge(
            "sse_lag_max",
            "How far the last subscriber is behind its stream's tail, in messages or bytes",
            standing.lag_max,
        );
        self.gauge("sse_ring_bytes", "Encoded frames kept for subscribers", standing.ring_bytes);
        self.gauge("sse_unsent_bytes", "Bytes that wait for slow readers", app.unsent.bytes() as u64);
        self.gauge("sse_unsent_bytes_max", "Bytes that may wait for slow readers", app.unsent.max() as u64);
    }

    fn open_streams(&mut self, app: &App) {
        let (open, owners) = (app.open_streams.count() as u64, app.open_streams.owners() as u64);
        self.gauge("open_streams_owned", "Open streams that count for whoever created them", open);
        self.gauge("open_streams_owners", "Identities that have streams open", owners);
    }

    fn queued(&mut self, app: &App) {
        let depth = app.spool.depth();
        self.gauge("queued_appends", "Queued appends that have not reached their stream", depth.entries);
        self.gauge("queued_bytes", "Bytes of queued appends, as they are spooled", depth.bytes);
        self.gauge(
            "coalescing_bytes",
            "Bytes of events that wait for others",
            app.coalescer.held_bytes() as u64,
        );
        self.gauge("dead_letters_kept", "Dead letters that wait for somebody", depth.dead_letters);
    }
}
