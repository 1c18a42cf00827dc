//! Everything that changes a session goes through here: its row and its stream change in one append. Must not know
//! routes.

use std::sync::Arc;
use std::time::Duration;

use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{
    Append, AppendError, Appended, AttributesChange, Batch, CreateError, CreateStream, Created, DeleteError,
    ReadError, StreamHead,
};
use tokio::time::Instant;

use super::{InvalidTransition, SessionRow};
use crate::app::App;
use crate::{append_retry, subscriptions};

/// How often a change begins anew because the row changed in between. Each time somebody else got through.
const ATTEMPTS: usize = 64;
/// How often a list that is full is looked through for sessions that have expired.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Sessions looked at before others have a turn.
const SWEEP_STEP_LEN: usize = 256;
/// What becomes of a task that does not end by itself: the runtime is going down.
const STOPPED: &str = "the server stops";

/// What a session is made to be.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) row: SessionRow,
    pub(crate) events: Option<Batch>,
    /// Close the stream as well.
    pub(crate) close: bool,
}

/// A session as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) row: SessionRow,
    pub(crate) head: StreamHead,
}

/// Why a session did not change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
}

/// What is known of a session.
pub(crate) async fn find(app: &App, path: &StreamPath) -> Result<Found, ReadError> {
    let head = app.store.head(path).await?;
    Ok(Found { row: SessionRow::of_head(&head), head })
}

/// Creates a session's stream with its row, or confirms that it exists.
pub(crate) async fn create(
    app: &Arc<App>,
    path: &StreamPath,
    create: CreateStream,
    row: &SessionRow,
) -> Result<Created, CreateError> {
    if app.sessions.is_full() && app.sessions.get(path).is_none() {
        forget_expired(app).await;
        if app.sessions.is_full() {
            return Err(CreateError::Full("there are as many sessions as there may be"));
        }
    }
    let mut row = row.clone();
    if create.closed {
        row.close(now_ms(app));
    } else if create.initial.is_some() {
        row.status = row.status.when_written();
    }
    let create = CreateStream { attributes: Some(row.encode()), ..create };
    let (app, path) = (app.clone(), path.clone());
    to_the_end(async move {
        let created = subscriptions::create(&app, &path, create).await?;
        app.sessions.put(&path, &created.head);
        Ok(created)
    })
    .await
    .unwrap_or_else(|| Err(CreateError::Unavailable(STOPPED.into())))
}

/// An append to a session's stream. `is_work` when it says more than who comes and goes: the first one makes the session
/// active, in the same step. Closing closes the session.
pub(crate) async fn append(
    app: &Arc<App>,
    path: &StreamPath,
    append: Append,
    is_work: bool,
) -> Result<Appended, AppendError> {
    let changes_row = append.close
        || app.sessions.get(path).is_none_or(|entry| {
            is_work && append.batch.is_some() && entry.row.status.when_written() != entry.row.status
        });
    if !changes_row {
        return append_retry::append(app, path, append).await;
    }
    let closing = append.close;
    let has_work = is_work && append.batch.is_some();
    let changed = with_row(app, path, append, move |found, now_ms| {
        let mut row = found.row.clone();
        if has_work {
            row.status = row.status.when_written();
        }
        if closing {
            row.close(now_ms);
        }
        Ok(Some(row))
    });
    changed.await.map_err(as_append_error)
}

/// A producer's batch of which nothing is stored: that it came is remembered with the row, so that the next one fits.
pub(crate) async fn note_progress(
    app: &Arc<App>,
    path: &StreamPath,
    append: Append,
) -> Result<Appended, AppendError> {
    let (app, path) = (app.clone(), path.clone());
    let noted = to_the_end(async move {
        for _ in 0..ATTEMPTS {
            let found = find(&app, &path).await.map_err(as_append_error)?;
            let version = found.head.attributes_version;
            let attributes = AttributesChange { expected_version: version, value: found.row.encode() };
            let append = Append { attributes: Some(attributes), ..append.clone() };
            match append_retry::append(&app, &path, append).await {
                Err(AppendError::AttributesConflict { .. }) => {}
                noted => return noted,
            }
        }
        Err(AppendError::Overloaded)
    });
    noted.await.unwrap_or_else(|| Err(AppendError::Unavailable(STOPPED.into())))
}

/// What an append of nothing would answer: where the tail is, unless the session is closed.
pub(crate) async fn look(app: &App, path: &StreamPath) -> Result<Appended, AppendError> {
    let head = app.store.head(path).await.map_err(as_append_error)?;
    if head.closed {
        return Err(AppendError::Closed { next_offset: head.next_offset });
    }
    Ok(Appended { next_offset: head.next_offset, closed: false, duplicate: false, producer: None })
}

/// What an append answers when this came in its way.
pub(crate) fn as_append_error(error: impl Into<ChangeError>) -> AppendError {
    match error.into() {
        ChangeError::Append(error) => error,
        ChangeError::Read(ReadError::Gone) => AppendError::Gone,
        ChangeError::Read(ReadError::Unavailable(why)) => AppendError::Unavailable(why),
        ChangeError::Read(error @ ReadError::Damaged { .. }) => AppendError::Unavailable(error.to_string()),
        ChangeError::Read(_) | ChangeError::Transition(_) => AppendError::NotFound,
    }
}

