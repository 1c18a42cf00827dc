//! The list of sessions: a projection of the rows in the store, newest first. Must not be asked what a session is; the
//! store says that.
//!
//! It is rebuilt at start and follows every change. What it holds may lag behind for a moment, or outlive a stream that
//! has expired: whoever shows an entry looks at its stream, and drops the entry when that is gone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::{AgentId, SessionId, SessionStatus, TaskId};
use durable_sessions_storage::{ReadError, StreamHead, StreamStore};
use tokio::time::Instant;

use super::{PREFIX, SessionRow, path_of};
use crate::access::Ownership;

/// Sessions read at a time at start.
const PAGE: usize = 500;
/// Entries looked at for one page of the list; a page that finds less says where to go on.
const SCAN_MAX: usize = 10_000;

/// All sessions, in the order of the list.
pub(crate) struct Directory {
    maps: RwLock<Maps>,
    max: usize,
    /// Not to be looked through for sessions that are gone before this. Locked while that is done.
    pub(super) sweep_at: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Maps {
    by_path: HashMap<StreamPath, Arc<Entry>>,
    in_order: BTreeMap<Place, Arc<Entry>>,
}

/// Newest first; sessions of the same millisecond by path.
type Place = (Reverse<i64>, StreamPath);

/// One session as the list knows it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: StreamPath,
    pub(crate) stream_id: u64,
    /// Of the row.
    version: u64,
    pub(crate) created_at_ms: i64,
    pub(crate) row: SessionRow,
    /// Whose it is; nobody's when that cannot be read.
    pub(crate) ownership: Option<Ownership>,
}

/// Which sessions to list. Times are of creation, in Unix milliseconds; both ends are included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) status: Option<SessionStatus>,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) task_id: Option<TaskId>,
    pub(crate) from_ms: Option<i64>,
    pub(crate) to_ms: Option<i64>,
    /// Part of the title or id, in lower case.
    pub(crate) search: Option<String>,
}

/// Where a list goes on: after this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListCursor {
    created_at_ms: i64,
    id: SessionId,
}

/// Some of the list.
pub(crate) struct ListPage {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) next: Option<ListCursor>,
}

impl Directory {
    fn new(max: usize) -> Self {
        Self { maps: RwLock::default(), max, sweep_at: tokio::sync::Mutex::default() }
    }

    /// Reads all rows. `max` bounds what is created later; what is there is there.
    pub(crate) async fn open(store: &dyn StreamStore, max: usize) -> Result<Self, ReadError> {
        let directory = Self::new(max);
        let mut after: Option<StreamPath> = None;
        loop {
            let page = store.list(PREFIX, after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(path, _)| path.clone());
            for (path, head) in page {
                directory.put(&path, &head);
            }
            if is_last {
                return Ok(directory);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.read().by_path.len() >= self.max
    }

    pub(crate) fn get(&self, path: &StreamPath) -> Option<Arc<Entry>> {
        self.read().by_path.get(path).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.read().by_path.values().cloned().collect()
    }

    /// Takes what the store says of a session, unless it is older than what is here.
    pub(crate) fn put(&self, path: &StreamPath, head: &StreamHead) {
        let entry = Arc::new(Entry {
            path: path.clone(),
            stream_id: head.stream_id,
            version: head.attributes_version,
            created_at_ms: head.created_at_ms,
            row: SessionRow::of_head(head),
            ownership: Ownership::of_attributes(head.attributes.as_deref()).ok(),
        });
        let mut maps = self.write();
        if let Some(there) = maps.by_path.get(path) {
            if (there.stream_id, there.version) > (entry.stream_id, entry.version) {
                return;
            }
            let place = there.place();
            maps.in_order.remove(&place);
        }
        maps.in_order.insert(entry.place(), Arc::clone(&entry));
        maps.by_path.insert(path.clone(), entry);
    }

    /// Forgets a session whose stream is gone, unless another one lives at its path by now.
    pub(crate) fn remove(&self, path: &StreamPath, stream_id: u64) {
        let mut maps = self.write();
        if let Some(there) = maps.by_path.get(path).filter(|there| there.stream_id <= stream_id) {
            let place = there.place();
            maps.in_order.remove(&place);
            maps.by_path.remove(path);
        }
    }

    /// The next `limit` sessions that the filter and the caller's rights let through.
    pub(crate) fn page(
        &self,
        filter: &Filter,
        after: Option<&ListCursor>,
        limit: usize,
        may_see: impl Fn(&Entry) -> bool,
    ) -> ListPage {
        let start = after.map_or(Bound::Unbounded, |after| {
            Bound::Excluded((Reverse(after.created_at_ms), path_of(&after.id)))
        });
        let maps = self.read();
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for (looked_at, entry) in
            maps.in_order.range((start, Bound::Unbounded)).map(|(_, entry)| entry).enumerate()
        {
            if filter.from_ms.is_some_and(|from| entry.created_at_ms < from) {
                return ListPage { entries, next: None };
            }
            if looked_at == SCAN_MAX {
                return ListPage { entries, next: entry.cursor_before() };
            }
            if !filter.matches(entry) || !may_see(entry) {
                continue;
            }
            if entries.len() == limit {
                let next = entries.last().and_then(|entry| entry.cursor());
                return ListPage { entries, next };
            }
            entries.push(Arc::clone(entry));
        }
        ListPage { entries, next: None }
    }
}

impl Entry {
    fn place(&self) -> Place {
        (Reverse(self.created_at_ms), self.path.clone())
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.path.child_of("sessions")
    }

    fn cursor(&self) -> Option<ListCursor> {
        let id = self.id()?.parse().ok()?;
        Some(ListCursor { created_at_ms: self.created_at_ms, id })
    }

    /// A cursor after which this entry is the first.
    fn cursor_before(&self) -> Option<ListCursor> {
        // Nothing sorts between a time and its next later one, whatever the id.
        let later = self.cursor()?;
        Some(ListCursor {
            created_at_ms: later.created_at_ms.saturating_add(1),
            id: "z".repeat(100).parse().ok()?,
        })
    }
}

impl Filter {
    fn matches(&self, entry: &Entry) -> bool {
        let row = &entry.row;
        let named = |text: &str, part: &str| text.to_lowercase().contains(part);
        self.status.is_none_or(|status| row.status == status)
            && (self.agent_id.is_none() || self.agent_id == row.agent_id)
            && (self.task_id.is_none() || self.task_id == row.task_id)
            && self.from_ms.is_none_or(|from| entry.created_at_ms >= from)
            && self.to_ms.is_none_or(|to| entry.created_at_ms <= to)
            && self.search.as_deref().is_none_or(|part| {
                entry.id().is_some_and(|id| named(id, part))
                    || row.title.as_deref().is_some_and(|title| named(title, part))
            })
    }
}

/// `{milliseconds}.{session id}`; opaque to clients.
impl std::fmt::Display for ListCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.created_at_ms, self.id)
    }
}

