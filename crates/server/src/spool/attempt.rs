//! One attempt to bring a queued append, or a group of them, to its stream, and what follows from it. Must not know how they came
//! into the queue, nor when one is tried.

use std::sync::Arc;

use durable_sessions_protocol::{ProducerClaim, StreamPath};
use durable_sessions_storage::{Append, AppendError, StoreHealth};

use super::bury;
use super::dead_letter::Reason;
use super::deliver::{OBSTACLE_PAUSE, now};
use super::entry::{QueuedAppend, Unreadable};
use super::group::Group;
use super::lanes::Failures;
use super::opened::{Opened, Unread};
use crate::app::App;
use crate::backoff::Backoff;
use crate::seldom::seldom;
use crate::session::{self, Publication};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;
use crate::{coalesce, subscriptions};

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

/// Frees the lane of an attempt that ended without saying how.
struct Unended<'a> {
    app: &'a App,
    path: &'a StreamPath,
    failures: Option<Failures>,
}

impl Drop for Unended<'_> {
    fn drop(&mut self) {
        if let Some(failures) = self.failures.take() {
            let failures = Failures { uncertain: true, ..failures };
            self.app.spool.state().lanes.postpone(self.path, now() + OBSTACLE_PAUSE, failures);
        }
    }
}

pub(super) async fn attempt(app: Arc<App>, path: StreamPath, place: u64, failures: Failures) {
    let mut unended = Unended { app: &app, path: &path, failures: Some(failures) };
    attempt_to_the_end(&app, &path, place, failures).await;
    unended.failures = None;
}

async fn attempt_to_the_end(app: &Arc<App>, path: &StreamPath, place: u64, failures: Failures) {
    let hindered = || app.spool.state().lanes.postpone(path, now() + OBSTACLE_PAUSE, failures);
    let Some(opened) = app.spool.opened.get() else { return hindered() };
    // Before anything is read: every lane comes by here once a second while the store is away.
    if !matches!(app.store.health(), StoreHealth::Ready(_)) {
        return hindered();
    }
    let group = match Group::gather(app, opened, path, place, failures).await {
        Ok(group) => group,
        Err(Unread::Now(error)) => {
            seldom!(|unsaid| tracing::warn!(
                error_id = "queued-append-unread",
                place,
                error,
                unsaid,
                "a queued append cannot be read now"
            ));
            return hindered();
        }
        Err(Unread::Ever(found, error)) => {
            return match app.spool.set_aside(opened, place, found, &error).await {
                true => app.spool.state().finish(path, place),
                false => hindered(),
            };
        }
    };
    let began_ms = app.spool.now_ms();
    let first_attempt_at_ms = if failures.count == 0 { began_ms } else { failures.first_attempt_at_ms };
    let together = group.entries.len();
    let mut tried = Failures { count: failures.count + 1, first_attempt_at_ms, together, ..failures };
    if failures.count > 0 {
        app.metrics.queued_retries.inc();
    }
    let outcome = try_once(app, opened, &group).await;
    // What an earlier process took, it may have delivered too, and the stream may have been closed since.
    let is_inherited = place < app.spool.state().loaded_to;
    tried.uncertain |= is_inherited || matches!(outcome, Outcome::Failed { known: false, .. });
    let reason = match outcome {
        Outcome::Delivered => {
            app.metrics.queued_delivered.inc_by(together as u64);
            let mut state = app.spool.state();
            for (place, _) in &group.entries {
                state.finish(path, *place);
            }
            return;
        }
        Outcome::Hindered => return hindered(),
        Outcome::Failed { message, .. } if tried.count < app.config.limits.queued_attempts_max => {
            let backoff =
                Backoff { first: app.config.queued_retry_first, longest: app.config.queued_retry_longest };
            let wait = backoff.delay(tried.count, app.jitter.next());
            tracing::debug!(place, attempts = tried.count, message, "a queued append is tried again");
            return app.spool.state().lanes.postpone(path, now() + wait, tried);
        }
        Outcome::Failed { message, .. } => Reason { code: "STREAM_UNAVAILABLE".to_owned(), message },
        // Some of it may fit, or be readable. One that was written with the others after all is recognised.
        Outcome::Refused(_) if together > 1 => {
            return app.spool.state().lanes.take_apart(path, group.last(), failures);
        }
        Outcome::Refused(reason) => reason,
    };
    bury::entries(app, opened, path, group.entries, &reason, tried).await;
}

