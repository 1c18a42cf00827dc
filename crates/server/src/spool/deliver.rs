//! Brings queued appends to their streams, until the server stops. Must not know how they came into the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use durable_sessions_protocol::{Offset, ProducerClaim, ProducerEpoch, ProducerSeq, StreamPath};
use durable_sessions_storage::{Append, AppendError, Batch, StoreHealth, Trim};
use tokio::task::JoinSet;

use super::dead_letter::{DeadLetter, Reason, id_text};
use super::entry::{Entry, QueuedAppend, Unreadable};
use super::lanes::Failures;
use super::{Opened, Spool, letters};
use crate::app::{App, until_draining};
use crate::backoff::Backoff;
use crate::store_error::StoreError as _;
use crate::stream::Namespace;
use crate::{session, subscriptions};

/// Streams that are delivered to at a time.
const UNDER_WAY_MAX: usize = 16;
/// Between two looks at something that stands in the way: a store that takes nothing, dead letters that are full.
const OBSTACLE_PAUSE: Duration = Duration::from_secs(1);
/// Finished entries are taken from the queue so many at a time, or when there is nothing else to do.
const TRIM_LEN: u64 = 64;

/// Delivers until the server stops; what is under way then is finished, the rest waits for the next start.
pub(crate) async fn deliver(app: Arc<App>) {
    let mut draining = app.draining.clone();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < UNDER_WAY_MAX && !app.is_draining() {
            let Some((path, place, failures)) = app.spool.state().lanes.start(now()) else { break };
            under_way.spawn(attempt(app.clone(), path, place, failures));
        }
        app.spool.trim(under_way.is_empty()).await;
        let due = app.spool.state().lanes.next_due();
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = until_draining(&mut draining) => break,
            Some(_) = under_way.join_next() => {}
            () = app.spool.changed.notified() => {}
            () = due => {}
        }
    }
    while under_way.join_next().await.is_some() {}
    app.spool.trim(true).await;
}

/// The time of the runtime, which tests move.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What an attempt comes to.
enum Outcome {
    Delivered,
    /// Tried in vain, and to be tried again. Without `known` it may have reached the stream all the same, which the
    /// next attempt finds out.
    Failed {
        message: String,
        known: bool,
    },
    /// Not even tried.
    Hindered,
    /// Never to be tried again.
    Refused(Reason),
}

async fn attempt(app: Arc<App>, path: StreamPath, place: u64, failures: Failures) {
    let Some(opened) = app.spool.opened.get() else { return };
    let entry = match opened.read(place).await {
        Ok(entry) => entry,
        Err(error) => {
            tracing::warn!(error_id = "queued-append-unread", place, %error, "a queued append cannot be read now");
            return app.spool.state().lanes.postpone(&path, now() + OBSTACLE_PAUSE, failures);
        }
    };
    let began_ms = app.spool.now_ms();
    let first_attempt_at_ms = if failures.count == 0 { began_ms } else { failures.first_attempt_at_ms };
    let mut tried = Failures { count: failures.count + 1, first_attempt_at_ms, ..failures };
    if failures.count > 0 {
        app.metrics.queued_retries.inc();
    }
    let outcome = try_once(&app, opened, &entry, place).await;
    tried.uncertain |= matches!(outcome, Outcome::Failed { known: false, .. });
    let reason = match outcome {
        Outcome::Delivered => {
            app.metrics.queued_delivered.inc();
            app.spool.state().lanes.finish(&path, place);
            return;
        }
        Outcome::Hindered => {
            return app.spool.state().lanes.postpone(&path, now() + OBSTACLE_PAUSE, failures);
        }
        Outcome::Failed { message, .. } if tried.count < app.config.limits.queued_attempts_max => {
            let backoff =
                Backoff { first: app.config.queued_retry_first, longest: app.config.queued_retry_longest };
            let wait = backoff.delay(tried.count, app.jitter.next());
            tracing::debug!(place, attempts = tried.count, message, "a queued append is tried again");
            return app.spool.state().lanes.postpone(&path, now() + wait, tried);
        }
        Outcome::Failed { message, .. } => Reason { code: "STREAM_UNAVAILABLE".to_owned(), message },
        Outcome::Refused(reason) => reason,
    };
    let letter = DeadLetter {
        entry,
        reason,
        attempts: tried.count,
        uncertain: tried.uncertain,
        first_attempt_at_ms,
        failed_at_ms: app.spool.now_ms(),
    };
    if bury(&app, opened, place, &letter).await {
        app.spool.state().lanes.finish(&path, place);
    } else {
        app.spool.state().lanes.postpone(&path, now() + OBSTACLE_PAUSE, failures);
    }
}

