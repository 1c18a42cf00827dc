//! [`LocalStore`]: what callers see. Must not know which engine it runs on.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;
use durable_sessions_protocol::{Offset, Retention, StreamPath};
use tokio::sync::{Semaphore, oneshot, watch};

use super::catalog::Catalog;
use super::committer::Committer;
use super::delivery::Delivery;
use super::group::Group;
use super::queue::{Operation, Queue, Refused};
use super::read::{PageBuilder, fill};
use super::retain::{Due, Span};
use super::setback::Setback;
use super::stream::{Reading, Stream};
use super::window::Windows;
use super::{lock, open};
use crate::backup::{BackupError, Export};
use crate::engine::{Engine, EngineError};
use crate::semantics::{AppendLimits, Deletion};
use crate::stats::CommitCounts;
use crate::{
    Append, AppendError, Appended, CreateError, CreateStream, Created, DegradedCause, DeleteError, OpenError,
    Page, ReadError, StoreHealth, StoreOptions, StoreStats, StreamHead, StreamStore, TailWatch, Trim,
    TrimError, Trimmed,
};

/// Streams in this process, on the engine it was opened with: `MemoryStore::open`, `EmbeddedStore::open`.
///
/// Dropping it does what [`StreamStore::shutdown`] does, and waits for it.
pub struct LocalStore {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// What callers and the committer share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) options: StoreOptions,
    pub(super) catalog: Catalog,
    pub(super) queue: Queue,
    /// One of the constants below; the reason is in `reason`.
    state: AtomicU8,
    reason: Mutex<Arc<str>>,
    pub(super) counts: CommitCounts,
    engine_reads: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    ended: watch::Sender<bool>,
}

const READY: u8 = 0;
/// There is no room for appends, which the committer decides for each.
const FULL: u8 = 1;
/// Nothing is written: a commit failed.
const DEGRADED: u8 = 2;
/// The same, and no attempt to go on is made any more.
const GIVEN_UP: u8 = 3;
const DOWN: u8 = 4;

/// What waiting callers are told about a failure.
pub(super) struct Failure {
    pub(super) reason: Arc<str>,
    pub(super) is_full: bool,
}

impl Shared {
    /// Why nothing is written now, after an error of the medium.
    pub(super) fn poisoned(&self) -> Option<Arc<str>> {
        matches!(self.state.load(Ordering::Acquire), DEGRADED | GIVEN_UP).then(|| lock(&self.reason).clone())
    }

    /// Stops writing until the store has recovered.
    pub(super) fn poison(&self, error: &EngineError) -> Failure {
        let is_full = matches!(error, EngineError::Full(_));
        if is_full {
            tracing::warn!(id = "STORE-FULL", %error, "there is no room for a commit");
        } else {
            tracing::error!(id = "STORE-COMMIT-FAILED", %error, "the store takes no appends until it has recovered");
        }
        let reason: Arc<str> = format!("a commit failed: {error}").into();
        self.enter(DEGRADED, &reason);
        Failure { reason, is_full }
    }

    fn enter(&self, state: u8, reason: &Arc<str>) {
        *lock(&self.reason) = Arc::clone(reason);
        self.state.store(state, Ordering::Release);
    }

    /// Everything is as it was before the failure.
    pub(super) fn recovered(&self) {
        self.state.store(READY, Ordering::Release);
    }

    /// No more attempts are made.
    pub(super) fn give_up(&self) {
        self.state.store(GIVEN_UP, Ordering::Release);
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.load(Ordering::Acquire) == FULL
    }

    /// Notes whether there is any room. Says so when that changes; a failure outweighs it.
    pub(super) fn has_room(&self, has_room: bool) {
        match (self.state.load(Ordering::Acquire), has_room) {
            (READY, false) => {
                tracing::error!(id = "STORE-FULL", "appends are refused until there is room again");
                self.enter(FULL, &"there is no room left".into());
            }
            (FULL, true) => {
                tracing::warn!(id = "STORE-HAS-ROOM", "appends are taken again");
                self.state.store(READY, Ordering::Release);
            }
            _ => {}
        }
    }

    /// The committer thread has ended.
    pub(super) fn ended(&self, panicked: bool) {
        let reason = if panicked {
            tracing::error!(
                id = "STORE-COMMITTER-PANICKED",
                "the store takes nothing until it is opened again"
            );
            "the committer has failed"
        } else {
            "the store is shut down"
        };
        self.queue.stop();
        *lock(&self.reason) = reason.into();
        self.state.store(DOWN, Ordering::Release);
        self.queue.abandon();
        self.engine.close();
        self.ended.send_replace(true);
    }

    fn reason(&self) -> String {
        match self.state.load(Ordering::Acquire) {
            READY | FULL => "the store is shutting down".into(),
            _ => lock(&self.reason).to_string(),
        }
    }
}

