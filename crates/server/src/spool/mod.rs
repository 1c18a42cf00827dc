//! Queued appends: taken at once, durable in a queue of their own, and brought to their streams in the background; what
//! cannot be brought there is kept as a dead letter. Must not know HTTP, nor what events are.
//!
//! ```text
//!   accept --> reserve room --> queue (a stream of a store of its own, synced) --> "202, not yet in its stream"
//!                                 |
//!                                 v   one lane per stream, in order; the first of a lane is tried until
//!                               deliver --> the stream           it is there, or
//!                                       --> dead letter          refused for good, or failed `queued_attempts_max` times
//! ```
//!
//! The store of its own lies beside the streams' (`spool/` in the data directory), is opened when it is first needed,
//! and takes appends while that of the streams does not. In memory it is gone with the process, as the streams are.
//!
//! Each entry is written to its stream under a claim that only this entry has: the process that took it, and its place. So
//! an entry that was delivered, and is delivered again after a crash or from a backup, is recognised by the stream. An
//! entry that came with a claim of a producer keeps it.
//!
//! | bound | outcome |
//! |---|---|
//! | `queued_appends_max`, `queued_bytes_max` | refused, 503 with `Retry-After` |
//! | twice as many between the first that is not delivered and the last | the same: the queue is given back from its front |
//! | `queued_attempts_max` | becomes a dead letter |
//! | the disk, under the streams | the lane stands still until there is room |
//! | the disk, under the queue | refused, 507 with `Retry-After` |
//! | `dead_letters_max` | the lane stands still until there is room, and readiness says so |

mod aside;
mod attempt;
mod bury;
mod dead_letter;
mod deliver;
mod entry;
mod group;
mod lanes;
mod letters;
mod opened;
mod queued_ids;
mod state;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};
use durable_sessions_storage::backup::{BackupError, Export, INNER_DIR};
use durable_sessions_storage::{
    Append, AppendError, Batch, Clock, CreateError, CreateStream, DegradedCause, OpenError, ReadError,
    StoreHealth, StoreOptions, StreamHead,
};
use futures::FutureExt as _;
use tokio::sync::{Notify, OnceCell, oneshot};

pub(crate) use dead_letter::{id_text, parse_id};
pub(crate) use deliver::deliver;
pub(crate) use entry::QueuedAppend;
use entry::{Entry, Unreadable};
pub(crate) use letters::LetterError;
use opened::Opened;
use state::State;

use crate::config::{ServerConfig, StoreConfig};

/// The stream with the queue, in the spool's own store.
const QUEUE: &str = "queue";
/// Dead letters are streams of their own below this.
const DEAD: &str = "dead/";
/// What the ids of producers begin with that write what was queued.
const PRODUCER: &str = "durable-sessions-spool-";
/// Read at a time when the queue is looked through at opening.
const LOAD_BYTES: usize = 1 << 20;

pub(crate) struct Spool {
    place: StoreConfig,
    options: StoreOptions,
    opened: OnceCell<Opened>,
    /// Part of the producers of what is taken by this process. Places alone do not say which entry it is: a queue that
    /// comes from a backup gives those anew that it gave after the backup was taken, and the streams of the backup may
    /// know the first ones. Of chance, so that nobody else can be this producer first.
    generation: String,
    state: Mutex<State>,
    /// Something was added, or may be tried.
    changed: Notify,
    /// Held while a dead letter is deleted, so that it is counted once.
    letters_changing: tokio::sync::Mutex<()>,
}

/// How much is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) dead_letters: u64,
}

/// Why nothing was queued.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AcceptError {
    /// There is no room.
    #[error("too many appends are queued")]
    Full,
    /// The disk, or the memory, has no room for it.
    #[error("there is no storage left for queued appends")]
    StorageFull,
    /// The payload cannot be kept.
    #[error(transparent)]
    Unfit(#[from] Unreadable),
    /// The spool's own store does not work.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
}

/// Why the spool did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is no storage left for queued appends")]
    StorageFull,
    #[error("cannot read the queued appends: {0}")]
    Read(String),
}