async fn try_once(app: &Arc<App>, opened: &Opened, entry: &Entry, place: u64) -> Outcome {
    if !matches!(app.store.health(), StoreHealth::Ready(_)) {
        return Outcome::Hindered;
    }
    let (append, claim) = match entry.append().and_then(|append| {
        let claim = opened.claim(&append, entry.origin, place)?;
        Ok((append, claim))
    }) {
        Ok(readable) => readable,
        Err(error) => {
            return Outcome::Refused(Reason { code: "INTERNAL".to_owned(), message: error.to_string() });
        }
    };
    let QueuedAppend { path, content_type, batch, .. } = append;
    let write = Append {
        content_type: Some(content_type),
        batch: Some(batch),
        producer: Some(claim),
        ..Append::default()
    };
    let written = match Namespace::of(path.as_str()) {
        // What is queued for a session is work, so its first event makes it active.
        Namespace::Sessions => session::append(app, &path, write, true).await,
        Namespace::Agents | Namespace::Plain => subscriptions::append(app, &path, write).await,
    };
    match written {
        Ok(_) => Outcome::Delivered,
        // The same as a store that says so before it is asked, and costs no attempt either. It ends when there is room;
        // a stream that is full for good is refused below.
        Err(AppendError::StorageFull) => Outcome::Hindered,
        Err(error @ AppendError::Overloaded) => Outcome::Failed { message: error.to_string(), known: true },
        Err(AppendError::Unavailable(message)) => Outcome::Failed { message, known: false },
        Err(error) => {
            let message = error.to_string();
            let code = error.answer(Namespace::of(path.as_str())).code();
            Outcome::Refused(Reason { code: code.as_str().to_owned(), message })
        }
    }
}

/// Keeps a dead letter; `false` when there is no room for it, or the spool's store does not work.
async fn bury(app: &App, opened: &Opened, place: u64, letter: &DeadLetter) -> bool {
    if app.spool.state().dead_letters_full() {
        tracing::error!(
            error_id = "dead-letters-full",
            "an append cannot be delivered, and there is no room for more dead letters"
        );
        return false;
    }
    match letters::write(&*opened.store, place, letter).await {
        Ok(is_new) => {
            if is_new {
                app.spool.state().dead_letters += 1;
                app.metrics.dead_letters.inc();
            }
            tracing::error!(
                error_id = "append-dead-lettered",
                dead_letter = id_text(place),
                path = letter.entry.path,
                code = letter.reason.code,
                attempts = letter.attempts,
                "a queued append was given up and is kept as a dead letter"
            );
            true
        }
        Err(message) => {
            tracing::error!(
                error_id = "dead-letter-unwritten",
                message,
                "a dead letter cannot be written now"
            );
            false
        }
    }
}

impl Opened {
    async fn read(&self, place: u64) -> Result<Entry, String> {
        let page =
            self.store.read(&self.queue, Offset::new(place), 1).await.map_err(|error| error.to_string())?;
        let message = page.rows.first().and_then(|row| Batch::messages(row).next());
        let message = message.ok_or("the queue ends before it")?;
        Entry::decode(&message).map_err(|error| error.to_string())
    }

    /// Who writes an entry. A place is a new epoch of one producer per stream, whose first sequence is the entry: so
    /// entries that became dead letters leave no gap.
    fn claim(
        &self,
        append: &QueuedAppend,
        origin: Option<u64>,
        place: u64,
    ) -> Result<ProducerClaim, Unreadable> {
        if let Some(claim) = &append.producer {
            return Ok(claim.clone());
        }
        let (id, epoch) = match origin {
            // Queued twice, when the process ended before the dead letter was deleted: the same producer both times.
            Some(origin) => (format!("{}-dead-{}", self.producer_prefix, id_text(origin)), 0),
            None => (self.producer_prefix.clone(), place),
        };
        Ok(ProducerClaim {
            id: id.parse().map_err(|_| Unreadable("producer"))?,
            epoch: ProducerEpoch::new(epoch).map_err(|_| Unreadable("place"))?,
            seq: ProducerSeq::ZERO,
        })
    }
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
            Ok(_) => self.state().trimmed_to = to,
            // It is only space: what is there still is delivered again after a restart, and recognised.
            Err(error) => tracing::debug!(%error, "the queue is not trimmed now"),
        }
    }
}
