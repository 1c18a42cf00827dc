//! What the conformance suite cannot see from outside: failing and slow engines, damaged rows, bounds.

mod engines;
mod faults;
mod few_reads;
mod limits;
mod trimming;

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};

use super::LocalStore;
use crate::engine::Engine;
use crate::{Append, AppendError, Appended, Batch, CreateStream, Page, ReadError, StoreOptions, StreamStore};

fn path(name: &str) -> StreamPath {
    name.parse().unwrap()
}

fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

fn one(text: &str) -> Append {
    let batch = Batch::message(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    Append { batch: Some(batch), ..Append::default() }
}

/// A store over an engine that a test keeps a handle of, and short ways to use it.
struct Case(Arc<LocalStore>);

impl Case {
    fn open(engine: &Arc<impl Engine>, adjust: impl FnOnce(&mut StoreOptions)) -> Self {
        let mut options = StoreOptions::default();
        adjust(&mut options);
        let engine: Arc<dyn Engine> = Arc::clone(engine) as _;
        Self(Arc::new(LocalStore::open(engine, options).unwrap()))
    }

    async fn create(&self, name: &str) -> u64 {
        self.0.create(&path(name), json_stream()).await.unwrap().head.stream_id
    }

    async fn append(&self, name: &str, append: Append) -> Result<Appended, AppendError> {
        self.0.append(&path(name), append).await
    }

    /// An append that goes on beside the test.
    fn spawn_append(
        &self,
        name: &str,
        append: Append,
    ) -> tokio::task::JoinHandle<Result<Appended, AppendError>> {
        let (store, to) = (Arc::clone(&self.0), path(name));
        tokio::spawn(async move { store.append(&to, append).await })
    }

    async fn read(&self, name: &str, from: u64) -> Result<Page, ReadError> {
        self.0.read(&path(name), Offset::new(from), 1_000_000).await
    }

    async fn tail(&self, name: &str) -> u64 {
        self.0.head(&path(name)).await.unwrap().next_offset.position()
    }
}
