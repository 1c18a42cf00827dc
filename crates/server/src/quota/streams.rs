//! How many streams each identity has that are neither closed nor gone: a projection of what the store holds, rebuilt at
//! start. Must not know what is in a stream.
//!
//! Whose a stream is, is written in its attributes when it is created and never changes. Streams of who may do everything
//! belong to nobody and are not here, so that there is one short entry for each open stream that counts, and no other.
//! A stream that expires says so to nobody: who has reached the limit has all of its own looked at again, not more often
//! than every few seconds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::ProjectId;
use durable_sessions_storage::{ReadError, StreamHead, StreamStore};
use http::StatusCode;
use serde_json::json;

use super::limit::Limit;
use crate::Code;
use crate::access::Ownership;
use crate::error::ApiError;
use crate::identity::{ADMIN_SUBJECT, Identity};
use crate::stream::is_reserved_path;

/// Streams read at a time at start.
const PAGE: usize = 500;
/// How often the streams of one identity are looked at again.
const SWEEP_PAUSE: Duration = Duration::from_secs(10);
/// So many streams are looked at in one round of `sweep_some`.
const SWEEP_LEN: usize = 4_096;
/// When something may have been closed.
const RETRY_SECS: u32 = 10;

/// An identity: its project, and its subject.
type Owner = Arc<[u8]>;

/// All open streams that belong to somebody.
#[derive(Debug)]
pub(crate) struct OpenStreams {
    maps: Mutex<Maps>,
    /// Up to where `sweep_some` has looked.
    swept: Mutex<Option<StreamPath>>,
    max: usize,
}

#[derive(Debug, Default)]
struct Maps {
    by_path: BTreeMap<StreamPath, Entry>,
    by_owner: HashMap<Owner, Owned>,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    /// Whether it is there, or only about to be.
    is_created: bool,
}

#[derive(Debug, Default)]
struct Owned {
    paths: HashSet<StreamPath>,
    swept: Option<Instant>,
}

/// A place for a stream that is about to be created; given back when dropped, unless the stream has been created.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    of: Arc<OpenStreams>,
    path: StreamPath,
}

impl OpenStreams {
    /// Reads whose all streams are. `max` bounds what is created later; what is there is there.
    pub(crate) async fn open(store: &dyn StreamStore, max: usize) -> Result<Arc<Self>, ReadError> {
        let streams = Self { maps: Mutex::default(), swept: Mutex::default(), max };
        let mut after: Option<StreamPath> = None;
        loop {
            let page = store.list("", after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(path, _)| path.clone());
            for (path, head) in page {
                streams.opened(&path, &head);
            }
            if is_last {
                return Ok(Arc::new(streams));
            }
        }
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream has been created, or is found at start.
    pub(crate) fn opened(&self, path: &StreamPath, head: &StreamHead) {
        let owner = owner_of(head).filter(|_| !head.closed && !is_reserved_path(path.as_str()));
        let mut maps = self.maps();
        match owner {
            Some(owner) => maps.put(path, owner, true),
            None => maps.remove(path),
        }
    }

    /// A stream was closed, or is gone.
    pub(crate) fn ended(&self, path: &StreamPath) {
        self.maps().remove(path);
    }

    /// Owners that have a stream open.
    pub(crate) fn owners(&self) -> usize {
        self.maps().by_owner.len()
    }

    /// Open streams that belong to somebody.
    pub(crate) fn count(&self) -> usize {
        self.maps().by_path.len()
    }

    /// A place for a stream that this caller is about to create; none is needed by who may do everything, and to confirm
    /// what is there.
    ///
    /// # Errors
    /// 429 `TOO_MANY_STREAMS`.
    pub(crate) async fn place(
        self: &Arc<Self>,
        store: &dyn StreamStore,
        caller: &Identity,
        path: &StreamPath,
    ) -> Result<Option<StreamPlace>, ApiError> {
        if caller.is_superuser() {
            return Ok(None);
        }
        let owner: Owner = super::key(caller).into();
        if let Some(place) = self.try_place(&owner, path) {
            return Ok(Some(place));
        }
        if store.head(path).await.is_ok() {
            return Ok(None);
        }
        self.sweep(store, &owner).await;
        self.try_place(&owner, path).map(Some).ok_or_else(|| {
            let message = "too many streams of this identity are open: close or delete some";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyStreams, message)
                .limit(Limit::OpenStreamsPerIdentity)
                .retry_after(RETRY_SECS)
                .details(json!({ "limit": self.max }))
        })
    }

    fn try_place(self: &Arc<Self>, owner: &Owner, path: &StreamPath) -> Option<StreamPlace> {
        let mut maps = self.maps();
        let is_counted = maps.by_path.contains_key(path);
        if !is_counted {
            if maps.by_owner.get(owner).is_some_and(|owned| owned.paths.len() >= self.max) {
                return None;
            }
            maps.put(path, owner.clone(), false);
        }
        Some(StreamPlace { of: self.clone(), path: path.clone() })
    }