impl LocalStore {
    /// Finds what the engine holds and starts the committer.
    pub(crate) fn open(engine: Arc<dyn Engine>, options: StoreOptions) -> Result<Self, OpenError> {
        let found = open::open(&*engine, options.clock.now_ms())?;
        let limits = AppendLimits {
            attributes_bytes_max: options.attributes_bytes_max,
            stream_seq_len_max: options.stream_seq_len_max,
        };
        let group = Group::new(Arc::clone(&engine), limits, options.producers_cached_max, found.next_id);
        let windows = Windows::new(options.tail_window_bytes, options.tail_window_stream_bytes);
        let shared = Arc::new(Shared {
            engine,
            catalog: found.catalog,
            queue: Queue::new(options.queue_len_max, options.queue_bytes_max),
            state: AtomicU8::new(READY),
            reason: Mutex::new("".into()),
            counts: CommitCounts::new(),
            engine_reads: Arc::new(Semaphore::new(options.engine_reads_max)),
            exports: Arc::new(Semaphore::new(1)),
            ended: watch::Sender::new(false),
            options,
        });
        let committer = Committer {
            shared: Arc::clone(&shared),
            group,
            windows,
            delivery: Delivery::start(),
            reclaim: found.reclaim,
            mortal: found.mortal,
            sweep_from: 0,
            setback: Setback::default(),
        };
        let thread = std::thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || committer.run())
            .map_err(|error| OpenError::Engine(format!("cannot start the committer: {error}")))?;
        Ok(Self { shared, committer: Mutex::new(Some(thread)) })
    }

    #[cfg(test)]
    pub(super) fn queue_is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }

    /// The stream at a path, if it is there for readers.
    fn stream(&self, path: &StreamPath) -> Result<Arc<Stream>, ReadError> {
        let shared = &self.shared;
        if shared.state.load(Ordering::Acquire) == DOWN {
            return Err(ReadError::Unavailable(shared.reason()));
        }
        let stream = shared.catalog.find(path).ok_or(ReadError::NotFound)?;
        if stream.is_expired(shared.options.clock.now_ms()) {
            // Refused or not, it is expired for everybody; the sweep finds it again.
            let _ = shared.queue.push(Operation::Expire(Arc::clone(&stream)));
            let deletion = lock(&stream.live).deletion;
            return Err(if deletion == Deletion::Soft { ReadError::Gone } else { ReadError::NotFound });
        }
        Ok(stream)
    }

    fn touch(&self, stream: &Arc<Stream>) {
        if stream.touch(self.shared.options.clock.now_ms()) {
            // When the queue is full the access is recorded by one that comes later.
            let _ = self.shared.queue.push(Operation::RecordAccess(Arc::clone(stream)));
        }
    }
}

fn check_there(deletion: Deletion) -> Result<(), ReadError> {
    match deletion {
        Deletion::Live => Ok(()),
        Deletion::Soft => Err(ReadError::Gone),
        Deletion::Gone => Err(ReadError::NotFound),
    }
}

fn check_retained(stream: &Stream, from: Offset, first: u64) -> Result<(), ReadError> {
    if from.position() >= first {
        return Ok(());
    }
    Err(ReadError::Trimmed { first: Offset::new(first), unit: stream.content_type.unit() })
}

