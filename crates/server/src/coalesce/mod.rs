//! Coalescing: chunks of a session that come within a short window are stored as one message. Must not know HTTP.
//!
//! ```text
//!   publish ──> window of the session ──(its time is over, it is full, something else came, shutdown)──> one append
//!      ^                                                                                                     │
//!      └───────────────────────────── answered when it is durable ───────────────────────────────────────────┘
//! ```
//!
//! - Nothing is answered before it is durable: what a window holds when the process ends was never acknowledged.
//! - A window belongs to one task, which writes one group after the other, so the order in which events come is the order in
//!   which they are stored. An event that is no chunk goes into the window like all others, and ends it at once. Whatever is
//!   appended past the windows (by the protocol, from the queue, a closure) flushes the window first.
//! - Ids of joined events are kept in the joined one (`join`), and stay claimed until it is durable.
//!
//! | bound | outcome |
//! |---|---|
//! | `WINDOW_BYTES_MAX`, `WINDOW_EVENTS_MAX` of one window | it is written at once; what came meanwhile is written after it, as much at a time |
//! | `Limits::coalesce_bytes_max` over all windows | refused as overloaded, 503 |

mod join;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_sessions_protocol::{ContentType, Offset, StreamPath};
use durable_sessions_storage::{Append, AppendError, Batch};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::app::{App, until_draining};
use crate::byte_budget::{ByteBudget, Share};
use crate::session::{self, Sifted};

pub(crate) use join::joined_ids;
use join::{Form, Joined, Joiner};

/// A window with more is written at once.
const WINDOW_BYTES_MAX: usize = 64 << 10;
/// The same in events.
const WINDOW_EVENTS_MAX: usize = 1_024;

/// The windows of all sessions that have one open.
pub(crate) struct Coalescer {
    windows: Mutex<HashMap<StreamPath, Window>>,
    held: Arc<ByteBudget>,
}

/// What is there as long as the task of a session runs.
struct Window {
    waiting: Vec<Waiting>,
    bytes: usize,
    events: usize,
    /// When it is written, unless that is now.
    due: Instant,
    is_due: bool,
    changed: Arc<Notify>,
}

/// One publication in a window; without events, somebody who waits for all before.
struct Waiting {
    events: Option<Events>,
    told: oneshot::Sender<Result<Offset, AppendError>>,
}

/// Events that are new.
pub(crate) struct Events {
    pub(crate) batch: Batch,
    /// Ids that count, event by event.
    pub(crate) ids: Vec<Option<String>>,
    pub(crate) is_work: bool,
    /// Of the session that they are for. Another one may have its name when they are written.
    pub(crate) stream_id: u64,
    /// Keeps the ids claimed until it is known whether they are written.
    pub(crate) _claimed: Sifted,
}

/// How long chunks of a session wait for others; `None` when they are stored one by one.
pub(crate) fn window_of(app: &App, path: &StreamPath) -> Option<Duration> {
    let own = app.sessions.get(path).and_then(|entry| entry.row.coalesce_ms);
    let window = own.map_or(app.config.coalesce_window, |ms| Duration::from_millis(ms.into()));
    (!window.is_zero()).then_some(window)
}

impl Coalescer {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { windows: Mutex::default(), held: ByteBudget::new(bytes_max) }
    }

    // Nothing that runs under the lock can panic half way through a change.
    fn windows(&self) -> MutexGuard<'_, HashMap<StreamPath, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }
}

/// Stores events with those that come within the window; the cursor behind the last of them, once they are durable.
pub(crate) async fn write(
    app: &Arc<App>,
    path: &StreamPath,
    window: Duration,
    events: Events,
) -> Result<Offset, AppendError> {
    let bytes = events.batch.body().len();
    let mut share = app.coalescer.held.share();
    if !share.set(bytes) {
        return Err(AppendError::Overloaded);
    }
    let is_last = events.batch.messages().any(|event| Form::of(&event).is_none());
    let (tell, told) = oneshot::channel();
    put(app, path, window, Waiting { events: Some(events), told: tell }, is_last);
    let written = told.await.unwrap_or_else(|_| Err(AppendError::Unavailable("writing it panicked".into())));
    drop::<Share>(share);
    written
}

/// Writes what a session's window holds, if it has one, before this returns. Whoever waits for it hears how that went.
pub(crate) async fn flush(app: &Arc<App>, path: &StreamPath) {
    if !app.coalescer.windows().contains_key(path) {
        return;
    }
    let (tell, told) = oneshot::channel();
    put(app, path, Duration::ZERO, Waiting { events: None, told: tell }, true);
    let _ = told.await;
}

/// Joins the events of one batch with each other at once, for what does not wait in a window; `None` if it does not fit.
pub(crate) fn join_batch(window: Duration, batch: &Batch, ids: &[Option<String>]) -> Option<Joined> {
    let mut joiner = Joiner::new(in_ms(window));
    let mut ids = ids.iter();
    for event in batch.messages() {
        joiner.push(&event, ids.next().and_then(Option::as_deref));
    }
    joiner.finish()
}

fn in_ms(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX)
}

