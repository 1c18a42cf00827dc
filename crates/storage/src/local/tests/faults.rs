//! Failing commits and damaged values.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use durable_sessions_protocol::{ProducerClaim, ProducerEpoch, ProducerSeq};

use super::engines::Fickle;
use super::*;
use crate::layout::{TAG_STREAM, id_key, row_key};
use crate::{AttributesChange, CreateError, DegradedCause, DeleteError, Fork, OpenError, StoreHealth, Trim};

/// Waits until the store is in another state than this.
async fn health_after(case: &Case, is_before: impl Fn(&StoreHealth) -> bool) -> StoreHealth {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let health = case.0.health();
        if !is_before(&health) {
            return health;
        }
        assert!(Instant::now() < deadline, "{health:?} for 30 seconds");
        tokio::task::yield_now().await;
    }
}

fn has_failed(health: &StoreHealth) -> bool {
    matches!(health, StoreHealth::Degraded { cause: DegradedCause::CommitFailed, .. })
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_acknowledged_reads_go_on_and_the_store_recovers() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    case.create("a").await;
    case.append("a", one("1")).await.unwrap();
    let watch = case.0.watch(&path("a")).await.unwrap();

    engine.fails.store(true, Ordering::SeqCst);
    let refused = case.append("a", one("2")).await;
    assert!(matches!(&refused, Err(AppendError::Unavailable(why)) if why.contains("on fire")), "{refused:?}");
    let refused = case.append("a", one("3")).await.unwrap_err();
    assert!(matches!(refused, AppendError::Unavailable(_)) && refused.is_retryable());
    assert!(matches!(case.0.create(&path("b"), json_stream()).await, Err(CreateError::Unavailable(_))));
    assert!(matches!(case.0.delete(&path("a")).await, Err(DeleteError::Unavailable(_))));
    let health = case.0.health();
    assert!(has_failed(&health) && format!("{health:?}").contains("on fire"), "{health:?}");
    // Readers see what is durable, and only that.
    assert_eq!((case.tail("a").await, watch.borrow().next_offset), (1, Offset::new(1)));
    assert_eq!(case.read("a", 0).await.unwrap().rows.len(), 1);

    // The medium is well again: the store goes on by itself, where it was, for the watchers it had.
    engine.fails.store(false, Ordering::SeqCst);
    assert_eq!(health_after(&case, has_failed).await, StoreHealth::Ready(crate::Durability::Synced));
    assert_eq!(case.append("a", one("2")).await.unwrap().next_offset, Offset::new(2));
    while watch.borrow().next_offset != Offset::new(2) {
        tokio::task::yield_now().await;
    }
    case.0.create(&path("b"), json_stream()).await.unwrap();
    case.0.shutdown().await;
    let case = Case::open(&engine, |_| {});
    assert_eq!((case.tail("a").await, case.tail("b").await), (2, 0));
}

/// Whatever a failed group did to the writer's state is undone.
#[tokio::test]
async fn a_failed_group_leaves_nothing_in_the_writers_state() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let produced = |seq: u64, close: bool| Append {
        producer: Some(ProducerClaim {
            id: "p".parse().unwrap(),
            epoch: ProducerEpoch::ZERO,
            seq: ProducerSeq::new(seq).unwrap(),
        }),
        stream_seq: Some(Bytes::from(format!("{seq}"))),
        close,
        ..one("1")
    };
    let fork = |of: &str| CreateStream {
        fork: Some(Fork { source: path(of), at: None, sub_offset: 0 }),
        ..json_stream()
    };
    for name in ["a", "b", "c", "d"] {
        case.create(name).await;
        case.append(name, produced(0, false)).await.unwrap();
    }
    case.0.create(&path("fork of d"), fork("d")).await.unwrap();

    engine.fails.store(true, Ordering::SeqCst);
    let change = AttributesChange { expected_version: 0, value: Bytes::from_static(b"x") };
    for _ in 0..3 {
        assert!(
            case.append("a", Append { attributes: Some(change.clone()), ..produced(1, true) }).await.is_err()
        );
        assert!(case.0.trim(&path("b"), Trim::Before(Offset::new(1))).await.is_err());
        assert!(case.0.delete(&path("b")).await.is_err());
        assert!(case.0.create(&path("fork of c"), fork("c")).await.is_err());
        assert!(case.0.delete(&path("fork of d")).await.is_err());
        // Only the first group of a failure reaches the engine: recovering in between lets each have its turn.
        engine.fails.store(false, Ordering::SeqCst);
        health_after(&case, has_failed).await;
        engine.fails.store(true, Ordering::SeqCst);
    }
    engine.fails.store(false, Ordering::SeqCst);
    health_after(&case, has_failed).await;
    let head = case.0.head(&path("a")).await.unwrap();
    assert!(!head.closed && head.attributes_version == 0 && head.next_offset == Offset::new(1));
    assert!(case.append("a", produced(0, false)).await.unwrap().duplicate);
    let closing = Append { attributes: Some(change), ..produced(1, true) };
    assert_eq!(case.append("a", closing).await.unwrap().next_offset, Offset::new(2));
    assert_eq!(case.read("b", 0).await.unwrap().rows.len(), 1);
    // Nobody holds a reference on what was not forked: it goes at once. The source of the fork stays.
    case.0.delete(&path("c")).await.unwrap();
    case.create("c").await;
    case.0.delete(&path("d")).await.unwrap();
    assert_eq!(case.read("fork of d", 0).await.unwrap().rows.len(), 1);
    assert!(matches!(case.read("d", 0).await, Err(ReadError::Gone)));
}

#[tokio::test]
async fn recovering_is_given_up_after_so_many_attempts_and_says_so() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |options| options.recovery_attempts_max = 3);
    case.create("a").await;
    engine.fails.store(true, Ordering::SeqCst);
    assert!(case.append("a", one("1")).await.is_err());
    let health = health_after(&case, has_failed).await;
    let given_up = StoreHealth::Degraded {
        cause: DegradedCause::RecoveryGivenUp,
        reason: "a commit failed: the disk is on fire".into(),
    };
    assert_eq!(health, given_up);
    engine.fails.store(false, Ordering::SeqCst);
    assert!(matches!(case.append("a", one("1")).await, Err(AppendError::Unavailable(_))));
    assert!(case.read("a", 0).await.unwrap().rows.is_empty());
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
