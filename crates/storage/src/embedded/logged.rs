//! The engine: a commit goes to the log and into memory, and from there to the tree in the background. Must not
//! know what keys mean.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use super::Directory;
use super::handover::{Handover, Progress};
use super::log::{self, Log, Recovered, RecoveryError};
use super::lookup::{self, Lookup};
use super::memory::Memory;
use super::tree::{self, Tree};
use crate::engine::{Engine, EngineError, Entries, Visit, Writes, is_whole_run};
use crate::layout::FORMAT;
use crate::stats::Recorder;
use crate::{Distribution, Durability, OpenError};

/// Sizes, which tests choose small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// A segment is complete when the next group would make it longer.
    pub(super) segment_bytes_max: u64,
    /// Complete segments that are not in the tree yet; a commit that would make one more waits.
    pub(super) complete_segments_max: usize,
    /// Of the tree's cache of blocks.
    pub(super) cache_bytes: u64,
}

/// Changes without sync wait for the next commit with one, but no more bytes than this.
const DEFERRED_BYTES_MAX: usize = 1 << 20;

pub(super) struct LoggedEngine {
    shared: Arc<Shared>,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    handover: Mutex<Option<JoinHandle<()>>>,
    sync_micros: Arc<Recorder>,
}

/// What the committer writes with.
struct Writer {
    log: Log,
    /// Changes that are in memory and not in the log. They lead the next frame: a frame that is not synced must be
    /// the last one, or its loss would look like damage of what follows.
    deferred: Vec<u8>,
}