/// Changes the row, and what the step says with it. `plan` may run more than once; `None` leaves all as it is.
pub(crate) async fn change(
    app: &Arc<App>,
    path: &StreamPath,
    mut plan: impl FnMut(&Found, i64) -> Result<Option<Step>, InvalidTransition> + Send + 'static,
) -> Result<Found, ChangeError> {
    let (task_app, task_path) = (app.clone(), path.clone());
    let changed = to_the_end(async move {
        let (app, path) = (task_app, task_path);
        for _ in 0..ATTEMPTS {
            let found = find(&app, &path).await?;
            let Some(step) = plan(&found, now_ms(&app))? else { return Ok(()) };
            let append = Append {
                content_type: step.events.is_some().then(ContentType::json),
                batch: step.events,
                close: step.close && !found.head.closed,
                ..Append::default()
            };
            if let Some(written) = write(&app, &path, &found, append, &step.row).await {
                return written.map(drop).map_err(ChangeError::from);
            }
        }
        Err(ChangeError::Append(AppendError::Overloaded))
    });
    changed.await.unwrap_or_else(|| Err(AppendError::Unavailable(STOPPED.into()).into()))?;
    Ok(find(app, path).await?)
}

async fn with_row(
    app: &Arc<App>,
    path: &StreamPath,
    append: Append,
    plan: impl Fn(&Found, i64) -> Result<Option<SessionRow>, InvalidTransition> + Send + 'static,
) -> Result<Appended, ChangeError> {
    let (app, path) = (app.clone(), path.clone());
    let changed = to_the_end(async move {
        for _ in 0..ATTEMPTS {
            let found = find(&app, &path).await?;
            let row = plan(&found, now_ms(&app))?.unwrap_or_else(|| found.row.clone());
            if let Some(written) = write(&app, &path, &found, append.clone(), &row).await {
                return Ok(written?);
            }
        }
        Err(ChangeError::Append(AppendError::Overloaded))
    });
    changed.await.unwrap_or_else(|| Err(AppendError::Unavailable(STOPPED.into()).into()))
}

/// One attempt; `None` when the row has changed since it was found.
async fn write(
    app: &App,
    path: &StreamPath,
    found: &Found,
    mut append: Append,
    row: &SessionRow,
) -> Option<Result<Appended, AppendError>> {
    // A stream from before there were rows gets its row with its next change.
    if *row != found.row || found.head.attributes_version == 0 {
        append.attributes =
            Some(AttributesChange { expected_version: found.head.attributes_version, value: row.encode() });
    }
    // A close of what is closed, or nothing at all, is for the store to answer.
    if found.head.closed && append.close {
        append.attributes = None;
    }
    let changes = append.attributes.is_some();
    let written = append_retry::append(app, path, append).await;
    if changes && let Ok(head) = app.store.head(path).await {
        app.sessions.put(path, &head);
    }
    match written {
        Err(AppendError::AttributesConflict { .. }) => None,
        written => Some(written),
    }
}

/// Deletes a session with its stream and all that is known of it.
pub(crate) async fn delete(app: &Arc<App>, path: &StreamPath) -> Result<(), DeleteError> {
    let (app, path) = (app.clone(), path.clone());
    to_the_end(async move {
        let stream_id = app.store.head(&path).await.map_or(0, |head| head.stream_id);
        subscriptions::delete(&app, &path).await?;
        app.sessions.remove(&path, stream_id);
        app.presence.forget(&path);
        app.event_ids.forget(&path);
        Ok(())
    })
    .await
    .unwrap_or_else(|| Err(DeleteError::Unavailable(STOPPED.into())))
}

/// Drops sessions from the list whose streams are gone, unless that is being done, or was a moment ago: it looks at all
/// of them, and whoever creates sessions while there is no room does so often.
async fn forget_expired(app: &Arc<App>) {
    let app = app.clone();
    to_the_end(async move {
        let Ok(mut sweep_at) = app.sessions.sweep_at.try_lock() else { return };
        if sweep_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        for (n, entry) in app.sessions.all().iter().enumerate() {
            if let Err(ReadError::NotFound | ReadError::Gone) = app.store.head(&entry.path).await {
                app.sessions.remove(&entry.path, entry.stream_id);
            }
            if n % SWEEP_STEP_LEN == SWEEP_STEP_LEN - 1 {
                tokio::task::yield_now().await;
            }
        }
        *sweep_at = Some(Instant::now() + SWEEP_INTERVAL);
    })
    .await;
}

fn now_ms(app: &App) -> i64 {
    app.config.store_options.clock.now_ms()
}

/// A client that goes away takes the future of its request with it; the list would then not hear of the change.
pub(crate) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    tokio::spawn(change).await.ok()
}

#[cfg(test)]
mod tests {
    use durable_sessions_storage::Lifetime;

    use super::*;
    use crate::testing::{broken_app, json_stream};

    #[tokio::test(start_paused = true)]
    async fn a_full_list_is_not_looked_through_for_every_creation() {
        let (app, faults, _) = broken_app(|config| config.limits.sessions_max = 2).await;
        let app = Arc::new(app);
        let new = async |name: &str, lifetime: Lifetime| {
            let path: StreamPath = format!("sessions/{name}").parse().unwrap();
            let stream = CreateStream { lifetime, ..json_stream() };
            create(&app, &path, stream, &SessionRow::new(None)).await.is_ok()
        };
        assert!(new("a", Lifetime::Unlimited).await && new("b", Lifetime::ExpiresAtMs(0)).await);
        assert!(new("c", Lifetime::Unlimited).await, "the expired one makes room");
        let looked = faults.heads();
        for _ in 0..20 {
            assert!(!new("d", Lifetime::Unlimited).await);
        }
        assert_eq!(faults.heads(), looked);
        tokio::time::advance(SWEEP_INTERVAL).await;
        assert!(!new("d", Lifetime::Unlimited).await);
        assert_eq!(faults.heads(), looked + 2);
    }
}