#[async_trait]
impl StreamStore for LocalStore {
    async fn create(&self, path: &StreamPath, create: CreateStream) -> Result<Created, CreateError> {
        let (reply, answer) = oneshot::channel();
        let operation = Operation::Create { path: path.clone(), create: Box::new(create), reply };
        match self.shared.queue.push(operation) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(CreateError::Unavailable(self.shared.reason()))),
            Err(Refused::Full) => Err(CreateError::Overloaded),
            Err(Refused::Stopped) => Err(CreateError::Unavailable(self.shared.reason())),
        }
    }

    async fn append(&self, path: &StreamPath, append: Append) -> Result<Appended, AppendError> {
        let stream = self.shared.catalog.find(path);
        if !matches!(self.shared.state.load(Ordering::Acquire), READY | FULL) {
            return Err(AppendError::Unavailable(self.shared.reason()));
        }
        let stream = stream.ok_or(AppendError::NotFound)?;
        let (reply, answer) = oneshot::channel();
        match self.shared.queue.push(Operation::Append { stream, append, reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(AppendError::Unavailable(self.shared.reason()))),
            Err(Refused::Full) => Err(AppendError::Overloaded),
            Err(Refused::Stopped) => Err(AppendError::Unavailable(self.shared.reason())),
        }
    }

    async fn read(&self, path: &StreamPath, from: Offset, bytes_max: usize) -> Result<Page, ReadError> {
        let stream = self.stream(path)?;
        self.touch(&stream);
        let mut page = PageBuilder::new(from.position(), bytes_max);
        let (tail, in_window) = {
            let live = lock(&stream.live);
            check_there(live.deletion)?;
            if from.position() > live.next {
                return Err(ReadError::BeyondTail { tail: Offset::new(live.next) });
            }
            check_retained(&stream, from, live.first)?;
            let in_window = from.position() == live.next
                || live.window.as_ref().is_some_and(|window| window.collect(&mut page, live.next));
            (live.tail(), in_window)
        };
        // Also a read that found no window is why there should be one from the next append on.
        if !stream.window_used.load(Ordering::Relaxed) {
            stream.window_used.store(true, Ordering::Relaxed);
        }
        if !in_window {
            let read = self.read_engine(&stream, page, tail.next_offset.position()).await;
            // Rows that were deleted or trimmed meanwhile may be missing, which is neither damage nor an empty page.
            let live = lock(&stream.live);
            check_there(live.deletion)?;
            check_retained(&stream, from, live.first)?;
            drop(live);
            page = read?;
        }
        let (rows, next) = page.rows();
        #[cfg(feature = "faults")]
        let rows = match crate::plant::strikes(crate::plant::Plant::SkipRow) {
            true => rows.into_iter().skip(1).collect(),
            false => rows,
        };
        Ok(Page {
            rows,
            from,
            next: Offset::new(next),
            tail,
            content_type: stream.content_type.clone(),
            stream_id: stream.id,
        })
    }

    async fn head(&self, path: &StreamPath) -> Result<StreamHead, ReadError> {
        let stream = self.stream(path)?;
        let live = lock(&stream.live);
        check_there(live.deletion)?;
        Ok(stream.head(&live))
    }

    async fn watch(&self, path: &StreamPath) -> Result<TailWatch, ReadError> {
        let stream = self.stream(path)?;
        // Counted before the look at the deletion: an expiry that was decided before is told, none comes after.
        let reading = Reading::begin(&stream, &self.shared.options.clock);
        let mut live = lock(&stream.live);
        check_there(live.deletion)?;
        Ok(TailWatch::new(live.subscribe(), reading.map(|reading| Box::new(reading) as _)))
    }

    async fn delete(&self, path: &StreamPath) -> Result<(), DeleteError> {
        let (reply, answer) = oneshot::channel();
        match self.shared.queue.push(Operation::Delete { path: path.clone(), reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(DeleteError::Unavailable(self.shared.reason()))),
            Err(Refused::Full) => Err(DeleteError::Overloaded),
            Err(Refused::Stopped) => Err(DeleteError::Unavailable(self.shared.reason())),
        }
    }

    async fn trim(&self, path: &StreamPath, trim: Trim) -> Result<Trimmed, TrimError> {
        let stream = self.stream(path)?;
        let due = match trim {
            Trim::Before(before) => Due { before: before.position(), more: false },
            Trim::Keep(retention) => self.due(&stream, retention).await?,
        };
        let first = {
            let live = lock(&stream.live);
            check_there(live.deletion)?;
            live.first
        };
        if due.before <= first {
            return Ok(Trimmed { first: Offset::new(first), more: due.more });
        }
        let (reply, answer) = oneshot::channel();
        match self.shared.queue.push(Operation::Trim { stream, before: due.before, reply }) {
            Ok(()) => {
                let first =
                    answer.await.unwrap_or_else(|_| Err(TrimError::Unavailable(self.shared.reason())))?;
                Ok(Trimmed { first, more: due.more })
            }
            Err(Refused::Full) => Err(TrimError::Overloaded),
            Err(Refused::Stopped) => Err(TrimError::Unavailable(self.shared.reason())),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&StreamPath>,
        limit: usize,
    ) -> Result<Vec<(StreamPath, StreamHead)>, ReadError> {
        if self.shared.state.load(Ordering::Acquire) == DOWN {
            return Err(ReadError::Unavailable(self.shared.reason()));
        }
        let now_ms = self.shared.options.clock.now_ms();
        let mut found = Vec::new();
        let mut after = after.cloned();
        // Hidden and expired streams are passed over, so it may take several looks to fill the list.
        loop {
            let wanted = limit - found.len();
            let streams = self.shared.catalog.list(prefix, after.as_ref().map(StreamPath::as_str), wanted);
            for stream in &streams {
                let live = lock(&stream.live);
                if live.deletion == Deletion::Live && !stream.is_expired(now_ms) {
                    found.push((stream.path.clone(), stream.head(&live)));
                }
            }
            match streams.last() {
                Some(last) if found.len() < limit && streams.len() == wanted => {
                    after = Some(last.path.clone());
                }
                _ => return Ok(found),
            }
        }
    }

    async fn export(&self, inner: Option<Export>) -> Result<Export, BackupError> {
        // Each keeps files and memory of the moment it is of.
        let permit = Arc::clone(&self.shared.exports).try_acquire_owned();
        let permit = permit.map_err(|_| BackupError::Store("a copy is being made already".into()))?;
        let now_ms = self.shared.options.clock.now_ms();
        Ok(Export::start(Arc::clone(&self.shared.engine), now_ms, inner, permit))
    }

    fn health(&self) -> StoreHealth {
        let degraded = |cause| StoreHealth::Degraded { cause, reason: lock(&self.shared.reason).clone() };
        match self.shared.state.load(Ordering::Acquire) {
            READY => StoreHealth::Ready(self.shared.engine.durability()),
            FULL => degraded(DegradedCause::StorageFull),
            DEGRADED => degraded(DegradedCause::CommitFailed),
            GIVEN_UP => degraded(DegradedCause::RecoveryGivenUp),
            _ => StoreHealth::Down(lock(&self.shared.reason).clone()),
        }
    }

    fn stats(&self) -> StoreStats {
        let Shared { queue, catalog, options, engine, counts, .. } = &*self.shared;
        let depth = queue.depth();
        let mut stats = StoreStats {
            refused_overloaded: depth.refused,
            streams: catalog.len() as u64,
            queue_len: depth.len as u64,
            queue_bytes: depth.bytes as u64,
            queue_len_max: options.queue_len_max as u64,
            queue_bytes_max: options.queue_bytes_max as u64,
            sync_micros: engine.sync_micros(),
            ..StoreStats::default()
        };
        counts.report(&mut stats);
        stats
    }

    async fn shutdown(&self) {
        self.shared.queue.stop();
        let mut ended = self.shared.ended.subscribe();
        // The sender lives as long as `self`.
        drop(ended.wait_for(|ended| *ended).await);
    }
}