/// What readers, the committer and the handover share.
pub(super) struct Shared {
    pub(super) memory: RwLock<Memory>,
    /// `None` once closed. The lock of the directory goes with it.
    tree: RwLock<Option<(Tree, Directory)>>,
    pub(super) progress: Progress,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoggedEngine {
    pub(super) fn open(directory: Directory, sizes: Sizes) -> Result<Self, OpenError> {
        let log_dir = directory.log.clone();
        let (tree, log, memory) = open_all(&directory, sizes)?;
        let shared = Arc::new(Shared {
            progress: Progress::new(memory.complete().len(), sizes.complete_segments_max),
            memory: RwLock::new(memory),
            tree: RwLock::new(Some((tree, directory))),
        });
        let handover = Handover { shared: Arc::clone(&shared), log_dir };
        let thread = std::thread::Builder::new()
            .name("store-handover".into())
            .spawn(move || handover.run())
            .map_err(|error| OpenError::Engine(format!("cannot start the handover: {error}")))?;
        let sync_micros = Arc::clone(log.sync_micros());
        let writer = Writer { log, deferred: Vec::new() };
        let (writer, handover) = (Mutex::new(Some(writer)), Mutex::new(Some(thread)));
        Ok(Self { shared, writer, handover, sync_micros })
    }

    #[cfg(test)]
    pub(super) fn deferred_bytes(&self) -> usize {
        lock(&self.writer).as_ref().map_or(0, |writer| writer.deferred.len())
    }

    fn with<T>(&self, read: impl FnOnce(&Lookup<'_>) -> Result<T, fjall::Error>) -> Result<T, EngineError> {
        let found = self.shared.with_tree(|tree| read(&Lookup { memory: &self.shared.memory, tree }));
        match found {
            Some(found) => found.map_err(|error| EngineError(error.to_string())),
            None => Err(closed()),
        }
    }
}

fn closed() -> EngineError {
    EngineError("the store is shut down".into())
}

/// The tree, the log behind it, and what of the log is not in the tree.
fn open_all(directory: &Directory, sizes: Sizes) -> Result<(Tree, Log, Memory), OpenError> {
    let tree_failed = |error: fjall::Error| tree_error(directory, error);
    let log_failed = |error: RecoveryError| match error {
        RecoveryError::Io(source) => super::directory_error(&directory.log, source),
        other => OpenError::Engine(other.to_string()),
    };
    let io_failed = |source| super::directory_error(&directory.root, source);
    if !log::exists(&directory.log).map_err(io_failed)? {
        tree::clear_unfinished_creation(&directory.tree).map_err(io_failed)?;
        if tree::has_journal(&directory.tree).map_err(io_failed)? {
            return Err(before_the_log());
        }
    }
    let tree = Tree::open(&directory.tree, sizes.cache_bytes).map_err(tree_failed)?;
    let mut memory = Memory::default();
    let log = match tree.first_segment().map_err(tree_failed)? {
        Some(first) => {
            let Recovered { log, segments } =
                log::recover(&directory.log, first, sizes.segment_bytes_max).map_err(log_failed)?;
            let active = segments.last().map(|(number, _)| *number);
            for (number, groups) in segments {
                for group in groups {
                    if !is_whole_run(&group) {
                        return Err(OpenError::Engine(format!(
                            "a group of log segment {number} cannot be read"
                        )));
                    }
                    memory.add(group);
                }
                if Some(number) != active {
                    memory.complete_active(number);
                }
            }
            log
        }
        None if !tree.is_empty().map_err(tree_failed)? => return Err(before_the_log()),
        None => {
            log::clear_unfinished_creation(&directory.log).map_err(log_failed)?;
            let log = Log::create(&directory.log, sizes.segment_bytes_max).map_err(io_failed)?;
            // From here on the two belong together: neither is opened without the other.
            tree.add_run(0, &mut std::iter::empty()).map_err(tree_failed)?;
            log
        }
    };
    Ok((tree, log, memory))
}

/// A directory in which the tree had a journal, and there was no log.
fn before_the_log() -> OpenError {
    OpenError::Format { found: "1".into(), supported: FORMAT }
}

fn tree_error(directory: &Directory, error: fjall::Error) -> OpenError {
    match error {
        fjall::Error::Locked => OpenError::Locked { path: directory.root.display().to_string() },
        fjall::Error::Io(source) => super::directory_error(&directory.tree, source),
        fjall::Error::InvalidVersion(found) => {
            OpenError::Format { found: format!("engine {found:?}"), supported: FORMAT }
        }
        other => OpenError::Engine(other.to_string()),
    }
}

impl Shared {
    /// `None` once closed.
    pub(super) fn with_tree<T>(&self, work: impl FnOnce(&Tree) -> T) -> Option<T> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.as_ref().map(|(tree, _)| work(tree))
    }

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change_memory<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Writer {
    /// Writes all that is deferred and `writes` as one frame, in a new segment when the active one is full.
    fn append(&mut self, shared: &Shared, writes: &[u8]) -> Result<(), EngineError> {
        let failed = |error: std::io::Error| EngineError(format!("cannot write the log: {error}"));
        shared.progress.check()?;
        if self.log.is_full_for(self.deferred.len() + writes.len()) {
            shared.progress.wait_for_room()?;
            let complete = self.log.rotate().map_err(failed)?;
            // Counted before the handover can see it, or it would take off more than there is.
            shared.change_memory(|memory| {
                shared.progress.completed();
                memory.complete_active(complete);
            });
        }
        let group = self.log.append(&[&self.deferred, writes]).map_err(failed)?;
        self.deferred.clear();
        shared.change_memory(|memory| memory.add(group));
        Ok(())
    }
}

/// An opening that fails later must leave neither the thread nor the lock behind.
impl Drop for LoggedEngine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Memory alone, which is never waited for.
impl Entries for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, EngineError> {
        Ok(self.memory().find(key).flatten())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        lookup::scan_memory(&self.memory, from, to, visit);
        Ok(())
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, bytes::Bytes)>, EngineError> {
        Ok(self.memory().last(from, to).and_then(|(key, value)| Some((key, value?))))
    }
}

impl Entries for LoggedEngine {
    fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, EngineError> {
        self.with(|both| both.get(key))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.with(|both| both.scan(from, to, visit))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, bytes::Bytes)>, EngineError> {
        self.with(|both| both.last(from, to))
    }
}

impl Engine for LoggedEngine {
    fn durability(&self) -> Durability {
        Durability::Synced
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn recent(&self) -> Option<&dyn Entries> {
        Some(&*self.shared)
    }

    fn sync_micros(&self) -> Distribution {
        self.sync_micros.distribution()
    }

    fn room_bytes(&self) -> Option<u64> {
        None
    }

    fn commit(&self, writes: &Writes, sync: bool) -> Result<(), EngineError> {
        let mut writer = lock(&self.writer);
        let writer = writer.as_mut().ok_or_else(closed)?;
        if sync {
            return writer.append(&self.shared, writes.encoded());
        }
        writer.deferred.extend_from_slice(writes.encoded());
        self.shared.change_memory(|memory| memory.add(bytes::Bytes::copy_from_slice(writes.encoded())));
        if writer.deferred.len() > DEFERRED_BYTES_MAX {
            return writer.append(&self.shared, &[]);
        }
        Ok(())
    }

    fn close(&self) {
        self.shared.progress.stop();
        if let Some(thread) = lock(&self.handover).take() {
            // A panic of the thread has been reported when it happened.
            drop(thread.join());
        }
        if let Some(mut writer) = lock(&self.writer).take()
            && !writer.deferred.is_empty()
            && let Err(error) = writer.append(&self.shared, &[])
        {
            tracing::error!(id = "STORE-CLOSE-FAILED", %error, "the last sync failed");
        }
        drop(self.shared.tree.write().unwrap_or_else(PoisonError::into_inner).take());
        self.shared.change_memory(|memory| *memory = Memory::default());
    }
}
