//! Which event ids a session has had lately, so that an event that is sent again is recognised. Must not know who
//! sends events.
//!
//! The stream itself is the index: its newest events are read into a set of hashes when somebody first asks, and what
//! came since when asked again. So it is right after a restart, and for events that came by any route. Bounds: the newest
//! `window` events of a session count, and `cached_max` ids are remembered over all sessions; the sessions that were not
//! asked for longest are forgotten first, and read again when needed.
//!
//! Two requests with the same new id must not both be told that it is new: the first one claims it, the second waits
//! until the claim is dropped, and looks again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::{Offset, StreamPath};
use durable_sessions_schema::Parser;
use durable_sessions_storage::{ReadError, StreamStore};
use tokio::sync::Notify;

use crate::coalesce;

/// The name of the member with ids of joined events, as it is written.
const JOINED_KEY: &[u8] = b"\"joined\"";
/// Bytes of the stream read at a time.
const PAGE_BYTES: usize = 1 << 20;

/// Ids are kept as two keyed hashes: who does not know the keys cannot make two ids collide.
type Hash = u128;

/// The ids of all sessions.
pub(crate) struct EventIds {
    sessions: Mutex<HashMap<StreamPath, Arc<SessionIds>>>,
    window: u64,
    cached_max: usize,
    cached: Arc<AtomicUsize>,
    asked: AtomicU64,
    keys: [RandomState; 2],
}

struct SessionIds {
    window: tokio::sync::Mutex<Window>,
    pending: Mutex<HashSet<Hash>>,
    released: Notify,
    last_asked: AtomicU64,
    cached: Arc<AtomicUsize>,
    len: AtomicUsize,
}

#[derive(Default)]
struct Window {
    stream_id: u64,
    /// Indexed up to here.
    next: u64,
    /// Where the event with this id ends.
    ends: HashMap<Hash, u64>,
    order: VecDeque<(u64, Hash)>,
}

/// What is known of one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// Not written lately; nobody else can claim it now.
    New,
    /// Written; the stream goes on here.
    Written(Offset),
}

/// A claim on the new ids of one request, until it is dropped.
pub(crate) struct Claim {
    session: Arc<SessionIds>,
    mine: Vec<Hash>,
    /// In the order of the ids asked for. An id that is asked for twice is new once.
    pub(crate) ids: Vec<Option<Claimed>>,
}

impl EventIds {
    pub(crate) fn new(window: usize, cached_max: usize) -> Self {
        Self {
            sessions: Mutex::default(),
            window: window as u64,
            cached_max,
            cached: Arc::default(),
            asked: AtomicU64::new(0),
            keys: [RandomState::new(), RandomState::new()],
        }
    }

    fn hash(&self, id: &str) -> Hash {
        let [high, low] = [&self.keys[0], &self.keys[1]].map(|key| u128::from(key.hash_one(id)));
        high << 64 | low
    }

    /// Claims ids; `None` among the results stands for an id that came before in the same request.
    pub(crate) async fn claim(
        &self,
        store: &dyn StreamStore,
        path: &StreamPath,
        ids: &[&str],
    ) -> Result<Claim, ReadError> {
        let hashes: Vec<_> = ids.iter().map(|id| self.hash(id)).collect();
        let session = self.session(path);
        loop {
            let released = session.released.notified();
            let mut window = session.window.lock().await;
            self.catch_up(store, path, &session, &mut window).await?;
            let claimed = session.claim(&window, &hashes);
            drop(window);
            match claimed {
                Some((ids, mine)) => return Ok(Claim { session: session.clone(), mine, ids }),
                None => released.await,
            }
        }
    }

    fn session(&self, path: &StreamPath) -> Arc<SessionIds> {
        let mut sessions = lock(&self.sessions);
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(session) = sessions.get(path) {
            session.last_asked.store(asked, Ordering::Relaxed);
            return session.clone();
        }
        while self.cached.load(Ordering::Relaxed) > self.cached_max || sessions.len() >= self.cached_max {
            let idle = sessions.iter().filter(|(_, session)| Arc::strong_count(session) == 1);
            let Some((oldest, _)) =
                idle.min_by_key(|(_, session)| session.last_asked.load(Ordering::Relaxed))
            else {
                break;
            };
            let oldest = oldest.clone();
            sessions.remove(&oldest);
        }
        let session = Arc::new(SessionIds {
            window: tokio::sync::Mutex::default(),
            pending: Mutex::default(),
            released: Notify::new(),
            last_asked: AtomicU64::new(asked),
            cached: self.cached.clone(),
            len: AtomicUsize::new(0),
        });
        sessions.insert(path.clone(), session.clone());
        session
    }

