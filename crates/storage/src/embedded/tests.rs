//! The embedded store against its directory: locks, formats, a log that is torn, damaged, or gone.

mod engine;
mod faults;

use std::path::PathBuf;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};

use super::*;
use crate::{Append, AppendError, Batch, CreateStream, StoreHealth, StreamStore};

fn path() -> StreamPath {
    "a".parse().unwrap()
}

fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

fn append(n: u64, len: usize) -> Append {
    let batch = Some(Batch::message(Bytes::from(format!("\"{n}{}\"", "x".repeat(len)))).unwrap());
    Append { batch, ..Append::default() }
}

fn small_segments() -> StoreOptions {
    StoreOptions { log_segment_bytes: 60_000, tail_window_bytes: 0, ..StoreOptions::default() }
}

async fn filled(dir: &Path, appends: u64, len: usize) {
    let store = EmbeddedStore::open(dir, StoreOptions::default()).unwrap();
    store.create(&path(), json_stream()).await.unwrap();
    for n in 0..appends {
        store.append(&path(), append(n, len)).await.unwrap();
    }
    store.shutdown().await;
}

/// Segments in order.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join(Directory::LOG)).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "log")).collect();
    segments.sort();
    segments
}

/// Without the space behind the last group, which ends with a quotation mark.
fn groups(segment: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(segment).unwrap();
    bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1);
    bytes
}

async fn tail(dir: &Path) -> u64 {
    let store = EmbeddedStore::open(dir, StoreOptions::default()).unwrap();
    let tail = store.head(&path()).await.unwrap().next_offset;
    let page = store.read(&path(), Offset::ZERO, usize::MAX).await.unwrap();
    assert_eq!(page.next, tail);
    store.shutdown().await;
    tail.position()
}

fn refusal(dir: &Path) -> String {
    match EmbeddedStore::open(dir, StoreOptions::default()) {
        Err(OpenError::Engine(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Power was lost while the last group was written: pages of its middle never reached the disk.
#[tokio::test]
async fn a_torn_last_group_is_set_aside_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5, 20_000).await;
    let segment = segments(dir.path()).pop().unwrap();
    let whole = groups(&segment);
    let end = whole.len();
    let mut torn = whole.clone();
    torn[end - 12_000..end - 8_000].fill(0);
    std::fs::write(&segment, &torn).unwrap();
    assert_eq!(tail(dir.path()).await, 4);
    let aside = std::fs::read(segment.with_extension("torn-0")).unwrap();
    assert!(torn.ends_with(&aside) && (20_000..20_200).contains(&aside.len()));
    filled(dir.path(), 2, 20_000).await;
    assert_eq!(tail(dir.path()).await, 6);

    // The same in the middle was acknowledged: nothing is cut off, a person has to look.
    let mut damaged = whole;
    damaged[end - 52_000..end - 48_000].fill(0);
    std::fs::write(&segment, &damaged).unwrap();
    let why = refusal(dir.path());
    assert!(
        why.contains("damaged at byte") && why.contains("missing: positions 2 to 2 of stream a"),
        "{why}"
    );
    assert_eq!(std::fs::read(&segment).unwrap(), damaged);
}

/// Every cut of the last group, as a process that dies while writing leaves it, and every byte of it changed.
#[tokio::test]
async fn the_last_group_may_be_cut_or_changed_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2, 50).await;
    let segment = segments(dir.path()).pop().unwrap();
    let whole = groups(&segment);
    for at in (1..=120).map(|back| whole.len() - back) {
        let mut changed = whole.clone();
        changed[at] ^= 0x20;
        for bad in [&whole[..at], &changed] {
            std::fs::write(&segment, bad).unwrap();
            assert_eq!(tail(dir.path()).await, 1, "{at}");
        }
    }
}