impl Spool {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let limits = &config.limits;
        let options = StoreOptions {
            queue_len_max: 1_024,
            queue_bytes_max: 16 << 20,
            // Entries are read once, one by one.
            tail_window_bytes: 0,
            producers_cached_max: 1,
            engine_reads_max: 4,
            // Twice, for what is being given back.
            memory_bytes_max: 2 * limits.queued_bytes_max as u64 + (16 << 20),
            log_segment_bytes: 4 << 20,
            block_cache_bytes: 1 << 20,
            ..config.store_options.clone()
        };
        Self {
            place: config.store.beside(INNER_DIR),
            options,
            opened: OnceCell::new(),
            generation: generation(),
            state: Mutex::new(State::new(limits)),
            changed: Notify::new(),
            letters_changing: tokio::sync::Mutex::new(()),
        }
    }

    /// Opens what an earlier run left.
    pub(crate) async fn open_if_used(&self) -> Result<(), SpoolError> {
        match &self.place {
            StoreConfig::Embedded { dir } if dir.exists() => match self.opened().await {
                // There is no queue yet, so nothing was ever in it; the first append that is queued tries again.
                Err(SpoolError::StorageFull) => Ok(()),
                opened => opened.map(drop),
            },
            StoreConfig::Embedded { .. } | StoreConfig::Memory => Ok(()),
        }
    }

    // Nothing that runs under the lock can panic half way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn opened(&self) -> Result<&Opened, SpoolError> {
        self.opened.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Opened, SpoolError> {
        let (place, options) = (self.place.clone(), self.options.clone());
        let store = tokio::task::spawn_blocking(move || place.open(options))
            .await
            .map_err(|_| SpoolError::Read("opening it panicked".into()))??;
        let failed = |error: &dyn std::fmt::Display| SpoolError::Read(error.to_string());
        let queue: StreamPath = QUEUE.parse().map_err(|error| failed(&error))?;
        let created = store.create(&queue, json_stream(None)).await.map_err(|error| match error {
            CreateError::StorageFull => SpoolError::StorageFull,
            error => failed(&error),
        })?;
        let opened =
            Opened { producer_prefix: format!("{PRODUCER}{}", created.head.created_at_ms), store, queue };
        self.load(&opened, &created.head).await.map_err(|error| failed(&error))?;
        Ok(opened)
    }

    /// Finds what has not reached its stream, and what is dead.
    async fn load(&self, opened: &Opened, queue: &StreamHead) -> Result<(), ReadError> {
        let mut dead = std::collections::HashSet::new();
        letters::for_each(&*opened.store, |id, is_emptied| {
            dead.insert(id);
            let mut state = self.state();
            if is_emptied {
                state.emptied.insert(id);
            } else {
                state.dead_letters += 1;
            }
        })
        .await?;
        self.look_aside(opened).await?;
        self.state().trimmed_to = queue.first_offset.position();
        let mut at = queue.first_offset;
        loop {
            let page = match opened.store.read(&opened.queue, at, LOAD_BYTES).await {
                Err(error @ ReadError::Damaged { at: damaged }) if damaged < queue.next_offset => {
                    self.skip(opened, damaged.position(), None, &error.to_string()).await;
                    at = Offset::new(damaged.position() + 1);
                    continue;
                }
                page => page?,
            };
            if page.rows.is_empty() {
                self.state().loaded_to = at.position();
                return Ok(());
            }
            for (place, message) in (at.position()..).zip(page.rows.iter().flat_map(Batch::messages)) {
                // Given up and not taken from the queue, when the process ended between the two.
                if dead.contains(&place) {
                    continue;
                }
                match Entry::decode(&message).and_then(|entry| Ok((entry.path()?, entry))) {
                    Ok((path, entry)) => self.state().add(&path, place, message.len() as u64, &entry, None),
                    Err(error) => self.skip(opened, place, Some(message), &error.to_string()).await,
                }
            }
            at = page.next;
        }
    }

    /// Goes on without an entry, which is kept aside; where that cannot be, it stays in the queue.
    async fn skip(&self, opened: &Opened, place: u64, found: Option<Bytes>, error: &str) {
        let bytes = found.as_ref().map_or(0, |found| found.len() as u64);
        if !self.set_aside(opened, place, found, error).await {
            self.state().hold(place, bytes);
        }
    }

    /// Queues an append: it is durable when this answers, and comes to its stream later. Gives its place.
    ///
    /// What it is for the stream, whether that exists and is open, and whether its events are valid, is the caller's
    /// to check before: what the stream refuses later becomes a dead letter.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub(crate) async fn accept(self: &Arc<Self>, append: &QueuedAppend) -> Result<u64, AcceptError> {
        let mut entry = Entry::new(append, self.now_ms())?;
        entry.generation = Some(self.generation.clone());
        self.put(append.path.clone(), entry, append.linger).await
    }

    async fn put(
        self: &Arc<Self>,
        path: StreamPath,
        entry: Entry,
        linger: Duration,
    ) -> Result<u64, AcceptError> {
        let bytes = entry.encode()?;
        let len = bytes.len() as u64;
        let batch = Batch::message(bytes).map_err(|_| Unreadable("too long"))?;
        let reservation = self.state().reserve(len).ok_or(AcceptError::Full)?;
        let spool = Arc::clone(self);
        // A caller that goes away does not leave an entry behind that nobody knows of.
        let written = tokio::spawn(async move {
            // Whatever happens, the reservation ends: it holds up what comes after it.
            let written = AssertUnwindSafe(spool.write(batch)).catch_unwind().await;
            let written =
                written.unwrap_or_else(|_| Err(AcceptError::Unavailable("writing it panicked".into())));
            let mut state = spool.state();
            state.release(reservation);
            if let Ok(place) = written {
                let due = (!linger.is_zero()).then(|| deliver::now() + linger);
                state.add(&path, place, len, &entry, due);
            }
            drop(state);
            spool.changed.notify_one();
            written
        });
        written.await.unwrap_or_else(|_| Err(AcceptError::Unavailable("keeping it panicked".into())))
    }

    async fn write(&self, batch: Batch) -> Result<u64, AcceptError> {
        let opened = self.opened().await.map_err(|error| match error {
            SpoolError::StorageFull => AcceptError::StorageFull,
            error => AcceptError::Unavailable(error.to_string()),
        })?;
        let append = Append { batch: Some(batch), ..Append::default() };
        match opened.store.append(&opened.queue, append).await {
            Ok(appended) => Ok(appended.next_offset.position().saturating_sub(1)),
            Err(AppendError::Overloaded) => Err(AcceptError::Full),
            Err(AppendError::StorageFull) => Err(AcceptError::StorageFull),
            Err(error) => Err(AcceptError::Unavailable(error.to_string())),
        }
    }

    /// Where an event waits that was queued for a stream, by its id.
    pub(crate) fn place_of(&self, stream_id: u64, event_id: &str) -> Option<u64> {
        self.state().ids.place(stream_id, event_id)
    }

    /// Whether something is queued for a stream.
    pub(crate) fn holds(&self, path: &StreamPath) -> bool {
        self.state().lanes.reach(path).is_some()
    }

    /// Is told when everything that is queued for a stream now has reached it, or was given up; `None` when nothing is
    /// queued. How many wait is the caller's to bound.
    pub(crate) fn wait(&self, path: &StreamPath) -> Option<oneshot::Receiver<()>> {
        self.state().wait(path)
    }

    pub(crate) fn depth(&self) -> Depth {
        let state = self.state();
        Depth { entries: state.lanes.len(), bytes: state.lanes.bytes(), dead_letters: state.dead_letters }
    }

    /// What keeps it from doing all it is for, in the words of readiness.
    pub(crate) fn complaints(&self) -> Vec<&'static str> {
        let state = self.state();
        let mut complaints = Vec::new();
        match self.opened.get().map(|opened| opened.store.health()) {
            None | Some(StoreHealth::Ready(_)) => {}
            Some(StoreHealth::Degraded { cause: DegradedCause::StorageFull, .. }) => {
                complaints.push("queue-storage-full");
            }
            Some(StoreHealth::Degraded { .. } | StoreHealth::Down(_)) => complaints.push("queue-unavailable"),
        }
        if state.is_full() {
            complaints.push("queued-appends-full");
        }
        if state.dead_letters_full() {
            complaints.push("dead-letters-full");
        }
        if state.unreadable {
            complaints.push("queued-append-unreadable");
        }
        complaints
    }

    /// A copy of the queue and the dead letters, if there are any.
    pub(crate) async fn export(&self) -> Result<Option<Export>, BackupError> {
        match self.opened.get() {
            Some(opened) => opened.store.export(None).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes what is queued durable, and lets go of the files.
    pub(crate) async fn shutdown(&self) {
        if let Some(opened) = self.opened.get() {
            opened.store.shutdown().await;
        }
    }

    fn now_ms(&self) -> i64 {
        Clock::now_ms(&*self.options.clock)
    }
}

/// A name that no other process has.
fn generation() -> String {
    let number = match (getrandom::u64(), getrandom::u64()) {
        (Ok(high), Ok(low)) => u128::from(high) << 64 | u128::from(low),
        // Without a source of chance the time is what does not repeat.
        _ => SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()),
    };
    format!("{number:032x}")
}

/// Streams of the spool hold one JSON text per row.
fn json_stream(initial: Option<Batch>) -> CreateStream {
    CreateStream { initial, ..CreateStream::of(ContentType::json()) }
}

impl StoreConfig {
    /// Another store of the same kind, below its directory.
    fn beside(&self, name: &str) -> Self {
        match self {
            Self::Embedded { dir } => Self::Embedded { dir: PathBuf::from(dir).join(name) },
            Self::Memory => Self::Memory,
        }
    }
}