    /// Gives up the ids of a session that is gone. While somebody holds a claim they stay, and are evicted some time.
    pub(crate) fn forget(&self, path: &StreamPath) {
        let mut sessions = lock(&self.sessions);
        if sessions.get(path).is_some_and(|session| Arc::strong_count(session) == 1) {
            sessions.remove(path);
        }
    }

    /// Reads what was written since the last time, of the window at most.
    async fn catch_up(
        &self,
        store: &dyn StreamStore,
        path: &StreamPath,
        session: &SessionIds,
        window: &mut Window,
    ) -> Result<(), ReadError> {
        let head = store.head(path).await?;
        if window.stream_id != head.stream_id {
            *window = Window { stream_id: head.stream_id, ..Window::default() };
        }
        let tail = head.next_offset.position();
        let from = tail.saturating_sub(self.window).max(head.first_offset.position());
        window.next = window.next.max(from);
        let mut parser = None;
        while window.next < tail {
            let page = match store.read(path, Offset::new(window.next), PAGE_BYTES).await {
                Ok(page) => page,
                // Trimmed meanwhile: what is gone is not recognised.
                Err(ReadError::Trimmed { first, .. }) if first.position() > window.next => {
                    window.next = first.position();
                    continue;
                }
                // What is damaged is not recognised either, and is no reason to take nothing more.
                Err(ReadError::Damaged { at }) if at.position() >= window.next => {
                    window.next = at.position() + 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if page.stream_id != window.stream_id || page.rows.is_empty() {
                return Err(ReadError::NotFound);
            }
            let parser = parser.get_or_insert_with(Parser::new);
            let mut end = window.next;
            for message in page.rows.iter().flat_map(durable_sessions_storage::Batch::messages) {
                end += 1;
                // What is stored is valid; what an application writes past the checks has no id to go by.
                if let Ok(view) = parser.parse_event(&message) {
                    window.put(self.hash(&view.id()), end, self.window);
                    // Events that were joined to this one.
                    let is_chunk = view.event_type() == "chunk";
                    for (_, ids) in view.envelope_extras().filter(|(name, _)| is_chunk && *name == JOINED_KEY)
                    {
                        for id in coalesce::joined_ids(ids) {
                            window.put(self.hash(&id), end, self.window);
                        }
                    }
                }
            }
            window.next = end;
        }
        session.account(window.ends.len());
        Ok(())
    }
}

impl Window {
    fn put(&mut self, hash: Hash, end: u64, window: u64) {
        self.ends.insert(hash, end);
        self.order.push_back((end, hash));
        while self.order.len() as u64 > window
            && let Some((old_end, old)) = self.order.pop_front()
        {
            if self.ends.get(&old) == Some(&old_end) {
                self.ends.remove(&old);
            }
        }
    }
}

impl SessionIds {
    /// What is known of each id, and those that are claimed now; `None` while one of them is claimed by another request.
    fn claim(&self, window: &Window, hashes: &[Hash]) -> Option<(Vec<Option<Claimed>>, Vec<Hash>)> {
        let mut pending = lock(&self.pending);
        if hashes.iter().any(|hash| pending.contains(hash)) {
            return None;
        }
        let mut mine = Vec::new();
        let mut seen = HashSet::new();
        let known = hashes.iter().map(|hash| {
            if let Some(end) = window.ends.get(hash) {
                return Some(Claimed::Written(Offset::new(*end)));
            }
            if !seen.insert(*hash) {
                return None;
            }
            mine.push(*hash);
            Some(Claimed::New)
        });
        let known = known.collect();
        pending.extend(&mine);
        Some((known, mine))
    }

    fn account(&self, len: usize) {
        let before = self.len.swap(len, Ordering::Relaxed);
        self.cached.fetch_add(len.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Drop for SessionIds {
    fn drop(&mut self) {
        self.account(0);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut pending = lock(&self.session.pending);
        for hash in &self.mine {
            pending.remove(hash);
        }
        drop(pending);
        self.session.released.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, faulty};
    use bytes::Bytes;
    use durable_sessions_protocol::ContentType;
    use durable_sessions_storage::{Append, Batch, CreateStream, LocalStore, MemoryStore, StoreOptions};

    async fn store() -> (LocalStore, StreamPath) {
        let store = MemoryStore::open(StoreOptions::default()).unwrap();
        let path: StreamPath = "sessions/a".parse().unwrap();
        let create = CreateStream::of(ContentType::json());
        store.create(&path, create).await.unwrap();
        (store, path)
    }

    async fn write(store: &LocalStore, path: &StreamPath, id: &str) {
        let event = format!(r#"{{"id":"{id}","type":"chunk","timestamp":1,"data":{{"text":""}}}}"#);
        let batch = Some(Batch::message(Bytes::from(event)).unwrap());
        store.append(path, Append { batch, ..Append::default() }).await.unwrap();
    }

    const NEW: Option<Claimed> = Some(Claimed::New);

    fn written(end: u64) -> Option<Claimed> {
        Some(Claimed::Written(Offset::new(end)))
    }

    #[tokio::test]
    async fn what_the_stream_has_is_known_within_the_window() {
        let (store, path) = store().await;
        for id in ["a", "b", "c"] {
            write(&store, &path, id).await;
        }
        let ids = EventIds::new(2, 100);
        assert_eq!(
            ids.claim(&store, &path, &["a", "b", "c", "d", "d"]).await.unwrap().ids,
            [NEW, written(2), written(3), NEW, None]
        );
        // The claim is dropped, and nothing was written: it can be made again.
        assert_eq!(ids.claim(&store, &path, &["d"]).await.unwrap().ids, [NEW]);
        write(&store, &path, "d").await;
        assert_eq!(
            ids.claim(&store, &path, &["b", "c", "d"]).await.unwrap().ids,
            [NEW, written(3), written(4)]
        );
    }

    #[tokio::test]
    async fn what_is_damaged_is_not_recognised_and_costs_nothing_else() {
        let (store, path) = store().await;
        for id in ["a", "b"] {
            write(&store, &path, id).await;
        }
        let (store, faults) = faulty(Arc::new(store));
        faults.set(Fault::DamagedRead, 1);
        let ids = EventIds::new(10, 100);
        let claimed = ids.claim(&*store, &path, &["a", "b", "c"]).await.unwrap();
        assert_eq!(claimed.ids, [NEW, written(2), NEW]);
    }

    #[tokio::test]
    async fn a_second_claim_waits_for_the_first() {
        let (store, path) = store().await;
        let ids = EventIds::new(10, 100);
        let first = ids.claim(&store, &path, &["x"]).await.unwrap();
        let both = async {
            let mut second = std::pin::pin!(ids.claim(&store, &path, &["y", "x"]));
            assert!(futures::poll!(second.as_mut()).is_pending());
            // Another id is not held up.
            assert_eq!(ids.claim(&store, &path, &["z"]).await.unwrap().ids, [NEW]);
            write(&store, &path, "x").await;
            drop(first);
            second.await.unwrap().ids.clone()
        };
        assert_eq!(both.await, [NEW, written(1)]);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_session_that_is_gone_but_claims_that_are_held() {
        let (store, path) = store().await;
        write(&store, &path, "a").await;
        let ids = EventIds::new(10, 100);
        let held = ids.claim(&store, &path, &["b"]).await.unwrap();
        assert_eq!(ids.cached.load(Ordering::Relaxed), 1);
        ids.forget(&path);
        let mut second = std::pin::pin!(ids.claim(&store, &path, &["b"]));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(held);
        drop(second.await.unwrap());
        ids.forget(&path);
        assert_eq!((ids.cached.load(Ordering::Relaxed), lock(&ids.sessions).len()), (0, 0));
    }

    #[tokio::test]
    async fn sessions_not_asked_for_are_forgotten_and_read_again() {
        let (store, path) = store().await;
        write(&store, &path, "a").await;
        write(&store, &path, "b").await;
        let ids = EventIds::new(10, 1);
        drop(ids.claim(&store, &path, &["a"]).await.unwrap());
        assert_eq!(ids.cached.load(Ordering::Relaxed), 2);
        ids.session(&"sessions/other".parse().unwrap());
        assert_eq!(ids.cached.load(Ordering::Relaxed), 0);
        assert_eq!(ids.claim(&store, &path, &["a"]).await.unwrap().ids, [written(1)]);
    }
}