fn put(app: &Arc<App>, path: &StreamPath, length: Duration, waiting: Waiting, is_last: bool) {
    let mut windows = app.coalescer.windows();
    let is_new = !windows.contains_key(path);
    let window = windows.entry(path.clone()).or_insert_with(|| Window {
        waiting: Vec::new(),
        bytes: 0,
        events: 0,
        due: Instant::now(),
        is_due: false,
        changed: Arc::default(),
    });
    if window.waiting.is_empty() {
        window.due = Instant::now() + length;
    }
    let (bytes, events) = waiting.size();
    window.bytes += bytes;
    window.events += events;
    window.waiting.push(waiting);
    window.is_due |= is_last || window.bytes >= WINDOW_BYTES_MAX || window.events >= WINDOW_EVENTS_MAX;
    if window.is_due {
        window.changed.notify_one();
    }
    if is_new {
        let changed = window.changed.clone();
        drop(windows);
        tokio::spawn(keep(app.clone(), path.clone(), changed));
    }
}

impl Waiting {
    /// Bytes and events.
    fn size(&self) -> (usize, usize) {
        self.events.as_ref().map_or((0, 0), |events| (events.batch.body().len(), events.batch.ends().len()))
    }
}

impl Window {
    /// As much from the front as is written at a time, and at least one; the rest is due.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut count, mut taken) = (0, (0, 0));
        for waiting in &self.waiting {
            let (bytes, events) = waiting.size();
            let with = (taken.0 + bytes, taken.1 + events);
            if count > 0 && (with.0 > WINDOW_BYTES_MAX || with.1 > WINDOW_EVENTS_MAX) {
                break;
            }
            (count, taken) = (count + 1, with);
        }
        self.bytes -= taken.0;
        self.events -= taken.1;
        self.is_due = count < self.waiting.len();
        self.waiting.drain(..count).collect()
    }
}

/// Takes the window of a session away when its task ends, however that comes.
struct Kept {
    app: Arc<App>,
    path: StreamPath,
    is_over: bool,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_over {
            self.app.coalescer.windows().remove(&self.path);
        }
    }
}

/// The task of a session: writes its window whenever that is due, until it is empty.
async fn keep(app: Arc<App>, path: StreamPath, changed: Arc<Notify>) {
    let mut kept = Kept { app: app.clone(), path: path.clone(), is_over: false };
    let mut draining = app.draining.clone();
    loop {
        let waiting = loop {
            let due = {
                let mut windows = app.coalescer.windows();
                let Some(window) = windows.get_mut(&path) else { return };
                if window.is_due || window.due <= Instant::now() || app.is_draining() {
                    break window.take();
                }
                window.due
            };
            tokio::select! {
                () = sleep_until(due) => {}
                () = changed.notified() => {}
                () = until_draining(&mut draining) => {}
            }
        };
        write_group(&app, &path, waiting).await;
        let mut windows = app.coalescer.windows();
        if windows.get(&path).is_none_or(|window| window.waiting.is_empty()) {
            windows.remove(&path);
            kept.is_over = true;
            return;
        }
    }
}

async fn write_group(app: &Arc<App>, path: &StreamPath, waiting: Vec<Waiting>) {
    let now = app.store.head(path).await.map(|head| head.stream_id);
    let (waiting, gone): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|waiting| {
        waiting.events.as_ref().is_none_or(|events| now.as_ref().is_ok_and(|now| *now == events.stream_id))
    });
    for waiting in gone {
        let error = now.clone().err().map_or(AppendError::NotFound, session::as_append_error);
        let _ = waiting.told.send(Err(error));
    }
    let window = window_of(app, path).unwrap_or_default();
    let mut joiner = Joiner::new(in_ms(window));
    let mut ends = Vec::with_capacity(waiting.len());
    let mut is_work = false;
    for events in waiting.iter().map(|waiting| &waiting.events) {
        let mut end = 0;
        if let Some(events) = events {
            is_work |= events.is_work;
            for (event, id) in events.batch.messages().zip(&events.ids) {
                end = joiner.push(&event, id.as_deref());
            }
        }
        ends.push(end);
    }
    let start = match joiner.finish() {
        None if ends.iter().all(|end| *end == 0) => Ok(Offset::ZERO),
        None => Err(AppendError::Unavailable("a window held more than fits into one append".into())),
        Some(joined) => append(app, path, joined, is_work).await,
    };
    for (waiting, end) in waiting.into_iter().zip(ends) {
        let written = start.clone().map(|start| Offset::new(start.position() + end));
        // Who asked may have gone.
        let _ = waiting.told.send(written);
    }
}

/// Where the messages begin.
async fn append(
    app: &Arc<App>,
    path: &StreamPath,
    joined: Joined,
    is_work: bool,
) -> Result<Offset, AppendError> {
    let Joined { batch, chunks, messages, bytes_saved } = joined;
    let length = batch.units();
    let append = Append { content_type: Some(ContentType::json()), batch: Some(batch), ..Append::default() };
    let appended = session::append(app, path, append, is_work).await?;
    app.metrics.coalesced(chunks, messages, bytes_saved);
    Ok(Offset::new(appended.next_offset.position().saturating_sub(length)))
}

#[cfg(test)]
mod tests;
