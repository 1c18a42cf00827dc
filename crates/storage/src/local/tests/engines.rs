//! Engines for tests: one that fails or waits on demand.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use bytes::Bytes;

use crate::Durability;
use crate::engine::{Engine, EngineError, Entries, Visit, Writes};
use crate::local::lock;
use crate::memory::MemoryEngine;

/// The memory engine, but commits fail or panic while told to, and wait while held. What it holds outlives a
/// store, so that it can be opened again.
pub(super) struct Fickle {
    pub(super) below: MemoryEngine,
    pub(super) fails: AtomicBool,
    pub(super) panics: AtomicBool,
    pub(super) commits: AtomicUsize,
    /// Ranges that were read, and those of which only the last entry was asked for.
    pub(super) scans: AtomicUsize,
    pub(super) lasts: AtomicUsize,
    held: Mutex<bool>,
    released: Condvar,
}

impl Fickle {
    pub(super) fn new() -> Self {
        Self {
            below: MemoryEngine::new(u64::MAX),
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            commits: AtomicUsize::new(0),
            scans: AtomicUsize::new(0),
            lasts: AtomicUsize::new(0),
            held: Mutex::new(false),
            released: Condvar::new(),
        }
    }

    pub(super) fn hold(&self) {
        *lock(&self.held) = true;
    }

    pub(super) fn release(&self) {
        *lock(&self.held) = false;
        self.released.notify_all();
    }

    /// Changes a stored value behind the store's back.
    pub(super) fn damage(&self, key: &[u8]) {
        let mut value = self.below.get(key).unwrap().unwrap().to_vec();
        let last = value.len() - 1;
        value[last] ^= 1;
        let mut writes = Writes::default();
        writes.put(key, |to| to.extend_from_slice(&value));
        self.below.commit(&writes, true).unwrap();
    }
}

impl Entries for Fickle {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.below.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        self.below.scan(from, to, visit)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, Bytes)>, EngineError> {
        self.lasts.fetch_add(1, Ordering::SeqCst);
        self.below.last(from, to)
    }
}

impl Engine for Fickle {
    fn durability(&self) -> Durability {
        Durability::Synced
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn room_bytes(&self) -> Option<u64> {
        None
    }

    fn commit(&self, writes: &Writes, sync: bool) -> Result<(), EngineError> {
        let mut held = lock(&self.held);
        while *held {
            held = self.released.wait(held).unwrap();
        }
        drop(held);
        assert!(!self.panics.load(Ordering::SeqCst), "the engine has a bug");
        if self.fails.load(Ordering::SeqCst) {
            return Err(EngineError::Failed("the disk is on fire".into()));
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.below.commit(writes, sync)
    }

    fn recover(&self) -> Result<(), EngineError> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(EngineError::Failed("the disk is still on fire".into())),
            false => Ok(()),
        }
    }

    fn close(&self) {}
}
