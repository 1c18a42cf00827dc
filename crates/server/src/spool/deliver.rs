//! Has queued appends brought to their streams, until the server stops, and gives the queue back from its front. Must not know
//! how one is brought.

use std::sync::Arc;
use std::time::{Duration, Instant};

use durable_sessions_protocol::Offset;
use durable_sessions_storage::{StoreHealth, Trim};
use tokio::task::JoinSet;

use super::Spool;
use super::attempt::attempt;
use crate::app::{App, until_draining};

/// Streams that are delivered to at a time.
const UNDER_WAY_MAX: usize = 16;
/// Between two looks at something that stands in the way: a store that takes nothing, dead letters that are full.
pub(super) const OBSTACLE_PAUSE: Duration = Duration::from_secs(1);
/// Finished entries are taken from the queue so many at a time, or when there is nothing else to do.
const TRIM_LEN: u64 = 64;

/// Delivers until the server stops; what is under way then is finished, the rest waits for the next start.
pub(crate) async fn deliver(app: Arc<App>) {
    let mut draining = app.draining.clone();
    let mut under_way = JoinSet::new();
    loop {
        let is_ready = matches!(app.store.health(), StoreHealth::Ready(_));
        while is_ready && under_way.len() < UNDER_WAY_MAX && !app.is_draining() {
            let Some((path, place, failures)) = app.spool.state().start(now()) else { break };
            under_way.spawn(attempt(app.clone(), path, place, failures));
        }
        app.spool.trim(under_way.is_empty()).await;
        // With all hands full, one that ends is what there is to wait for.
        let due = match is_ready {
            true => app.spool.state().next_due().filter(|_| under_way.len() < UNDER_WAY_MAX),
            // Not every lane by itself: there may be thousands.
            false => Some(now() + OBSTACLE_PAUSE),
        };
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = until_draining(&mut draining) => break,
            Some(ended) = under_way.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(error_id = "queued-append-panicked", %error, "an attempt to deliver did not end");
                }
            }
            () = app.spool.changed.notified() => {}
            () = due => {}
        }
    }
    while under_way.join_next().await.is_some() {}
    app.spool.trim(true).await;
}

/// The time of the runtime, which tests move.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Spool {
    /// Takes what is finished from the queue.
    async fn trim(&self, idle: bool) {
        let Some(opened) = self.opened.get() else { return };
        let to = {
            let state = self.state();
            let due = state.needed_from();
            let worth = due - state.trimmed_to.min(due);
            if worth == 0 || (worth < TRIM_LEN && !idle) {
                return;
            }
            due
        };
        match opened.store.trim(&opened.queue, Trim::Before(Offset::new(to))).await {
            Ok(_) => {
                self.state().trimmed(to);
                self.forget_emptied(opened, to).await;
            }
            // It is only space: what is there still is delivered again after a restart, and recognised.
            Err(error) => tracing::debug!(%error, "the queue is not trimmed now"),
        }
    }
}
