//! The memory engine: rows in RAM up to a ceiling, gone with the process. Must not know what it stores.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;

use crate::engine::{Engine, EngineError, Entries, Visit, Writes};
use crate::local::LocalStore;
use crate::{Durability, OpenError, StoreOptions};

/// Streams in memory: for tests, demos, and streams that need not survive the process.
#[derive(Debug)]
pub enum MemoryStore {}

impl MemoryStore {
    /// An empty store.
    ///
    /// # Errors
    /// [`OpenError::Engine`] when its thread cannot be started.
    pub fn open(options: StoreOptions) -> Result<LocalStore, OpenError> {
        let engine = MemoryEngine::new(options.memory_bytes_max);
        LocalStore::open(std::sync::Arc::new(engine), options)
    }
}

/// What an entry takes beside key and value: tree node, two allocations, reference counts.
const ENTRY_BYTES: u64 = 128;

#[derive(Debug, Default)]
struct Map {
    entries: BTreeMap<Box<[u8]>, Bytes>,
    bytes: u64,
}

#[derive(Debug)]
pub(crate) struct MemoryEngine {
    map: RwLock<Map>,
    bytes_max: u64,
}

impl MemoryEngine {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { map: RwLock::default(), bytes_max }
    }
}

fn footprint(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ENTRY_BYTES
}

impl Map {
    fn remove(&mut self, key: &[u8]) {
        if let Some(value) = self.entries.remove(key) {
            self.bytes -= footprint(key, &value);
        }
    }
}

impl Entries for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).entries.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        if from < to {
            for (key, value) in map.entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))) {
                if visit(key, value.clone()) == ControlFlow::Break(()) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, Bytes)>, EngineError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        if from >= to {
            return Ok(None);
        }
        let mut range = map.entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        Ok(range.next_back().map(|(key, value)| (key.to_vec(), value.clone())))
    }
}

impl Engine for MemoryEngine {
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn is_blocking(&self) -> bool {
        false
    }

    fn room_bytes(&self) -> Option<u64> {
        let bytes = self.map.read().unwrap_or_else(PoisonError::into_inner).bytes;
        Some(self.bytes_max.saturating_sub(bytes))
    }

    fn commit(&self, writes: &Writes, _sync: bool) -> Result<(), EngineError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for write in writes.iter() {
            map.remove(write.key);
            if let Some(value) = write.value {
                map.bytes += footprint(write.key, value);
                map.entries.insert(write.key.into(), Bytes::copy_from_slice(value));
            }
        }
        Ok(())
    }

    fn close(&self) {
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Map::default();
    }
}
