//! The embedded store against its directory: locks, formats, torn journals.

use std::path::PathBuf;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, Retention, StreamPath};

use super::*;
use crate::{Append, Batch, CreateStream, Lifetime, StreamStore};

fn path() -> StreamPath {
    "a".parse().unwrap()
}

async fn filled(dir: &Path, appends: u64) {
    let store = EmbeddedStore::open(dir, StoreOptions::default()).unwrap();
    let create = CreateStream {
        content_type: Some(ContentType::json()),
        lifetime: Lifetime::Unlimited,
        retention: Retention::NONE,
        initial: None,
        closed: false,
        fork: None,
        attributes: None,
    };
    store.create(&path(), create).await.unwrap();
    for n in 0..appends {
        let text = format!("\"{n}{}\"", "x".repeat(20_000));
        let batch = Some(Batch::message(Bytes::from(text)).unwrap());
        store.append(&path(), Append { batch, ..Append::default() }).await.unwrap();
    }
    store.shutdown().await;
}

fn journal(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir.join(STREAMS_DIRECTORY)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ext| ext == "jnl")).max().unwrap()
}

async fn tail(dir: &Path) -> Offset {
    let store = EmbeddedStore::open(dir, StoreOptions::default()).unwrap();
    let tail = store.head(&path()).await.unwrap().next_offset;
    let page = store.read(&path(), Offset::ZERO, usize::MAX).await.unwrap();
    assert_eq!(page.next, tail);
    store.shutdown().await;
    tail
}

/// Power was lost while the last batch was written: pages of its middle never reached the disk.
#[tokio::test]
async fn a_torn_last_batch_is_cut_off_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5).await;
    let journal = journal(dir.path());
    let whole = std::fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let mut torn = whole.clone();
    torn[end - 12_000..end - 8_000].fill(0);
    std::fs::write(&journal, &torn).unwrap();
    assert_eq!(tail(dir.path()).await, Offset::new(4));
    assert!(journal.with_extension("torn-0").exists());
    filled(dir.path(), 2).await;
    assert_eq!(tail(dir.path()).await, Offset::new(6));

    // The same in the middle was acknowledged: nothing is cut off, a person has to look.
    let mut damaged = whole;
    damaged[end - 52_000..end - 48_000].fill(0);
    std::fs::write(&journal, &damaged).unwrap();
    let opened = EmbeddedStore::open(dir.path(), StoreOptions::default());
    assert!(matches!(opened, Err(OpenError::Engine(why)) if why.contains("damaged")));
    assert_eq!(std::fs::read(&journal).unwrap(), damaged);
}

/// Every cut of the last batch, as a process that dies while writing leaves it.
#[tokio::test]
async fn any_cut_of_the_last_batch_opens() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2).await;
    let journal = journal(dir.path());
    let whole = std::fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for back in [1, 2, 4, 5, 12, 13, 14, 100, 8_192, 19_000] {
        let mut cut = whole.clone();
        cut[end - back..].fill(0);
        std::fs::write(&journal, &cut).unwrap();
        assert_eq!(tail(dir.path()).await, Offset::new(1), "{back}");
    }
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
