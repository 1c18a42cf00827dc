//! The files of the log, and the space below them. Must not know what is in them.
//!
//! This is where tests, and builds with the feature `faults`, make files fail; any other build has nothing of that.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
#[cfg(any(test, feature = "faults"))]
use std::path::PathBuf;
#[cfg(any(test, feature = "faults"))]
use std::sync::Arc;

#[cfg(any(test, feature = "faults"))]
use super::faults::{Call, Faults};

/// Where files are made and opened.
#[derive(Clone, Default)]
pub(super) struct Disk {
    #[cfg(any(test, feature = "faults"))]
    faults: Option<Arc<Faults>>,
}

/// A file that is written to at given places.
pub(super) struct DiskFile {
    file: File,
    #[cfg(any(test, feature = "faults"))]
    watched: Option<(Arc<Faults>, PathBuf)>,
}

impl Disk {
    #[cfg(any(test, feature = "faults"))]
    pub(super) fn failing(faults: Arc<Faults>) -> Self {
        Self { faults: Some(faults) }
    }

    fn file(&self, path: &Path, file: File) -> DiskFile {
        #[cfg(not(any(test, feature = "faults")))]
        let _ = path;
        DiskFile {
            file,
            #[cfg(any(test, feature = "faults"))]
            watched: self.faults.clone().map(|faults| (faults, path.to_owned())),
        }
    }

    /// A new empty file; one that is there is emptied.
    pub(super) fn create(&self, path: &Path) -> io::Result<DiskFile> {
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.before(Call::Create, path)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(self.file(path, file))
    }

    /// A new empty file, where none is.
    pub(super) fn create_new(&self, path: &Path) -> io::Result<DiskFile> {
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.before(Call::Create, path)?;
        }
        Ok(self.file(path, OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    /// A file that is there, for writing.
    pub(super) fn open(&self, path: &Path) -> io::Result<DiskFile> {
        Ok(self.file(path, OpenOptions::new().write(true).open(path)?))
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)?;
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.renamed(from, to);
        }
        Ok(())
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.removed(path);
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_directory(&self, dir: &Path) -> io::Result<()> {
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.before(Call::SyncDirectory, dir)?;
        }
        File::open(dir)?.sync_all()?;
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.directory_synced(dir);
        }
        Ok(())
    }

    /// Bytes that an ordinary user may still write below this directory.
    pub(super) fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        #[cfg(any(test, feature = "faults"))]
        if let Some(free) = self.faults.as_ref().and_then(|faults| faults.free_bytes()) {
            return Ok(free);
        }
        let space = rustix::fs::statvfs(dir)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Whether the tree may take a run, for tests in which it may not.
    pub(super) fn before_run(&self) -> io::Result<()> {
        #[cfg(any(test, feature = "faults"))]
        if let Some(faults) = &self.faults {
            faults.before(Call::Run, Path::new(""))?;
        }
        Ok(())
    }
}

impl DiskFile {
    /// Writes all of it at this place; after an error any part may be there.
    pub(super) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(any(test, feature = "faults"))]
        if let Some((faults, path)) = &self.watched {
            let whole = faults.before_write(path, at, bytes.len());
            let (len, failure) = match whole {
                Ok(()) => (bytes.len(), None),
                Err((len, failure)) => (len, Some(failure)),
            };
            self.file.write_all_at(&bytes[..len], at)?;
            return failure.map_or(Ok(()), Err);
        }
        self.file.write_all_at(bytes, at)
    }

    /// Makes the content durable, and the length if it has changed.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.synced(File::sync_data)
    }

    /// Makes content and everything about the file durable.
    pub(super) fn sync_all(&self) -> io::Result<()> {
        self.synced(File::sync_all)
    }

    fn synced(&self, sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
        #[cfg(any(test, feature = "faults"))]
        if let Some((faults, path)) = &self.watched {
            faults.before_sync(path)?;
            sync(&self.file)?;
            faults.synced(path);
            return Ok(());
        }
        sync(&self.file)
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        #[cfg(any(test, feature = "faults"))]
        if let Some((faults, path)) = &self.watched {
            faults.cut(path, len);
        }
        self.file.set_len(len)
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
