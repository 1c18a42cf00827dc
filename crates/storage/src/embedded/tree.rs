//! The tree: where everything ends up, sorted; fjall, a log-structured merge tree. Must not know the log, nor what
//! keys mean.
//!
//! It is written to in one way only: a sorted run at a time, straight into tables, synced, and made part of the
//! tree in one step together with the number of the first log segment that is *not* in it. So its own journal and
//! its memtables stay empty, and whatever a crash leaves of a run is not part of the tree.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, UserKey, UserValue,
};

/// Tables and their keyspace. Dropped in this order.
pub(super) struct Tree {
    keyspace: Keyspace,
    database: Database,
}

const KEYSPACE: &str = "streams";
/// Below every key of a store, none of which starts with a zero byte.
const KEY_FIRST_SEGMENT: &[u8] = b"\0first segment";
const FIRST_STORE_KEY: &[u8] = b"\x01";
/// Runs that lie side by side before they are merged into one. Runs are merged when there are so many of them;
/// fewer would make lookups cheaper and every byte be rewritten more often.
const RUNS_BEFORE_MERGE: u8 = 8;
/// Runs beyond which no more are added until some were merged.
const RUNS_MAX: usize = 24;

/// Values that end up in a run, in order of keys. `None` deletes.
pub(super) type Run<'r> = dyn Iterator<Item = (UserKey, Option<UserValue>)> + 'r;

impl Tree {
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, fjall::Error> {
        let database = Database::builder(path)
            .journal_compression(CompressionType::None)
            .cache_size(cache_bytes)
            // One: of several, those that have nothing to do pass a merge on to each other without a pause.
            .worker_threads(1)
            .open()?;
        let is_new = !database.keyspace_exists(KEYSPACE);
        let keyspace = database.keyspace(KEYSPACE, || {
            KeyspaceCreateOptions::default().compaction_strategy(Arc::new(merges()))
        })?;
        if is_new {
            // The engine syncs what is in the folders of its keyspaces, and not the folder that they are in.
            File::open(path.join("keyspaces")).and_then(|folder| folder.sync_all())?;
        }
        Ok(Self { keyspace, database })
    }

    /// The first log segment that is not in the tree; `None` in a tree that was just made.
    pub(super) fn first_segment(&self) -> Result<Option<u64>, fjall::Error> {
        let stored = self.keyspace.get(KEY_FIRST_SEGMENT)?;
        Ok(stored.and_then(|value| Some(u64::from_be_bytes((*value).try_into().ok()?))))
    }