impl LocalStore {
    async fn read_engine(
        &self,
        stream: &Arc<Stream>,
        mut page: PageBuilder,
        to: u64,
    ) -> Result<PageBuilder, ReadError> {
        if let Some(recent) = self.shared.engine.recent() {
            let mut all_recent = page.clone();
            // What is missing there is not damaged, but older.
            if fill(recent, stream, &mut all_recent, to).is_ok() && all_recent.next() > page.next() {
                return Ok(all_recent);
            }
        }
        let stream = Arc::clone(stream);
        self.with_engine(move |engine| fill(engine, &stream, &mut page, to).map(|()| page)).await
    }

    /// What of a stream a retention gives up, as far as one step sees.
    async fn due(&self, stream: &Arc<Stream>, retention: Retention) -> Result<Due, ReadError> {
        let now_ms = self.shared.options.clock.now_ms();
        {
            // Most looks find nothing, and need no thread that may wait for that.
            let live = lock(&stream.live);
            let span = Span { first: live.first, next: live.next };
            let is_settled = live
                .ledger
                .as_ref()
                .is_some_and(|ledger| ledger.is_settled(stream, span, &retention, now_ms));
            if is_settled || span.first == span.next {
                return Ok(Due { before: span.first, more: false });
            }
        }
        let stream = Arc::clone(stream);
        self.with_engine(move |engine| {
            let (span, ledger) = {
                let mut live = lock(&stream.live);
                (Span { first: live.first, next: live.next }, live.ledger.take())
            };
            let mut ledger = ledger.unwrap_or_default();
            let due = ledger.due(engine, &stream, span, &retention, now_ms);
            let mut live = lock(&stream.live);
            live.ledger = Some(ledger);
            match due {
                // Trimmed by somebody else meanwhile, so that rows are missing: the next step begins there.
                Err(ReadError::Damaged { .. }) if live.first != span.first => {
                    Ok(Due { before: live.first, more: true })
                }
                due => due,
            }
        })
        .await
    }

    /// Reads on a thread that may wait, as many at a time as the options say.
    async fn with_engine<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Engine) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        if !self.shared.engine.is_blocking() {
            return read(&*self.shared.engine);
        }
        let stopped = || ReadError::Unavailable("the store is shut down".into());
        let permit = Arc::clone(&self.shared.engine_reads).acquire_owned().await.map_err(|_| stopped())?;
        let engine = Arc::clone(&self.shared.engine);
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&*engine)
        });
        reading.await.map_err(|_| stopped())?
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.shared.queue.stop();
        if let Some(thread) = lock(&self.committer).take() {
            // A panic of the thread has been reported by its health already.
            drop(thread.join());
        }
    }
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore").field("health", &self.health()).finish_non_exhaustive()
    }
}
