//! A server's inside on a store that fails on demand, for tests of what happens then.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};
use durable_sessions_storage::{
    Append, AppendError, Appended, CreateError, CreateStream, Created, DegradedCause, DeleteError, Page,
    ReadError, StoreHealth, StoreOptions, StoreStats, StreamHead, StreamStore, TailWatch, Trim, TrimError,
    Trimmed,
};
use tokio::sync::watch;

use crate::app::App;
use crate::{AuthConfig, Server, ServerConfig, StoreConfig};

/// How the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It says that it takes no appends.
    Unready,
    /// An append is written, and answered as if nobody knew.
    LostAnswer,
    /// An append is not written, and answered as if nobody knew.
    Unavailable,
    /// An append panics.
    Panic,
    /// A read finds what the disk damaged.
    DamagedRead,
    /// An append finds its queue full.
    Overloaded,
    /// An append finds no room on the disk.
    StorageFull,
    /// The stream has no more positions, for good.
    StreamFull,
    /// It says that the disk is full, and refuses.
    SaysFull,
    /// It says that it takes no appends and has given up on that.
    GivenUp,
}

/// What is wrong with a store.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: Mutex<Option<(Fault, u32)>>,
    appends: AtomicU32,
    heads: AtomicU32,
    reads: AtomicU32,
    asked_unready: AtomicU32,
    /// Kept, so that the server is not taken for one that stops.
    drain: OnceLock<watch::Sender<bool>>,
}

impl Faults {
    /// The next so many times.
    pub(crate) fn set(&self, fault: Fault, times: u32) {
        *self.next.lock().unwrap() = Some((fault, times));
        self.appends.store(0, Ordering::SeqCst);
        self.asked_unready.store(0, Ordering::SeqCst);
    }

    /// Appends that came since.
    pub(crate) fn appends(&self) -> u32 {
        self.appends.load(Ordering::SeqCst)
    }

    /// How often somebody asked what a stream is.
    pub(crate) fn heads(&self) -> u32 {
        self.heads.load(Ordering::SeqCst)
    }

    /// How often somebody read.
    pub(crate) fn reads(&self) -> u32 {
        self.reads.load(Ordering::SeqCst)
    }

    /// How often somebody was told that it takes no appends.
    pub(crate) fn asked_unready(&self) -> u32 {
        self.asked_unready.load(Ordering::SeqCst)
    }

    /// The server begins to stop.
    pub(crate) fn begin_stop(&self) {
        self.drain.get().unwrap().send_replace(true);
    }

    fn take(&self, kinds: &[Fault]) -> Option<Fault> {
        let mut next = self.next.lock().unwrap();
        let (fault, times) = next.as_mut().filter(|(fault, times)| kinds.contains(fault) && *times > 0)?;
        *times -= 1;
        Some(*fault)
    }
}

struct FaultyStore {
    inner: Arc<dyn StreamStore>,
    faults: Arc<Faults>,
}

/// Another store that counts, and fails as it is told.
pub(crate) fn faulty(inner: Arc<dyn StreamStore>) -> (Arc<dyn StreamStore>, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    (Arc::new(FaultyStore { inner, faults: faults.clone() }), faults)
}

/// An application around a store that fails as it is told, with one JSON stream.
pub(crate) async fn broken_app(change: impl FnOnce(&mut ServerConfig)) -> (App, Arc<Faults>, StreamPath) {
    let mut config =
        ServerConfig::new("127.0.0.1:0".parse().unwrap(), StoreConfig::Memory, AuthConfig::DevNoAuth);
    change(&mut config);
    let faults = Arc::new(Faults::default());
    let inner = StoreConfig::Memory.open(StoreOptions::default()).unwrap();
    let store = Arc::new(FaultyStore { inner, faults: faults.clone() });
    let path: StreamPath = "plain".parse().unwrap();
    store.create(&path, json_stream()).await.unwrap();
    let (drain, draining) = watch::channel(false);
    faults.drain.set(drain).unwrap();
    let app = Server::assemble(config, store, None, draining).await.unwrap();
    (app, faults, path)
}

pub(crate) fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

#[async_trait]
impl StreamStore for FaultyStore {
    async fn create(&self, path: &StreamPath, create: CreateStream) -> Result<Created, CreateError> {
        self.inner.create(path, create).await
    }

    async fn append(&self, path: &StreamPath, append: Append) -> Result<Appended, AppendError> {
        self.faults.appends.fetch_add(1, Ordering::SeqCst);
        let kinds = [
            Fault::LostAnswer,
            Fault::Unavailable,
            Fault::Panic,
            Fault::Overloaded,
            Fault::StorageFull,
            Fault::StreamFull,
        ];
        match self.faults.take(&kinds) {
            Some(Fault::Unavailable) => Err(AppendError::Unavailable("the store is away".into())),
            Some(Fault::Panic) => panic!("as it was told"),
            Some(Fault::Overloaded) => Err(AppendError::Overloaded),
            Some(Fault::StorageFull) => Err(AppendError::StorageFull),
            Some(Fault::StreamFull) => Err(AppendError::Full("no position is left")),
            Some(_) => {
                self.inner.append(path, append).await?;
                Err(AppendError::Unavailable("the answer is lost".into()))
            }
            None => self.inner.append(path, append).await,
        }
    }

    async fn read(&self, path: &StreamPath, from: Offset, bytes_max: usize) -> Result<Page, ReadError> {
        self.faults.reads.fetch_add(1, Ordering::SeqCst);
        if self.faults.take(&[Fault::DamagedRead]).is_some() {
            return Err(ReadError::Damaged { at: from });
        }
        self.inner.read(path, from, bytes_max).await
    }

    async fn head(&self, path: &StreamPath) -> Result<StreamHead, ReadError> {
        self.faults.heads.fetch_add(1, Ordering::SeqCst);
        self.inner.head(path).await
    }

    async fn watch(&self, path: &StreamPath) -> Result<TailWatch, ReadError> {
        self.inner.watch(path).await
    }

    async fn delete(&self, path: &StreamPath) -> Result<(), DeleteError> {
        self.inner.delete(path).await
    }

    async fn trim(&self, path: &StreamPath, trim: Trim) -> Result<Trimmed, TrimError> {
        self.inner.trim(path, trim).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&StreamPath>,
        limit: usize,
    ) -> Result<Vec<(StreamPath, StreamHead)>, ReadError> {
        self.inner.list(prefix, after, limit).await
    }

    fn health(&self) -> StoreHealth {
        let cause = match self.faults.take(&[Fault::Unready, Fault::SaysFull, Fault::GivenUp]) {
            None => return self.inner.health(),
            Some(Fault::SaysFull) => DegradedCause::StorageFull,
            Some(Fault::GivenUp) => DegradedCause::RecoveryGivenUp,
            Some(_) => DegradedCause::CommitFailed,
        };
        self.faults.asked_unready.fetch_add(1, Ordering::SeqCst);
        StoreHealth::Degraded { cause, reason: "out of order".into() }
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
