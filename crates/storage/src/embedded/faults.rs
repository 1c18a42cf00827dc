//! Failing disks for tests and chaos runs: what fails, and what is left of a file when power goes. Must not know what
//! is in files.
//!
//! After a failed sync the pages it was about count as clean, as a system may take them: no later sync writes them,
//! unless they are written to again. When power is lost, every page that was not made durable is, by chance, what it
//! was when it last was durable, or what was written; so is every name of a file whose directory was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A new file.
    Create,
    /// Bytes written to a file.
    Write,
    /// A file made durable.
    Sync,
    /// The names in a directory made durable.
    SyncDirectory,
    /// A sorted run added to the tree.
    Run,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO. Of a write nothing is done; what a sync was about may be durable or not.
    Io,
    /// ENOSPC. Of a write, a half is done.
    NoSpace,
    /// EIO after half of a write.
    Short,
    /// It succeeds, but takes this long.
    Slow(Duration),
}

type Plan = dyn FnMut(Call) -> Option<Fault> + Send;

/// A disk that fails as a plan says.
pub struct Faults {
    state: Mutex<State>,
}

struct State {
    plan: Box<Plan>,
    free_bytes: Option<u64>,
    /// Only what is looked at after a loss of power is kept.
    keeps: bool,
    files: BTreeMap<PathBuf, Kept>,
    /// Not durable: a name that was changed, and a name that was removed with its content.
    renamed: Vec<(PathBuf, PathBuf)>,
    removed: Vec<(PathBuf, Vec<u8>)>,
}

/// What is known of a file that was written to.
#[derive(Default)]
struct Kept {
    /// As it was when last synced.
    durable: Vec<u8>,
    /// Pages written since.
    dirty: BTreeSet<u64>,
    /// Pages whose sync failed.
    lost: BTreeSet<u64>,
}

const PAGE_BYTES: u64 = 4_096;

impl Faults {
    /// Fails as `plan` says for each call.
    pub fn new(plan: impl FnMut(Call) -> Option<Fault> + Send + 'static) -> Self {
        let state = State {
            plan: Box::new(plan),
            free_bytes: None,
            keeps: false,
            files: BTreeMap::new(),
            renamed: Vec::new(),
            removed: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the disk says that is free, instead of the truth.
    pub fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.lock().free_bytes = free_bytes;
    }

    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.lock().free_bytes
    }