    pub(super) fn is_empty(&self) -> Result<bool, fjall::Error> {
        self.keyspace.is_empty()
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<UserValue>, fjall::Error> {
        self.keyspace.get(key)
    }

    /// Entries with `from <= key < to`.
    pub(super) fn range(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(UserKey, UserValue), fjall::Error>> + use<> {
        let from = from.max(FIRST_STORE_KEY);
        // The engine has no empty ranges.
        let to = to.max(from);
        self.keyspace.range(from..to).map(fjall::Guard::into_inner)
    }

    /// Adds a run, durable when this returns. Its keys must ascend.
    pub(super) fn add_run(&self, first_segment: u64, run: &mut Run<'_>) -> Result<(), fjall::Error> {
        let mut ingestion = self.keyspace.start_ingestion()?;
        ingestion.write(KEY_FIRST_SEGMENT, first_segment.to_be_bytes())?;
        for (key, value) in run {
            match value {
                Some(value) => ingestion.write(key, value)?,
                None => ingestion.write_tombstone(key)?,
            }
        }
        ingestion.finish()
    }

    /// Whether so many runs wait for being merged that no more should be added.
    ///
    /// # Errors
    /// When merging has failed, and never goes on.
    pub(super) fn is_behind(&self) -> Result<bool, fjall::Error> {
        // Nothing is there to be written; it says whether a worker has failed.
        self.database.persist(PersistMode::Buffer)?;
        Ok(self.keyspace.tree.l0_run_count() > RUNS_MAX)
    }
}

impl Tree {
    /// Merges runs on this thread. The tree's own worker looks once for every run that is added, and once at opening;
    /// should it have found something else to merge each time, it waits for the next run while the handover waits
    /// for a merge.
    pub(super) fn merge(&self) -> Result<(), fjall::Error> {
        // What no reader needs any more is dropped by the worker, which knows the readers.
        const KEEP_ALL: u64 = 0;
        Ok(self.keyspace.tree.compact(Arc::new(merges()), KEEP_ALL)?)
    }
}

fn merges() -> Leveled {
    Leveled::default().with_l0_threshold(RUNS_BEFORE_MERGE)
}

/// Removes what a first opening left that did not come to its end; nothing can have been acknowledged in it.
/// Otherwise fjall would refuse the directory for ever.
pub(super) fn clear_unfinished_creation(dir: &Path) -> io::Result<()> {
    const MARKER_LEN: u64 = 4;
    let marker = dir.join("version");
    let is_finished = std::fs::metadata(&marker).is_ok_and(|marker| marker.len() >= MARKER_LEN);
    let first_journal = dir.join("0.jnl");
    if is_finished || !first_journal.try_exists()? || has_journal(dir)? {
        return Ok(());
    }
    if marker.try_exists()? {
        std::fs::remove_file(marker)?;
    }
    std::fs::remove_file(first_journal)
}

/// Whether an opening failed for what is in a journal of the tree, such as a torn batch at its end.
pub(super) fn is_about_journal(error: &fjall::Error) -> bool {
    use fjall::Error;
    matches!(
        error,
        Error::JournalRecovery(_) | Error::InvalidTag(_) | Error::InvalidTrailer | Error::Decompress(_)
    )
}

/// Copies each journal that holds anything to a file beside the tree, for a person to look at, and empties it. Nothing
/// of a store is ever in a journal: its writes go to the log, and runs go straight into tables.
pub(super) fn set_journals_aside(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    for journal in journals_in_use(dir)? {
        let name = journal.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut number = 0u32;
        let (aside, mut copy) = loop {
            let aside = dir.with_file_name(format!("streams-{name}.damaged-{number}"));
            match File::create_new(&aside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                other => break (aside, other?),
            }
        };
        io::copy(&mut File::open(&journal)?, &mut copy)?;
        copy.sync_all()?;
        let len = std::fs::metadata(&journal)?.len();
        let emptied = File::create(&journal)?;
        emptied.set_len(len)?;
        emptied.sync_all()?;
        kept.push(aside);
    }
    Ok(kept)
}

/// Whether anything is in a journal of the tree: before there was the log, that was where commits went.
pub(super) fn has_journal(dir: &Path) -> io::Result<bool> {
    Ok(!journals_in_use(dir)?.is_empty())
}

/// Journals with anything but zeros.
fn journals_in_use(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut in_use = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let mut journal = File::open(&path)?;
        loop {
            match journal.read(&mut chunk)? {
                0 => break,
                read if chunk[..read].iter().any(|&byte| byte != 0) => {
                    in_use.push(path);
                    break;
                }
                _ => {}
            }
        }
    }
    Ok(in_use)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_creation_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("0.jnl");
        std::fs::write(&journal, [0; 100]).unwrap();
        std::fs::write(dir.path().join("version"), b"FJ").unwrap();
        clear_unfinished_creation(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        // With anything in it, it is left for a person to look at.
        std::fs::write(&journal, [0, 0, 1]).unwrap();
        clear_unfinished_creation(dir.path()).unwrap();
        assert!(journal.exists() && has_journal(dir.path()).unwrap());
    }

    #[test]
    fn a_tree_that_is_behind_and_merges_nothing_by_itself_can_be_merged() {
        let dir = tempfile::tempdir().unwrap();
        let runs = RUNS_MAX as u64 + 4;
        {
            // A worker that never merges: its strategy is part of what is stored.
            let database = Database::builder(dir.path()).worker_threads(1).open().unwrap();
            let never = Leveled::default().with_l0_threshold(u8::MAX);
            let options = || KeyspaceCreateOptions::default().compaction_strategy(Arc::new(never));
            let tree = Tree { keyspace: database.keyspace(KEYSPACE, options).unwrap(), database };
            for n in 0..runs {
                let entry = |key: u8| (UserKey::from([key]), Some(UserValue::from(n.to_be_bytes())));
                tree.add_run(n, &mut [entry(1), entry(2)].into_iter()).unwrap();
            }
        }
        let tree = Tree::open(dir.path(), 1 << 20).unwrap();
        assert!(tree.is_behind().unwrap());
        tree.merge().unwrap();
        assert!(!tree.is_behind().unwrap());
        assert_eq!(tree.first_segment().unwrap(), Some(runs - 1));
        assert_eq!(tree.get(&[2]).unwrap().unwrap(), UserValue::from((runs - 1).to_be_bytes()));
    }

    #[test]
    fn the_journal_of_a_tree_stays_empty() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(tree.first_segment().unwrap(), None);
        let entry = |key: u8, value: Option<&str>| (UserKey::from([key]), value.map(UserValue::from));
        tree.add_run(5, &mut [entry(1, Some("a")), entry(2, Some("b"))].into_iter()).unwrap();
        tree.add_run(6, &mut [entry(1, None), entry(2, Some("c"))].into_iter()).unwrap();
        assert!(!tree.is_behind().unwrap());
        drop(tree);
        assert!(!has_journal(dir.path()).unwrap());
        let tree = Tree::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(tree.first_segment().unwrap(), Some(6));
        let all: Vec<_> = tree.range(&[], &[9]).map(|entry| entry.unwrap()).collect();
        assert_eq!(all, [(UserKey::from([2]), UserValue::from("c"))]);
        // Newer than what was there before the reopening.
        tree.add_run(7, &mut [entry(2, Some("d"))].into_iter()).unwrap();
        assert_eq!(tree.get(&[2]).unwrap().unwrap(), UserValue::from("d"));
    }
}