#[tokio::test]
async fn a_damaged_head_and_a_missing_segment_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3, 100).await;
    let segment = segments(dir.path()).pop().unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    assert!(refusal(dir.path()).contains("head"));
    std::fs::remove_file(&segment).unwrap();
    assert!(refusal(dir.path()).contains("missing"));
    std::fs::write(&segment, &whole).unwrap();
    assert_eq!(tail(dir.path()).await, 3);

    // A log whose tree is gone holds a part of the data only.
    let tree = dir.path().join(Directory::TREE);
    std::fs::rename(&tree, dir.path().join("aside")).unwrap();
    assert!(refusal(dir.path()).contains("belongs to no store"));
    std::fs::remove_dir_all(&tree).unwrap();
    std::fs::rename(dir.path().join("aside"), &tree).unwrap();
    assert_eq!(tail(dir.path()).await, 3);
}

/// Where the tree had a journal of its own and there was no log: version 0.1 before the log.
#[test]
fn a_directory_of_the_format_before_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join(Directory::TREE);
    for is_flushed in [false, true] {
        let database = fjall::Database::builder(&tree).open().unwrap();
        let keyspace = database.keyspace("streams", fjall::KeyspaceCreateOptions::default).unwrap();
        if is_flushed {
            keyspace.rotate_memtable_and_wait().unwrap();
        } else {
            keyspace.insert(b"f", 1u32.to_le_bytes()).unwrap();
        }
        database.persist(fjall::PersistMode::SyncAll).unwrap();
        drop((keyspace, database));
        if is_flushed {
            std::fs::write(tree.join("0.jnl"), vec![0; 100]).unwrap();
        }
        let opened = EmbeddedStore::open(dir.path(), StoreOptions::default());
        assert!(matches!(opened, Err(OpenError::Format { found, supported: 2 }) if found == "1"));
        assert!(segments(dir.path()).is_empty());
    }
}

/// A table of the tree is damaged: streams that are in it say so, and nothing is passed over.
#[tokio::test]
async fn a_damaged_table_is_told_where_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), small_segments()).unwrap();
    store.create(&path(), json_stream()).await.unwrap();
    for n in 0..100 {
        store.append(&path(), append(n, 5_000)).await.unwrap();
    }
    store.shutdown().await;
    let tables = dir.path().join(Directory::TREE).join("keyspaces").join("1").join("tables");
    let mut changed = 0;
    for table in std::fs::read_dir(&tables).unwrap() {
        let table = table.unwrap().path();
        let mut bytes = std::fs::read(&table).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&table, bytes).unwrap();
        changed += 1;
    }
    assert!(changed > 0);
    let store = EmbeddedStore::open(dir.path(), small_segments()).unwrap();
    let (mut at, mut damaged) = (Offset::ZERO, None);
    while damaged.is_none() {
        match store.read(&path(), at, usize::MAX).await {
            Ok(page) => {
                assert!(page.next > at && page.next < Offset::new(100), "the damage was passed over");
                at = page.next;
            }
            Err(crate::ReadError::Damaged { at: told }) => damaged = Some(told),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(damaged.unwrap() >= at);
    store.shutdown().await;
    let report = crate::backup::verify_directory(dir.path()).unwrap();
    let told = report.problems.first().unwrap().to_string();
    assert!(told.contains("stream a") && told.contains("cannot be read"), "{told}");
}

/// A page of a large value in the last batch of the tree's journal never reached the disk, so the tree does not open.
#[tokio::test]
async fn a_torn_journal_of_the_tree_is_set_aside_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5, 20_000).await;
    // Nothing of ours is ever in a journal, so one is made by other hands.
    let other = tempfile::tempdir().unwrap();
    {
        let database = fjall::Database::builder(other.path()).open().unwrap();
        let keyspace = database.keyspace("streams", fjall::KeyspaceCreateOptions::default).unwrap();
        keyspace.insert(b"small", b"value").unwrap();
        keyspace.insert(b"large", vec![7; 60_000]).unwrap();
        database.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let mut torn = std::fs::read(other.path().join("0.jnl")).unwrap();
    let end = torn.iter().rposition(|&byte| byte != 0).unwrap();
    torn[end - 20_000..end - 16_000].fill(0);
    let tree = dir.path().join(Directory::TREE);
    let journal = tree.join("0.jnl");
    assert!(journal.exists());
    std::fs::write(&journal, &torn).unwrap();
    assert_eq!(tail(dir.path()).await, 5);
    assert_eq!(std::fs::read(dir.path().join("streams-0.jnl.damaged-0")).unwrap(), torn);
    filled(dir.path(), 2, 100).await;
    assert_eq!(tail(dir.path()).await, 7);
}