impl std::str::FromStr for ListCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (created_at_ms, id) = text.split_once('.').ok_or(())?;
        Ok(Self { created_at_ms: created_at_ms.parse().map_err(|_| ())?, id: id.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_sessions_protocol::{ContentType, Offset, Retention};
    use durable_sessions_storage::Lifetime;

    fn directory(max: usize) -> Directory {
        Directory::new(max)
    }

    fn head(stream_id: u64, version: u64, created_at_ms: i64, title: &str) -> StreamHead {
        let row = SessionRow { title: Some(title.to_owned()), ..SessionRow::new(None) };
        StreamHead {
            stream_id,
            content_type: ContentType::json(),
            first_offset: Offset::ZERO,
            next_offset: Offset::ZERO,
            closed: false,
            lifetime: Lifetime::Unlimited,
            retention: Retention::NONE,
            created_at_ms,
            updated_at_ms: created_at_ms,
            forked_from: None,
            attributes: Some(row.encode()),
            attributes_version: version,
        }
    }

    fn path(id: &str) -> StreamPath {
        path_of(&id.parse().unwrap())
    }

    fn ids(page: &ListPage) -> Vec<&str> {
        page.entries.iter().filter_map(|entry| entry.id()).collect()
    }

    #[test]
    fn pages_join_to_the_whole_list_newest_first() {
        let directory = directory(100);
        for n in 0..10u64 {
            // Two of each millisecond.
            directory.put(
                &path(&format!("s{n}")),
                &head(n, 1, (n / 2) as i64, if n % 2 == 0 { "Even" } else { "odd" }),
            );
        }
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = directory.page(&Filter::default(), after.as_ref(), 3, |_| true);
            found.extend(ids(&page).iter().map(|id| (*id).to_owned()));
            // As it goes over the wire.
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(found, ["s8", "s9", "s6", "s7", "s4", "s5", "s2", "s3", "s0", "s1"]);
        let even =
            Filter { search: Some("even".into()), from_ms: Some(1), to_ms: Some(3), ..Filter::default() };
        assert_eq!(ids(&directory.page(&even, None, 10, |_| true)), ["s6", "s4", "s2"]);
        assert_eq!(
            ids(&directory.page(&Filter::default(), None, 10, |entry| entry.id() == Some("s3"))),
            ["s3"]
        );
        let last = directory.page(&Filter::default(), None, 10, |_| true);
        assert!(last.next.is_none());
    }

    #[test]
    fn a_long_scan_stops_and_goes_on_where_it_was() {
        let directory = directory(100);
        for n in 0..=SCAN_MAX as u64 {
            directory.put(&path(&format!("s{n}")), &head(n, 1, n as i64, "x"));
        }
        let oldest = |entry: &Entry| entry.id() == Some("s0");
        let first = directory.page(&Filter::default(), None, 10, oldest);
        assert!(first.entries.is_empty());
        let second = directory.page(&Filter::default(), first.next.as_ref(), 10, oldest);
        assert_eq!(ids(&second), ["s0"]);
    }

    #[test]
    fn what_is_older_changes_nothing() {
        let directory = directory(2);
        let at = path("a");
        directory.put(&at, &head(7, 2, 5, "new"));
        directory.put(&at, &head(7, 1, 5, "old"));
        directory.remove(&at, 6);
        assert_eq!(directory.get(&at).unwrap().row.title.as_deref(), Some("new"));
        directory.put(&at, &head(8, 1, 6, "again"));
        assert_eq!(directory.all().len(), 1);
        assert!(!directory.is_full());
        directory.put(&path("b"), &head(9, 1, 6, "b"));
        assert!(directory.is_full());
        directory.remove(&at, 8);
        assert_eq!(ids(&directory.page(&Filter::default(), None, 10, |_| true)), ["b"]);
    }
}
