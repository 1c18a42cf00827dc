//! The engine: a commit goes to the log and into memory, and from there to the tree in the background. Must not
//! know what keys mean.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use super::Directory;
use super::disk::Disk;
use super::handover::{Handover, LAST_KEY, Progress};
use super::log::{self, Log, Recovered, RecoveryError, WriteError};
use super::lookup::{self, Lookup};
use super::memory::Memory;
use super::recent::{Ascending, Recent, merged};
use super::tree::{self, Tree};
use crate::engine::{Engine, EngineError, Entries, Snapshot, Visit, Writes, is_whole_run};
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
    /// Free space below which nothing is taken that does not give something back.
    pub(super) free_bytes_min: u64,
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
    disk: Disk,
    log_dir: PathBuf,
    free_bytes_min: u64,
}

/// What readers, the committer and the handover share.
pub(super) struct Shared {
    pub(super) memory: RwLock<Memory>,
    /// `None` once closed. The lock of the directory goes with it.
    place: RwLock<Option<Place>>,
    pub(super) progress: Progress,
    cache_bytes: u64,
}

struct Place {
    /// `None` while it cannot be opened again.
    tree: Option<Tree>,
    directory: Directory,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoggedEngine {
    pub(super) fn open(directory: Directory, sizes: Sizes, disk: &Disk) -> Result<Self, OpenError> {
        let log_dir = directory.log.clone();
        let (tree, log, memory) = open_all(&directory, sizes, disk)?;
        let shared = Arc::new(Shared {
            progress: Progress::new(memory.complete().len(), sizes.complete_segments_max),
            memory: RwLock::new(memory),
            place: RwLock::new(Some(Place { tree: Some(tree), directory })),
            cache_bytes: sizes.cache_bytes,
        });
        let handover = Handover { shared: Arc::clone(&shared), disk: disk.clone(), log_dir: log_dir.clone() };
        let thread = std::thread::Builder::new()
            .name("store-handover".into())
            .spawn(move || handover.run())
            .map_err(|error| OpenError::Engine(format!("cannot start the handover: {error}")))?;
        let free_bytes_min = sizes.free_bytes_min;
        let sync_micros = Arc::clone(log.sync_micros());
        let writer = Writer { log, deferred: Vec::new(), disk: disk.clone(), log_dir, free_bytes_min };
        let (writer, handover) = (Mutex::new(Some(writer)), Mutex::new(Some(thread)));
        Ok(Self { shared, writer, handover, sync_micros })
    }

    #[cfg(test)]
    pub(super) fn reopen_tree(&self) -> Result<(), OpenError> {
        self.shared.reopen_tree()
    }

    #[cfg(test)]
    pub(super) fn deferred_bytes(&self) -> usize {
        lock(&self.writer).as_ref().map_or(0, |writer| writer.deferred.len())
    }

    fn with<T>(&self, read: impl FnOnce(&Lookup<'_>) -> Result<T, fjall::Error>) -> Result<T, EngineError> {
        let found = self.shared.with_tree(|tree| read(&Lookup { memory: &self.shared.memory, tree }));
        match found {
            Some(found) => found.map_err(|error| engine_error(&error)),
            None => Err(closed()),
        }
    }
}

/// Tells damage and a full disk from everything else.
pub(super) fn engine_error(error: &fjall::Error) -> EngineError {
    use fjall::Error;
    let is_full = |source: &std::io::Error| source.kind() == std::io::ErrorKind::StorageFull;
    match error {
        Error::Io(source) if is_full(source) => EngineError::Full(source.to_string()),
        Error::Storage(inner) => match std::error::Error::source(inner) {
            Some(source) => match source.downcast_ref::<std::io::Error>() {
                Some(source) if is_full(source) => EngineError::Full(source.to_string()),
                Some(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                    EngineError::Damaged(error.to_string())
                }
                _ => EngineError::Failed(error.to_string()),
            },
            None => EngineError::Damaged(error.to_string()),
        },
        Error::InvalidTrailer | Error::InvalidTag(_) | Error::Decompress(_) => {
            EngineError::Damaged(error.to_string())
        }
        other => EngineError::Failed(other.to_string()),
    }
}

fn log_error(error: &WriteError) -> EngineError {
    match error {
        WriteError::Full => EngineError::Full(error.to_string()),
        WriteError::Failed(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            EngineError::Failed(format!("the disk was full while the log was synced: {source}"))
        }
        WriteError::Failed(source) => EngineError::Failed(format!("cannot write the log: {source}")),
    }
}

fn closed() -> EngineError {
    EngineError::Failed("the store is shut down".into())
}

/// The tree, the log behind it, and what of the log is not in the tree.
fn open_all(directory: &Directory, sizes: Sizes, disk: &Disk) -> Result<(Tree, Log, Memory), OpenError> {
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
    let tree = match Tree::open(&directory.tree, sizes.cache_bytes) {
        Err(error) if tree::is_about_journal(&error) => {
            let kept = tree::set_journals_aside(&directory.tree).map_err(io_failed)?;
            if kept.is_empty() {
                return Err(tree_failed(error));
            }
            tracing::warn!(
                id = "STORE-JOURNAL-SET-ASIDE",
                %error,
                kept = ?kept,
                "a journal of the tree is damaged; nothing of the store is ever in one, so it is set aside"
            );
            Tree::open(&directory.tree, sizes.cache_bytes)
        }
        opened => opened,
    };
    let tree = tree.map_err(tree_failed)?;
    let mut memory = Memory::default();
    let log = match tree.first_segment().map_err(tree_failed)? {
        Some(first) => {
            let recovered = log::recover(disk, &directory.log, first, sizes.segment_bytes_max);
            let Recovered { log, segments } = recovered.map_err(|error| match error {
                RecoveryError::Io(_) => log_failed(error),
                damage => damaged(&damage, &tree, directory, first),
            })?;
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
            let log =
                Log::create(disk.clone(), &directory.log, sizes.segment_bytes_max).map_err(io_failed)?;
            // From here on the two belong together: neither is opened without the other.
            tree.add_run(0, &mut std::iter::empty()).map_err(tree_failed)?;
            log
        }
    };
    Ok((tree, log, memory))
}

/// Says what is damaged, and what is missing for it.
fn damaged(damage: &RecoveryError, tree: &Tree, directory: &Directory, first: u64) -> OpenError {
    let missing = match log::sides(&directory.log, first) {
        Ok(sides) => super::loss::describe(tree, &sides),
        Err(error) => format!("unknown, the log cannot be read: {error}"),
    };
    tracing::error!(id = "STORE-LOG-DAMAGED", %damage, missing, "acknowledged data is damaged; a person has to look");
    OpenError::Engine(format!("{damage}; missing: {missing}"))
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
    /// `None` once closed, or while the tree cannot be opened again.
    pub(super) fn with_tree<T>(&self, work: impl FnOnce(&Tree) -> T) -> Option<T> {
        let place = self.place.read().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().and_then(|place| place.tree.as_ref()).map(work)
    }

    /// Opens the tree again, in place of one that takes nothing any more. Readers wait meanwhile.
    pub(super) fn reopen_tree(&self) -> Result<(), OpenError> {
        let mut place = self.place.write().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = place.as_mut() else { return Ok(()) };
        // Its own lock has to be given back first.
        drop(place.tree.take());
        let opened = Tree::open(&place.directory.tree, self.cache_bytes);
        place.tree = Some(opened.map_err(|error| tree_error(&place.directory, error))?);
        Ok(())
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
        let len = self.deferred.len() + writes.len();
        if self.log.is_full_for(len) {
            match self.rotate(shared) {
                // What gives something back may still fit.
                Err(EngineError::Full(_)) if self.log.has_space_for(len) => {}
                rotated => rotated?,
            }
        }
        let group = self.log.append(&[&self.deferred, writes]).map_err(|error| log_error(&error))?;
        self.deferred.clear();
        shared.change_memory(|memory| memory.add(group));
        Ok(())
    }

    fn rotate(&mut self, shared: &Shared) -> Result<(), EngineError> {
        shared.progress.wait_for_room()?;
        let complete = self.log.rotate().map_err(|error| log_error(&error))?;
        // Counted before the handover can see it, or it would take off more than there is.
        shared.change_memory(|memory| {
            shared.progress.completed();
            memory.complete_active(complete);
        });
        Ok(())
    }

    /// Bytes that may be taken, at once: what is free beyond what is kept.
    fn room_bytes(&mut self) -> u64 {
        if !matches!(self.log.is_full(), Ok(false)) {
            return 0;
        }
        // Where that cannot be asked, writing will show it.
        self.disk.free_bytes(&self.log_dir).map_or(u64::MAX, |free| free.saturating_sub(self.free_bytes_min))
    }
}

/// An opening that fails later must leave neither the thread nor the lock behind.
impl Drop for LoggedEngine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Complete segments, the newest first, and the tree as it was.
struct Frozen {
    segments: Vec<Arc<Recent>>,
    tree: Box<dyn Iterator<Item = Result<(fjall::UserKey, fjall::UserValue), fjall::Error>> + Send>,
}

impl Snapshot for Frozen {
    fn scan(self: Box<Self>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let sources =
            self.segments.iter().map(|segment| Box::new(segment.range(&[], LAST_KEY)) as Ascending<'_>);
        let mut changes = merged(sources.collect()).peekable();
        let recent = |place, number: usize| self.segments[number].owned_value(place);
        for entry in self.tree {
            let (key, value) = entry.map_err(|error| engine_error(&error))?;
            while let Some((changed, place, number)) = changes.next_if(|(changed, ..)| **changed < *key) {
                if recent(place, number).is_some_and(|value| visit(&changed, value).is_break()) {
                    return Ok(());
                }
            }
            let value = match changes.next_if(|(changed, ..)| **changed == *key) {
                Some((_, place, number)) => recent(place, number),
                None => Some(bytes::Bytes::from_owner(value)),
            };
            if value.is_some_and(|value| visit(&key, value).is_break()) {
                return Ok(());
            }
        }
        for (changed, place, number) in changes {
            if recent(place, number).is_some_and(|value| visit(&changed, value).is_break()) {
                return Ok(());
            }
        }
        Ok(())
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
        lock(&self.writer).as_mut().map(Writer::room_bytes)
    }

    fn recover(&self) -> Result<(), EngineError> {
        let mut writer = lock(&self.writer);
        let writer = writer.as_mut().ok_or_else(closed)?;
        writer
            .log
            .repair()
            .map_err(|error| EngineError::Failed(format!("cannot repair the log: {error}")))?;
        self.shared.progress.check()
    }

    fn commit(&self, writes: &Writes, sync: bool) -> Result<(), EngineError> {
        let mut writer = lock(&self.writer);
        let writer = writer.as_mut().ok_or_else(closed)?;
        #[cfg(feature = "faults")]
        if sync && crate::plant::strikes(crate::plant::Plant::DropAck) {
            self.shared.change_memory(|memory| memory.add(bytes::Bytes::copy_from_slice(writes.encoded())));
            return Ok(());
        }
        if sync {
            return writer.append(&self.shared, writes.encoded());
        }
        if writer.deferred.len() + writes.encoded().len() > DEFERRED_BYTES_MAX {
            return writer.append(&self.shared, writes.encoded());
        }
        writer.deferred.extend_from_slice(writes.encoded());
        self.shared.change_memory(|memory| memory.add(bytes::Bytes::copy_from_slice(writes.encoded())));
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let mut writer = lock(&self.writer);
        let writer = writer.as_mut().ok_or_else(closed)?;
        if !self.shared.memory().active_is_empty() {
            // Nothing changes in a complete segment any more.
            writer.rotate(&self.shared)?;
        }
        // In this order: a segment leaves memory after the tree has it.
        let segments = self.shared.memory().complete().into_iter().map(|(_, segment)| segment).collect();
        let tree = self.shared.with_tree(|tree| tree.range(&[], LAST_KEY)).ok_or_else(closed)?;
        Ok(Box::new(Frozen { segments, tree: Box::new(tree) }))
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
        drop(self.shared.place.write().unwrap_or_else(PoisonError::into_inner).take());
        self.shared.change_memory(|memory| *memory = Memory::default());
    }
}
