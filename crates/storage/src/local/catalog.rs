//! Which streams there are, by path. Must not know what is in them.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use durable_sessions_protocol::StreamPath;

use super::stream::Stream;

/// Published streams: hashed for lookups, which are frequent, and in order for lists.
#[derive(Default)]
pub(super) struct Catalog(RwLock<Maps>);

#[derive(Default)]
struct Maps {
    by_path: HashMap<StreamPath, Arc<Stream>>,
    in_order: BTreeMap<PathKey, Arc<Stream>>,
}

/// Orders as its text, so that a prefix that is no path itself can be looked for.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PathKey(StreamPath);

impl Borrow<str> for PathKey {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl Catalog {
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, path: &StreamPath) -> Option<Arc<Stream>> {
        self.read().by_path.get(path).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.read().by_path.len()
    }

    pub(super) fn insert(&self, stream: &Arc<Stream>) {
        let mut maps = self.write();
        maps.by_path.insert(stream.path.clone(), Arc::clone(stream));
        maps.in_order.insert(PathKey(stream.path.clone()), Arc::clone(stream));
    }

    /// Removes the stream unless another one lives at its path by now.
    pub(super) fn remove(&self, stream: &Stream) {
        let mut maps = self.write();
        if maps.by_path.get(&stream.path).is_some_and(|there| there.id == stream.id) {
            maps.by_path.remove(&stream.path);
            maps.in_order.remove(stream.path.as_str());
        }
    }

    /// Below which position of each of these streams its forks branch off. Looks at every stream there is, once.
    pub(super) fn forked_below(&self, sources: &[Arc<Stream>]) -> HashMap<u64, u64> {
        let mut below: HashMap<u64, u64> = sources.iter().map(|source| (source.id, 0)).collect();
        let maps = self.read();
        for parent in maps.by_path.values().filter_map(|stream| stream.parent.as_deref()) {
            if let Some(below) = below.get_mut(&parent.source.id) {
                *below = parent.position.max(*below);
            }
        }
        below
    }

    /// Up to `limit` streams after `after` whose path starts with `prefix`.
    pub(super) fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<Stream>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let maps = self.read();
        let range = maps.in_order.range::<str, _>((from, Bound::Unbounded));
        let matching = range.take_while(|(path, _)| path.0.as_str().starts_with(prefix));
        matching.take(limit).map(|(_, stream)| Arc::clone(stream)).collect()
    }
}