    pub(super) fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        let fault = (self.lock().plan)(call);
        match fault {
            None => Ok(()),
            Some(Fault::Slow(time)) => {
                std::thread::sleep(time);
                Ok(())
            }
            Some(fault) => Err(error(fault, call, path)),
        }
    }

    /// How many bytes to write before it fails.
    pub(super) fn before_write(&self, path: &Path, at: u64, len: usize) -> Result<(), (usize, io::Error)> {
        let fault = (self.lock().plan)(Call::Write);
        let (written, failed) = match fault {
            None => (len, None),
            Some(Fault::Slow(time)) => {
                std::thread::sleep(time);
                (len, None)
            }
            Some(Fault::Io) => (0, Some(Fault::Io)),
            Some(fault) => (len / 2, Some(fault)),
        };
        let mut state = self.lock();
        if state.keeps && written > 0 {
            let file = state.files.entry(path.to_owned()).or_default();
            for page in at / PAGE_BYTES..=(at + written as u64 - 1) / PAGE_BYTES {
                file.lost.remove(&page);
                file.dirty.insert(page);
            }
        }
        failed.map_or(Ok(()), |fault| Err((written, error(fault, Call::Write, path))))
    }

    pub(super) fn before_sync(&self, path: &Path) -> io::Result<()> {
        let done = self.before(Call::Sync, path);
        if done.is_err()
            && let Some(file) = self.lock().files.get_mut(path)
        {
            let dirty = std::mem::take(&mut file.dirty);
            file.lost.extend(dirty);
        }
        done
    }

    pub(super) fn synced(&self, path: &Path) {
        let mut state = self.lock();
        if !state.keeps {
            return;
        }
        let Ok(now) = std::fs::read(path) else { return };
        let file = state.files.entry(path.to_owned()).or_default();
        let before = std::mem::replace(&mut file.durable, now);
        file.dirty.clear();
        for page in &file.lost {
            put_page(&mut file.durable, *page, &before);
        }
    }

    pub(super) fn cut(&self, path: &Path, len: u64) {
        let mut state = self.lock();
        if state.keeps {
            let file = state.files.entry(path.to_owned()).or_default();
            let first = len / PAGE_BYTES;
            let last = (file.durable.len() as u64).max(len) / PAGE_BYTES;
            file.lost.retain(|page| *page < first);
            file.dirty.extend(first..=last);
        }
    }

    pub(super) fn renamed(&self, from: &Path, to: &Path) {
        let mut state = self.lock();
        if let Some(file) = state.files.remove(from) {
            state.files.insert(to.to_owned(), file);
        }
        if state.keeps {
            state.renamed.push((from.to_owned(), to.to_owned()));
        }
    }

    pub(super) fn removed(&self, path: &Path) {
        let mut state = self.lock();
        let Some(file) = state.files.remove(path) else { return };
        if state.keeps {
            state.removed.push((path.to_owned(), file.durable));
        }
    }

    pub(super) fn directory_synced(&self, dir: &Path) {
        let mut state = self.lock();
        state.renamed.retain(|(_, to)| to.parent() != Some(dir));
        state.removed.retain(|(path, _)| path.parent() != Some(dir));
    }

    /// From now on remembers what is durable, for [`Faults::lose_power`].
    pub fn keep_what_is_durable(&self) {
        self.lock().keeps = true;
    }

    /// Leaves the files as a loss of power may: `chance` decides for each page and name whether it was lost. To be
    /// called when nobody has the files open.
    ///
    /// # Errors
    /// As the real disk says.
    pub fn lose_power(&self, mut chance: impl FnMut() -> bool) -> io::Result<()> {
        let mut state = self.lock();
        for (path, file) in std::mem::take(&mut state.files) {
            let Ok(mut now) = std::fs::read(&path) else { continue };
            for page in file.dirty.union(&file.lost) {
                if chance() {
                    put_page(&mut now, *page, &file.durable);
                }
            }
            std::fs::write(&path, now)?;
        }
        for (path, content) in std::mem::take(&mut state.removed) {
            if chance() && !path.exists() {
                std::fs::write(path, content)?;
            }
        }
        for (from, to) in std::mem::take(&mut state.renamed).into_iter().rev() {
            if chance() && to.exists() {
                std::fs::rename(to, from)?;
            }
        }
        Ok(())
    }
}

/// Makes a page what it is in `from`: zeros, or not there, beyond its end.
fn put_page(bytes: &mut Vec<u8>, page: u64, from: &[u8]) {
    let start = (page * PAGE_BYTES) as usize;
    let end = start + PAGE_BYTES as usize;
    let old = from.get(start..end.min(from.len())).unwrap_or_default();
    if bytes.len() < start + old.len() {
        bytes.resize(start + old.len(), 0);
    }
    let there = bytes.len().min(end);
    if start >= there {
        return;
    }
    bytes[start..start + old.len()].copy_from_slice(old);
    bytes[start + old.len()..there].fill(0);
}

fn error(fault: Fault, call: Call, path: &Path) -> io::Error {
    let kind = match fault {
        Fault::NoSpace => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("an injected fault: {fault:?} at {call:?} of {}", path.display()))
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

/// A random plan: of `calls` calls about one fails, in one of all ways. Seeded, so that it can be repeated.
pub fn at_random(seed: u64, calls: u64) -> impl FnMut(Call) -> Option<Fault> + Send + 'static {
    let mut random = Random(seed);
    // A full disk stays full for a while.
    let mut full_for = 0u32;
    move |call| {
        if full_for > 0 {
            full_for -= 1;
            return matches!(call, Call::Write | Call::Create | Call::Run).then_some(Fault::NoSpace);
        }
        if random.below(calls.max(1)) != 0 {
            return None;
        }
        match random.below(8) {
            0 | 1 => Some(Fault::Io),
            2 => Some(Fault::Short),
            3 => Some(Fault::Slow(Duration::from_millis(random.below(60)))),
            4 => {
                full_for = 1 + random.below(4) as u32;
                Some(Fault::NoSpace)
            }
            _ if call == Call::Sync => Some(Fault::Io),
            _ => None,
        }
    }
}

/// splitmix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}