#[tokio::test]
async fn complete_segments_go_to_the_tree_and_everything_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = 0;
    for round in 1..4 {
        let store = EmbeddedStore::open(dir.path(), small_segments()).unwrap();
        store.create(&path(), json_stream()).await.unwrap();
        for _ in 0..100 {
            written += 1;
            let appended = store.append(&path(), append(written, 5_000)).await.unwrap();
            assert_eq!(appended.next_offset, Offset::new(written));
            let page = store.read(&path(), Offset::ZERO, usize::MAX).await.unwrap();
            assert_eq!((page.next, page.rows.len() as u64), (Offset::new(written), written));
            let files = segments(dir.path()).len();
            assert!(files <= COMPLETE_SEGMENTS_MAX + 2, "{files}");
        }
        let page = store.read(&path(), Offset::ZERO, usize::MAX).await.unwrap();
        for (row, n) in page.rows.iter().zip(1..) {
            assert_eq!(row.body(), append(n, 5_000).batch.unwrap().body());
        }
        store.shutdown().await;
        let numbers: u64 =
            segments(dir.path()).pop().unwrap().file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert!(numbers >= 5 * round, "{numbers}");
    }
}

/// The tree cannot take a run: appends go on as long as the log may grow, then nothing is acknowledged and reads go on;
/// when the tree works again, so does the store.
#[tokio::test]
async fn a_failed_handover_stops_appends_in_the_end_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), small_segments()).unwrap();
    store.create(&path(), json_stream()).await.unwrap();
    let tables = dir.path().join(Directory::TREE).join("keyspaces").join("1").join("tables");
    std::fs::rename(&tables, dir.path().join("aside")).unwrap();
    std::fs::write(&tables, b"no directory").unwrap();
    let mut written = 0;
    let refused = loop {
        match store.append(&path(), append(written, 5_000)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000);
    };
    assert!(matches!(&refused, AppendError::Unavailable(why) if why.contains("tree")), "{refused:?}");
    assert!(matches!(store.health(), StoreHealth::Degraded { .. }));
    let page = store.read(&path(), Offset::ZERO, usize::MAX).await.unwrap();
    assert_eq!(page.rows.len(), written as usize);

    std::fs::remove_file(&tables).unwrap();
    std::fs::rename(dir.path().join("aside"), &tables).unwrap();
    faults::until("the store goes on", || matches!(store.health(), StoreHealth::Ready(_))).await;
    for _ in 0..50 {
        store.append(&path(), append(written, 5_000)).await.unwrap();
        written += 1;
    }
    store.shutdown().await;
    assert_eq!(tail(dir.path()).await, written);
}

#[tokio::test]
async fn a_second_store_is_locked_out_until_the_first_is_shut_down() {
    let dir = tempfile::tempdir().unwrap();
    let first = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
    let second = EmbeddedStore::open(dir.path(), StoreOptions::default());
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    first.shutdown().await;
    let third = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
    // Dropping is as good.
    drop(third);
    assert!(EmbeddedStore::open(dir.path(), StoreOptions::default()).is_ok());
}

#[test]
fn a_directory_that_cannot_be_used_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let opened = EmbeddedStore::open(&file, StoreOptions::default());
    assert!(matches!(opened, Err(OpenError::Directory { path, .. }) if path.contains("file")));
}