async fn try_once(app: &Arc<App>, opened: &Opened, group: &Group) -> Outcome {
    let (append, claim) = match group.append().and_then(|append| {
        let (_, first) = group.entries.first().ok_or(Unreadable("empty"))?;
        let claim = opened.claim(&append, first, group.last())?;
        Ok((append, claim))
    }) {
        Ok(readable) => readable,
        Err(error) => {
            return Outcome::Refused(Reason { code: "INTERNAL".to_owned(), message: error.to_string() });
        }
    };
    let is_own_claim = append.producer.is_none();
    let path = append.path.clone();
    match deliver_to(app, append, claim).await {
        Ok(()) => Outcome::Delivered,
        // The next one of this stream was written under a later epoch, and it only began when this one was done. The
        // process ended before this one was taken from the queue.
        Err(AppendError::StaleEpoch { .. }) if is_own_claim => Outcome::Delivered,
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

async fn deliver_to(app: &Arc<App>, append: QueuedAppend, claim: ProducerClaim) -> Result<(), AppendError> {
    let QueuedAppend { path, content_type, batch, mut event_ids, stream_id, is_work, may_join, .. } = append;
    if let Some(stream_id) = stream_id {
        let head = app.store.head(&path).await.map_err(session::as_append_error)?;
        if head.stream_id != stream_id {
            return Err(AppendError::NotFound);
        }
    }
    let namespace = Namespace::of(path.as_str());
    if namespace == Namespace::Sessions && (may_join || !event_ids.is_empty()) {
        event_ids.resize(batch.ends().len(), None);
        let publication = Publication { batch, ids: event_ids, is_work, producer: Some(claim) };
        return session::publish(app, &path, publication).await.map(drop);
    }
    let write = Append {
        content_type: Some(content_type),
        batch: Some(batch),
        producer: Some(claim),
        ..Append::default()
    };
    let written = match namespace {
        // The first event of a session that is work makes it active.
        Namespace::Sessions => {
            coalesce::flush(app, &path).await;
            session::append(app, &path, write, is_work).await
        }
        Namespace::Agents | Namespace::Plain => subscriptions::append(app, &path, write).await,
    };
    written.map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use durable_sessions_protocol::ContentType;
    use durable_sessions_storage::Batch;

    use super::*;
    use crate::testing::{Fault, broken_app, faulty, json_stream};

    fn queued(path: &StreamPath, id: &str) -> QueuedAppend {
        let event = format!(r#"{{"id":"{id}","type":"chunk","timestamp":1,"data":{{"text":""}}}}"#);
        let batch = Batch::message(Bytes::from(event)).unwrap();
        QueuedAppend::new(path.clone(), ContentType::json(), batch)
    }

    async fn alone(app: &App, opened: &Opened, place: u64) -> Group {
        let path = opened.read(place).await.unwrap().path().unwrap();
        Group::gather(app, opened, &path, place, Failures::default()).await.unwrap()
    }

    async fn length(app: &App, path: &StreamPath) -> u64 {
        app.store.head(path).await.unwrap().next_offset.position()
    }

    /// What was delivered and not taken from the queue, when the process ended between the two, is found again.
    #[tokio::test]
    async fn what_was_delivered_before_a_crash_is_neither_repeated_nor_given_up() {
        let (app, _, plain) = broken_app(|_| {}).await;
        let app = Arc::new(app);
        let session: StreamPath = "sessions/a".parse().unwrap();
        app.store.create(&session, json_stream()).await.unwrap();
        let counted = |id: &str| QueuedAppend { event_ids: vec![Some(id.into())], ..queued(&session, id) };
        let appends = [
            queued(&plain, "1"),
            queued(&plain, "2"),
            counted("1"),
            counted("2"),
            queued(&session, "3"),
            counted("2"),
        ];
        for append in &appends {
            app.spool.accept(append).await.unwrap();
        }
        let opened = app.spool.opened.get().unwrap();
        for round in 0..2 {
            for place in 0..appends.len() as u64 {
                let group = alone(&app, opened, place).await;
                let outcome = try_once(&app, opened, &group).await;
                assert!(matches!(outcome, Outcome::Delivered), "{round}: {place}");
            }
        }
        assert_eq!((length(&app, &plain).await, length(&app, &session).await), (2, 3));
    }

    #[tokio::test]
    async fn nothing_is_read_for_a_store_that_is_away() {
        let (mut app, faults, path) = broken_app(|_| {}).await;
        app.spool.accept(&queued(&path, "1")).await.unwrap();
        let opened = Arc::get_mut(&mut app.spool).unwrap().opened.get_mut().unwrap();
        let (counting, counted) = faulty(opened.store.clone());
        opened.store = counting;
        let app = Arc::new(app);
        faults.set(Fault::Unready, 1);
        for (reads, entries) in [(0, 1), (1, 0)] {
            let later = now() + 2 * OBSTACLE_PAUSE;
            let (path, place, failures) = app.spool.state().start(later).unwrap();
            attempt(app.clone(), path, place, failures).await;
            assert_eq!((counted.reads(), app.spool.depth().entries), (reads, entries));
        }
    }

    #[tokio::test]
    async fn an_event_whose_answer_is_lost_is_written_once() {
        let (app, faults, _) = broken_app(|config| config.limits.append_attempts_max = 1).await;
        let app = Arc::new(app);
        let path: StreamPath = "sessions/a".parse().unwrap();
        app.store.create(&path, json_stream()).await.unwrap();
        let append = QueuedAppend { event_ids: vec![Some("1".into())], ..queued(&path, "1") };
        app.spool.accept(&append).await.unwrap();
        let opened = app.spool.opened.get().unwrap();
        let group = alone(&app, opened, 0).await;
        faults.set(Fault::LostAnswer, 1);
        assert!(matches!(try_once(&app, opened, &group).await, Outcome::Failed { known: false, .. }));
        assert!(matches!(try_once(&app, opened, &group).await, Outcome::Delivered));
        assert_eq!(length(&app, &path).await, 1);
    }

    /// What waits in the queue of a coalescing session is written together, again as the same group after a failure, and
    /// found again after a crash, when nobody knows of groups.
    #[tokio::test]
    async fn a_group_is_one_append_and_is_recognised_in_parts() {
        let (app, faults, _) = broken_app(|config| {
            config.limits.append_attempts_max = 1;
            config.coalesce_window = Duration::from_millis(1);
        })
        .await;
        let app = Arc::new(app);
        let path: StreamPath = "sessions/a".parse().unwrap();
        app.store.create(&path, json_stream()).await.unwrap();
        let accept = async |id: &str| {
            // Ids do not count here: it is the claim that recognises them.
            app.spool.accept(&QueuedAppend { may_join: true, ..queued(&path, id) }).await.unwrap();
        };
        for id in ["1", "2", "3"] {
            accept(id).await;
        }
        let opened = app.spool.opened.get().unwrap();
        let (_, place, failures) = app.spool.state().start(now()).unwrap();
        let group = Group::gather(&app, opened, &path, place, failures).await.unwrap();
        assert_eq!((group.entries.len(), group.last()), (3, 2));
        faults.set(Fault::LostAnswer, 1);
        assert!(matches!(try_once(&app, opened, &group).await, Outcome::Failed { known: false, .. }));
        // One more, which came too late for this group.
        accept("4").await;
        let failures = Failures { count: 1, together: 3, ..failures };
        let again = Group::gather(&app, opened, &path, place, failures).await.unwrap();
        assert_eq!(again.entries.len(), 3);
        assert!(matches!(try_once(&app, opened, &again).await, Outcome::Delivered));
        assert_eq!(length(&app, &path).await, 1);
        // As it would be after a restart.
        app.spool.state().loaded_to = 4;
        for (place, expected) in [(0, 1), (1, 1), (2, 1), (3, 2)] {
            let group = alone(&app, opened, place).await;
            assert_eq!(group.entries.len(), 1);
            assert!(matches!(try_once(&app, opened, &group).await, Outcome::Delivered), "{place}");
            assert_eq!(length(&app, &path).await, expected);
        }
    }
}