    /// Forgets those among the next few streams that have ended without a word: expired, most of all. For somebody who comes
    /// by from time to time; the next time it goes on where it was.
    pub(crate) async fn sweep_some(&self, store: &dyn StreamStore) {
        let from = self.swept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let bounds = (from.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let paths: Vec<StreamPath> = {
            let maps = self.maps();
            let created = maps.by_path.range::<StreamPath, _>(bounds).filter(|(_, entry)| entry.is_created);
            created.map(|(path, _)| path.clone()).take(SWEEP_LEN).collect()
        };
        self.look_at(store, &paths).await;
        // At the end it begins anew.
        let last = paths.into_iter().nth(SWEEP_LEN - 1);
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// Forgets those streams of an identity that have ended without a word.
    async fn sweep(&self, store: &dyn StreamStore, owner: &Owner) {
        let paths: Vec<StreamPath> = {
            let mut maps = self.maps();
            let Some(owned) = maps.by_owner.get_mut(owner) else { return };
            if owned.swept.is_some_and(|swept| swept.elapsed() < SWEEP_PAUSE) {
                return;
            }
            owned.swept = Some(Instant::now());
            let is_created =
                |path: &&StreamPath| maps.by_path.get(path).is_some_and(|entry| entry.is_created);
            maps.by_owner[owner].paths.iter().filter(is_created).cloned().collect()
        };
        self.look_at(store, &paths).await;
    }

    async fn look_at(&self, store: &dyn StreamStore, paths: &[StreamPath]) {
        for (looked_at, path) in paths.iter().enumerate() {
            match store.head(path).await {
                Ok(head) => self.opened(path, &head),
                Err(ReadError::NotFound | ReadError::Gone) => self.ended(path),
                Err(_) => return,
            }
            if looked_at % PAGE == PAGE - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Maps {
    fn put(&mut self, path: &StreamPath, owner: Owner, is_created: bool) {
        if self.by_path.get(path).is_some_and(|entry| entry.owner != owner) {
            self.remove(path);
        }
        self.by_owner.entry(owner.clone()).or_default().paths.insert(path.clone());
        self.by_path.insert(path.clone(), Entry { owner, is_created });
    }

    fn remove(&mut self, path: &StreamPath) {
        let Some(Entry { owner, .. }) = self.by_path.remove(path) else { return };
        if let Some(owned) = self.by_owner.get_mut(&owner) {
            owned.paths.remove(path);
            if owned.paths.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut maps = self.of.maps();
        if maps.by_path.get(&self.path).is_some_and(|entry| !entry.is_created) {
            maps.remove(&self.path);
        }
    }
}

/// Whose a stream is, in the form that callers are counted by.
fn owner_of(head: &StreamHead) -> Option<Owner> {
    let ownership = Ownership::of_attributes(head.attributes.as_deref()).ok()?;
    let subject = ownership.owner?;
    // The bearer of the static token is never counted.
    if ownership.project_id.is_none() && subject == ADMIN_SUBJECT {
        return None;
    }
    Some(super::key_of(ownership.project_id.as_ref().map(ProjectId::as_str), &subject).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_sessions_protocol::ContentType;
    use durable_sessions_storage::{CreateStream, MemoryStore, StoreOptions};

    use crate::access::RoleClaims;
    use crate::identity::{Scope, Scopes, Source, Validity};

    fn ada() -> Identity {
        Identity {
            subject: "ada".into(),
            project: Some("p".parse().unwrap()),
            scopes: Scopes::NONE.with(Scope::StreamWrite),
            sessions: None,
            roles: RoleClaims::NONE,
            source: Source::Jwt,
            validity: Validity::default(),
        }
    }

    fn path(text: &str) -> StreamPath {
        text.parse().unwrap()
    }

    async fn create(store: &dyn StreamStore, at: &str) -> StreamHead {
        let attributes = Some(Ownership::of_creator(&ada()).to_attributes());
        let create = CreateStream { attributes, ..CreateStream::of(ContentType::json()) };
        store.create(&path(at), create).await.unwrap().head
    }

    #[tokio::test]
    async fn places_are_taken_by_creation_and_given_back_otherwise() {
        let store = MemoryStore::open(StoreOptions::default()).unwrap();
        let streams = OpenStreams::open(&store, 2).await.unwrap();
        let first = streams.place(&store, &ada(), &path("a")).await.unwrap();
        let second = streams.place(&store, &ada(), &path("b")).await.unwrap();
        assert!(streams.place(&store, &ada(), &path("c")).await.is_err());
        // The same stream twice at once is one.
        assert!(streams.place(&store, &ada(), &path("a")).await.is_ok());
        streams.opened(&path("a"), &create(&store, "a").await);
        drop((first, second));
        assert_eq!((streams.count(), streams.owners()), (1, 1));
        streams.opened(&path("b"), &create(&store, "b").await);
        assert!(streams.place(&store, &ada(), &path("c")).await.is_err());
        // What is there may be confirmed.
        assert!(streams.place(&store, &ada(), &path("b")).await.is_ok());
        assert_eq!(streams.count(), 2);
        streams.ended(&path("b"));
        streams.ended(&path("b"));
        drop(streams.place(&store, &ada(), &path("c")).await.unwrap());
        streams.ended(&path("a"));
        assert_eq!((streams.count(), streams.owners()), (0, 0));
    }

    #[tokio::test]
    async fn it_is_rebuilt_and_notices_what_went_without_a_word() {
        let store = MemoryStore::open(StoreOptions::default()).unwrap();
        for at in ["a", "sessions/b", "__ds/x"] {
            create(&store, at).await;
        }
        store.create(&path("nobodys"), CreateStream::of(ContentType::json())).await.unwrap();
        let streams = OpenStreams::open(&store, 2).await.unwrap();
        assert_eq!((streams.count(), streams.owners()), (2, 1));
        store.delete(&path("a")).await.unwrap();
        assert!(streams.place(&store, &ada(), &path("c")).await.unwrap().is_some());
        assert_eq!(streams.count(), 1);
    }
}
