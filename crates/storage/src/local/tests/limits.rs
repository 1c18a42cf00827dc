//! Bounds: queue, memory, windows, and that what is deleted is given back.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::engines::Fickle;
use super::*;
use crate::local::open::keys_of;
use crate::{CreateError, MemoryStore};

#[tokio::test]
async fn a_full_queue_refuses_by_number_and_by_bytes() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |options| {
        options.queue_len_max = 3;
        options.queue_bytes_max = 100;
    });
    case.create("a").await;
    let long = format!("\"{}\"", "x".repeat(200));
    for (text, fitting) in [("1", 3), (&"1".repeat(40), 2), (&long, 1)] {
        engine.hold();
        let at_work = case.spawn_append("a", one("0"));
        // The committer has it when the queue is empty again; it waits in the engine.
        let deadline = Instant::now() + Duration::from_secs(30);
        tokio::task::yield_now().await;
        while !case.0.queue_is_empty() && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..fitting).map(|_| case.spawn_append("a", one(text))).collect();
        tokio::task::yield_now().await;
        for _ in 0..3 {
            let refused = case.append("a", one(text)).await.unwrap_err();
            assert!(matches!(refused, AppendError::Overloaded) && refused.is_retryable());
        }
        if fitting == 3 {
            let refused = case.0.create(&path("b"), json_stream()).await;
            assert!(matches!(refused, Err(CreateError::Overloaded)));
        }
        let full = case.0.stats();
        assert_eq!((full.queue_len, full.queue_len_max), (fitting as u64, 3));
        assert!(full.refused_overloaded >= 3 && full.queue_bytes > 0, "{full:?}");
        engine.release();
        assert!(at_work.await.unwrap().is_ok());
        for append in waiting {
            assert!(append.await.unwrap().is_ok());
        }
        assert!(case.append("a", one(text)).await.is_ok());
    }
    let stats = case.0.stats();
    assert_eq!((stats.streams, stats.appends, stats.queue_len, stats.failed_commits), (1, 12, 0, 0));
    let groups: u64 = stats.group_lens.counts.iter().sum();
    assert!((2..=13).contains(&groups) && stats.group_lens.sum == 13, "{stats:?}");
    assert_eq!(stats.commit_micros.counts.iter().sum::<u64>(), groups);
}

#[tokio::test]
async fn a_full_memory_store_says_so_and_reads_and_deletes_make_room() {
    let options = StoreOptions { memory_bytes_max: 100_000, ..StoreOptions::default() };
    let case = Case(Arc::new(MemoryStore::open(options).unwrap()));
    case.create("a").await;
    let text = format!("\"{}\"", "x".repeat(5_000));
    let mut written = 0;
    let refused = loop {
        match case.append("a", one(&text)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    assert!(matches!(refused, AppendError::StorageFull) && refused.is_retryable());
    assert!(written >= 15);
    let big = Batch::message(Bytes::from(text.clone())).unwrap();
    let big = CreateStream { initial: Some(big), ..json_stream() };
    assert!(matches!(case.0.create(&path("b"), big).await, Err(CreateError::StorageFull)));
    assert_eq!(case.read("a", 0).await.unwrap().rows.len(), written);
    case.0.delete(&path("a")).await.unwrap();
    case.create("c").await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while case.append("c", one(&text)).await.is_err() {
        assert!(Instant::now() < deadline, "deleting made no room");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn deleted_streams_leave_no_keys_also_after_a_reopen() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let keep = case.create("keep").await;
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        ids.push(case.create(name).await);
        for seq in 0..3_000 {
            let claim = format!("p{}", seq % 10).parse().unwrap();
            let producer = durable_sessions_protocol::ProducerClaim {
                id: claim,
                epoch: durable_sessions_protocol::ProducerEpoch::ZERO,
                seq: durable_sessions_protocol::ProducerSeq::new(seq / 10).unwrap(),
            };
            case.append(name, Append { producer: Some(producer), ..one("1") }).await.unwrap();
        }
    }
    case.append("keep", one("1")).await.unwrap();
    case.0.delete(&path("a")).await.unwrap();
    case.0.delete(&path("b")).await.unwrap();
    case.0.shutdown().await;
    let case = Case::open(&engine, |_| {});
    let deadline = Instant::now() + Duration::from_secs(30);
    while ids.iter().any(|&id| keys_of(&*engine, id) > 0) {
        assert!(Instant::now() < deadline, "rows of deleted streams stay");
        tokio::task::yield_now().await;
    }
    assert_eq!(keys_of(&*engine, keep), 2);
    assert_eq!(case.tail("keep").await, 1);
}

#[tokio::test]
async fn groups_are_bounded() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |options| options.group_len_max = 10);
    case.create("a").await;
    let before = engine.commits.load(Ordering::SeqCst);
    let all: Vec<_> = (0..100).map(|n| case.spawn_append("a", one(&n.to_string()))).collect();
    for append in all {
        append.await.unwrap().unwrap();
    }
    assert!(engine.commits.load(Ordering::SeqCst) - before >= 10);
}

/// Large groups are answered by a task of the runtime the store was opened in, and by the committer when that is gone.
#[test]
fn everybody_is_answered_whichever_runtime_lives() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let engine = Arc::new(Fickle::new());
    let (opened_in, other) = (runtime(), runtime());
    let case = opened_in.block_on(async { Case::open(&engine, |_| {}) });
    let burst = async |case: &Case, from: u64| {
        let watch = case.0.watch(&path("a")).await.unwrap();
        engine.hold();
        let all: Vec<_> = (0..100).map(|n| case.spawn_append("a", one(&n.to_string()))).collect();
        engine.release();
        let mut offsets = Vec::new();
        for append in all {
            offsets.push(append.await.unwrap().unwrap().next_offset.position());
        }
        offsets.sort_unstable();
        assert_eq!(offsets, (from + 1..=from + 100).collect::<Vec<_>>());
        let mut watch = watch;
        watch.wait_for(|tail| tail.next_offset == Offset::new(from + 100)).await.unwrap();
    };
    other.block_on(async {
        case.create("a").await;
        burst(&case, 0).await;
    });
    drop(opened_in);
    other.block_on(burst(&case, 100));
}
