//! Failing commits and damaged values.

use std::sync::atomic::Ordering;

use super::engines::Fickle;
use super::*;
use crate::layout::{TAG_STREAM, id_key, row_key};
use crate::{CreateError, DeleteError, OpenError, StoreHealth};

#[tokio::test]
async fn after_a_failed_commit_nothing_is_acknowledged_and_reads_go_on() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    case.create("a").await;
    case.append("a", one("1")).await.unwrap();
    let watch = case.0.watch(&path("a")).await.unwrap();

    engine.fails.store(true, Ordering::SeqCst);
    let refused = case.append("a", one("2")).await;
    assert!(matches!(&refused, Err(AppendError::Unavailable(why)) if why.contains("on fire")), "{refused:?}");
    // The medium is well again, but what it holds is not known: no writes until a reopen.
    engine.fails.store(false, Ordering::SeqCst);
    let refused = case.append("a", one("3")).await.unwrap_err();
    assert!(matches!(refused, AppendError::Unavailable(_)) && refused.is_retryable());
    assert!(matches!(case.0.create(&path("b"), json_stream()).await, Err(CreateError::Unavailable(_))));
    assert!(matches!(case.0.delete(&path("a")).await, Err(DeleteError::Unavailable(_))));
    assert!(matches!(case.0.health(), StoreHealth::Degraded(why) if why.contains("on fire")));
    // Readers see what is durable, and only that.
    assert_eq!((case.tail("a").await, watch.borrow().next_offset), (1, Offset::new(1)));
    assert_eq!(case.read("a", 0).await.unwrap().rows.len(), 1);

    case.0.shutdown().await;
    let case = Case::open(&engine, |_| {});
    assert_eq!(case.append("a", one("2")).await.unwrap().next_offset, Offset::new(2));
}

#[tokio::test]
async fn nothing_undurable_is_seen_and_one_commit_carries_all_that_was_pending() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    case.create("a").await;
    engine.hold();
    let first = case.spawn_append("a", one("0"));
    tokio::task::yield_now().await;
    let pending: Vec<_> = (1..50).map(|n| case.spawn_append("a", one(&n.to_string()))).collect();
    tokio::task::yield_now().await;
    assert_eq!(case.tail("a").await, 0);
    assert!(case.read("a", 0).await.unwrap().rows.is_empty());
    let before = engine.commits.load(Ordering::SeqCst);
    engine.release();
    first.await.unwrap().unwrap();
    for (n, append) in pending.into_iter().enumerate() {
        assert_eq!(append.await.unwrap().unwrap().next_offset, Offset::new(n as u64 + 2));
    }
    assert!(engine.commits.load(Ordering::SeqCst) - before <= 2);
}

#[tokio::test]
async fn nobody_waits_for_a_committer_that_has_failed() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |options| options.group_len_max = 1);
    case.create("a").await;
    engine.hold();
    engine.panics.store(true, Ordering::SeqCst);
    let pending: Vec<_> = (0..20).map(|n| case.spawn_append("a", one(&n.to_string()))).collect();
    tokio::task::yield_now().await;
    engine.release();
    for append in pending {
        assert!(matches!(append.await.unwrap(), Err(AppendError::Unavailable(_))));
    }
    assert!(matches!(case.append("a", one("1")).await, Err(AppendError::Unavailable(_))));
    case.0.shutdown().await;
    assert!(matches!(case.0.health(), StoreHealth::Down(why) if why.contains("failed")));
}

/// Every way to read a row that does not have its checksum reports it, and serves what is before.
#[tokio::test]
async fn damaged_rows_are_reported_and_not_served() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |options| options.tail_window_bytes = 0);
    let id = case.create("a").await;
    for n in 0..5 {
        case.append("a", one(&n.to_string())).await.unwrap();
    }
    engine.damage(&row_key(id, 2));
    let page = case.read("a", 0).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (2, Offset::new(2)));
    assert!(matches!(case.read("a", 2).await, Err(ReadError::Damaged { at }) if at == Offset::new(2)));
    assert_eq!(case.read("a", 3).await.unwrap().rows.len(), 2);
    // A missing row is damage too.
    let mut writes = crate::engine::Writes::default();
    writes.delete(&row_key(id, 2));
    engine.below.commit(&writes, true).unwrap();
    assert_eq!(case.read("a", 0).await.unwrap().next, Offset::new(2));
    assert!(matches!(case.read("a", 2).await, Err(ReadError::Damaged { at }) if at == Offset::new(2)));
}

#[tokio::test]
async fn a_damaged_newest_row_stops_appends_to_its_stream_only() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let id = case.create("a").await;
    case.create("b").await;
    for n in 0..3 {
        case.append("a", one(&n.to_string())).await.unwrap();
    }
    case.0.shutdown().await;
    engine.damage(&row_key(id, 2));
    let case = Case::open(&engine, |_| {});
    assert!(matches!(case.append("a", one("3")).await, Err(AppendError::Unavailable(_))));
    assert_eq!(case.read("a", 0).await.unwrap().next, Offset::new(2));
    assert!(matches!(case.read("a", 2).await, Err(ReadError::Damaged { .. })));
    assert!(case.append("b", one("1")).await.is_ok());
    case.0.shutdown().await;

    // Without its record a stream cannot be told from one that never was: the store does not open.
    engine.damage(&id_key(TAG_STREAM, id));
    let opened = LocalStore::open(Arc::clone(&engine) as _, StoreOptions::default());
    assert!(matches!(opened, Err(OpenError::Engine(why)) if why.contains(&format!("stream {id}"))));
}

#[tokio::test]
async fn unknown_formats_are_refused() {
    let engine = Arc::new(Fickle::new());
    let mut writes = crate::engine::Writes::default();
    writes.put(crate::layout::KEY_FORMAT, |value| value.extend_from_slice(&9u32.to_le_bytes()));
    engine.below.commit(&writes, true).unwrap();
    let open = || LocalStore::open(Arc::clone(&engine) as _, StoreOptions::default());
    assert!(matches!(open(), Err(OpenError::Format { found, supported: 2 }) if found == "9"));
    writes.clear();
    writes.delete(crate::layout::KEY_FORMAT);
    writes.put(b"something else", |_| {});
    engine.below.commit(&writes, true).unwrap();
    assert!(matches!(open(), Err(OpenError::Format { found, .. }) if found == "unmarked"));
}
