//! The embedded engine: a log of our own in front of a sorted tree, in a directory. Must not know what it stores.
//!
//! ```text
//!   commit --> log: one frame, one write, one fdatasync              streams-log/N.log
//!          --> memory: the segment's changes by key                  --. as one sorted run, in the background
//!                                                                      v
//!   read   --> memory: active segment, complete segments --> tree (fjall)   streams/
//! ```
//!
//! An append waits for a log and for nothing else: sorting, tables and merges are done later and in bulk. When a
//! segment is complete (`StoreOptions::log_segment_bytes`), a thread writes what it holds as one sorted run straight into tables of the tree
//! and makes it part of the tree in one step, together with the number of the next segment; then memory forgets
//! the segment and its file is deleted. Opening reads the segments from that number on. Doing it twice does no
//! harm: the log holds changes in order, and the last one of a key counts.
//!
//! | what is bounded | by | when it is reached |
//! |---|---|---|
//! | memory, and files of the log | 3 complete segments beside the active one | commits wait, the queue fills, appends are refused as overloaded |
//! | runs in the tree that wait for being merged | 24 | the handover waits |
//! | changes without sync, which wait for the next commit | 1 MiB | they are synced |
//! | the disk | `StoreOptions::disk_free_bytes_min` left | appends and creations are refused as full; deletions, trims and merges use the rest |
//!
//! A rejected alternative is the tree alone, with its own journal, as it was before. On one busy machine, 256 appends
//! at a time over 10,000 streams, it took 12.8 us of processor time per append; this takes 4.7, and a bare log file
//! 4.4 to 5.0 (see `benches/append.rs`). About 3 us of the difference came with the log; 5 more by what surrounds it:
//! windows only for streams that are read (`local/window.rs`; rows of others are read from the memory here), answers
//! in parcels (`local/delivery.rs`), a queue that is swapped instead of emptied.

mod disk;
#[cfg(any(test, feature = "faults"))]
pub mod faults;
mod handover;
pub(crate) mod log;
mod logged;
mod lookup;
mod loss;
mod memory;
mod recent;
#[cfg(test)]
mod tests;
mod tree;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::local::LocalStore;
use crate::{OpenError, StoreOptions};

use disk::Disk;
use logged::{LoggedEngine, Sizes};

/// Streams in a directory of this machine.
#[derive(Debug)]
pub enum EmbeddedStore {}

impl EmbeddedStore {
    /// Opens the store in `dir`, creating it when it is not there. Waits for the disk.
    ///
    /// # Errors
    /// [`OpenError`]; a directory that another process has open is [`OpenError::Locked`].
    pub fn open(dir: &Path, options: StoreOptions) -> Result<LocalStore, OpenError> {
        #[cfg(feature = "faults")]
        if let Some(faults) = crate::plant::disk_faults(dir) {
            return Self::open_on(&Disk::failing(Arc::new(faults)), dir, options);
        }
        Self::open_on(&Disk::default(), dir, options)
    }

    /// As [`EmbeddedStore::open`], with files that fail as `faults` says.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    #[cfg(any(test, feature = "faults"))]
    pub fn open_failing(
        dir: &Path,
        options: StoreOptions,
        faults: Arc<faults::Faults>,
    ) -> Result<LocalStore, OpenError> {
        Self::open_on(&Disk::failing(faults), dir, options)
    }

    /// The engine alone, for copies and checks of what it holds.
    pub(crate) fn open_engine(dir: &Path) -> Result<Arc<dyn crate::engine::Engine>, OpenError> {
        Ok(Arc::new(Self::engine(&Disk::default(), dir, &StoreOptions::default())?))
    }

    /// Whether a store was ever made in this directory.
    pub(crate) fn is_in(dir: &Path) -> bool {
        dir.join(Directory::TREE).exists() || dir.join(Directory::LOG).exists()
    }

    fn engine(disk: &Disk, dir: &Path, options: &StoreOptions) -> Result<LoggedEngine, OpenError> {
        let sizes = Sizes {
            segment_bytes_max: options.log_segment_bytes,
            complete_segments_max: COMPLETE_SEGMENTS_MAX,
            cache_bytes: options.block_cache_bytes,
            free_bytes_min: options.disk_free_bytes_min,
        };
        LoggedEngine::open(Directory::lock(dir)?, sizes, disk)
    }

    fn open_on(disk: &Disk, dir: &Path, options: StoreOptions) -> Result<LocalStore, OpenError> {
        let engine = Self::engine(disk, dir, &options)?;
        LocalStore::open(Arc::new(engine), options)
    }
}

const COMPLETE_SEGMENTS_MAX: usize = 3;

/// The directories of a store, locked. The lock is given back by the system when the process ends, however it ends.
struct Directory {
    root: PathBuf,
    tree: PathBuf,
    log: PathBuf,
    _lock: File,
}

impl Directory {
    /// Below the data directory, so that other things can live beside it.
    const TREE: &str = "streams";
    const LOG: &str = "streams-log";
    /// Beside the tree's own lock, because the log is looked at before that is taken.
    const LOCK: &str = "streams.lock";

    fn lock(root: &Path) -> Result<Self, OpenError> {
        let (tree, log) = (root.join(Self::TREE), root.join(Self::LOG));
        let is_new = !root.exists();
        for path in [&tree, &log] {
            std::fs::create_dir_all(path).map_err(|source| directory_error(path, source))?;
        }
        let path = root.join(Self::LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| directory_error(&path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: root.display().to_string() });
            }
            Err(TryLockError::Error(source)) => return Err(directory_error(&path, source)),
        }
        let sync = |path: &Path| {
            let synced = File::open(path).and_then(|directory| directory.sync_all());
            synced.map_err(|source| directory_error(path, source))
        };
        sync(root)?;
        // Of an older directory the entry is durable, and its parent may be none that this process can open.
        if let Some(parent) = root.parent().filter(|parent| is_new && !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
        Ok(Self { root: root.to_owned(), tree, log, _lock: file })
    }
}

fn directory_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Directory { path: path.display().to_string(), source }
}
