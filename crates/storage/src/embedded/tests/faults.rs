//! Failing disks under a whole store: whatever fails, everything acknowledged is there once and in order, nothing that
//! was refused is there in part, and the store goes on when the disk does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::faults::{Call, Fault, Faults, Random, at_random};
use super::*;
use crate::{DegradedCause, DeleteError, Trim};

/// Waits for a condition, half a minute at most.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in 30 seconds");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn named(name: &str) -> StreamPath {
    name.parse().unwrap()
}

/// A disk on which calls of this kind fail while it is armed.
fn failing(which: Call, fault: Fault) -> (Arc<Faults>, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let plan = {
        let armed = Arc::clone(&armed);
        move |call| (armed.load(Ordering::SeqCst) && call == which).then_some(fault)
    };
    (Arc::new(Faults::new(plan)), armed)
}

async fn content(store: &LocalStore, of: &StreamPath) -> Vec<Bytes> {
    let page = store.read(of, Offset::ZERO, usize::MAX).await.unwrap();
    assert_eq!(page.next, page.tail.next_offset);
    page.rows.iter().map(|row| row.body().clone()).collect()
}

fn body(n: u64, len: usize) -> Bytes {
    append(n, len).batch.unwrap().body().clone()
}

#[tokio::test]
async fn after_every_kind_of_failure_the_store_goes_on_by_itself() {
    for (call, fault) in [
        (Call::Write, Fault::Io),
        (Call::Write, Fault::Short),
        (Call::Sync, Fault::Io),
        (Call::Sync, Fault::NoSpace),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (faults, armed) = failing(call, fault);
        let store = EmbeddedStore::open_failing(dir.path(), StoreOptions::default(), faults).unwrap();
        store.create(&path(), json_stream()).await.unwrap();
        store.append(&path(), append(0, 10)).await.unwrap();
        let watch = store.watch(&path()).await.unwrap();
        armed.store(true, Ordering::SeqCst);
        let refused = store.append(&path(), append(1, 10)).await.unwrap_err();
        assert!(
            matches!(refused, AppendError::Unavailable(_)) && refused.is_retryable(),
            "{call:?} {fault:?}"
        );
        assert!(matches!(store.health(), StoreHealth::Degraded { cause: DegradedCause::CommitFailed, .. }));
        assert_eq!(content(&store, &path()).await, [body(0, 10)]);
        armed.store(false, Ordering::SeqCst);
        until("the store goes on", || matches!(store.health(), StoreHealth::Ready(_))).await;
        store.append(&path(), append(2, 10)).await.unwrap();
        until("watchers are told", || watch.borrow().next_offset == Offset::new(2)).await;
        store.shutdown().await;
        let store = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
        assert_eq!(content(&store, &path()).await, [body(0, 10), body(2, 10)], "{call:?} {fault:?}");
    }
}

/// The disk has less left than is to be kept free.
#[tokio::test]
async fn on_a_full_disk_reads_deletions_and_trims_go_on_and_so_does_everything_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::new(|_| None));
    let store =
        EmbeddedStore::open_failing(dir.path(), StoreOptions::default(), Arc::clone(&faults)).unwrap();
    for name in ["a", "b"] {
        store.create(&named(name), json_stream()).await.unwrap();
        store.append(&named(name), append(0, 10)).await.unwrap();
        store.append(&named(name), append(1, 10)).await.unwrap();
    }
    faults.set_free_bytes(Some(StoreOptions::default().disk_free_bytes_min));
    let refused = store.append(&path(), append(2, 10)).await.unwrap_err();
    assert!(matches!(refused, AppendError::StorageFull) && refused.is_retryable());
    assert!(matches!(store.create(&named("c"), json_stream()).await, Err(crate::CreateError::StorageFull)));
    assert!(matches!(store.health(), StoreHealth::Degraded { cause: DegradedCause::StorageFull, .. }));
    assert_eq!(content(&store, &named("a")).await.len(), 2);
    assert_eq!(store.trim(&named("a"), Trim::Before(Offset::new(1))).await.unwrap().first, Offset::new(1));
    store.delete(&named("b")).await.unwrap();
    faults.set_free_bytes(None);
    until("the store takes appends", || matches!(store.health(), StoreHealth::Ready(_))).await;
    store.append(&path(), append(2, 10)).await.unwrap();
}

/// Somebody else has filled the disk to the last byte.
#[tokio::test]
async fn without_any_space_deletions_use_the_reserve_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (faults, armed) = failing(Call::Create, Fault::NoSpace);
    // Every group but a small one needs another segment.
    let store = EmbeddedStore::open_failing(dir.path(), small_segments(), faults).unwrap();
    for name in ["a", "b"] {
        store.create(&named(name), json_stream()).await.unwrap();
        store.append(&named(name), append(0, 10)).await.unwrap();
    }
    armed.store(true, Ordering::SeqCst);
    let mut written = 1;
    let refused = loop {
        match store.append(&path(), append(written, 5_000)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    assert!(matches!(refused, AppendError::StorageFull), "{refused:?}");
    assert_eq!(content(&store, &path()).await.len() as u64, written);
    match store.delete(&named("b")).await {
        Ok(()) | Err(DeleteError::Unavailable(_)) => {}
        other => panic!("{other:?}"),
    }
    armed.store(false, Ordering::SeqCst);
    until("the store takes appends", || matches!(store.health(), StoreHealth::Ready(_))).await;
    store.append(&path(), append(written, 5_000)).await.unwrap();
    store.shutdown().await;
    assert_eq!(tail(dir.path()).await, written + 1);
}

#[tokio::test]
async fn a_tree_that_fails_for_a_while_delays_nothing_but_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (faults, armed) = failing(Call::Run, Fault::Io);
    let store = EmbeddedStore::open_failing(dir.path(), small_segments(), faults).unwrap();
    store.create(&path(), json_stream()).await.unwrap();
    armed.store(true, Ordering::SeqCst);
    for n in 0..20 {
        store.append(&path(), append(n, 5_000)).await.unwrap();
    }
    armed.store(false, Ordering::SeqCst);
    for n in 20..200 {
        // More than the log may hold needs the tree; callers try again.
        while store.append(&path(), append(n, 5_000)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(content(&store, &path()).await.len(), 200);
    store.shutdown().await;
    assert_eq!(tail(dir.path()).await, 200);
}

/// What a caller was told of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Acknowledged,
    /// And it is known not to be there: something was acknowledged since.
    Refused,
    /// It may be there if the process ended before the store recovered.
    Unsettled,
}

const STREAMS: u64 = 3;

/// Checks each stream against what its writer was told: acknowledged appends are all there, in order and once, whole.
async fn check(store: &LocalStore, told: &BTreeMap<u64, Vec<(u64, usize, Told)>>) {
    for (stream, appends) in told {
        let found = content(store, &named(&format!("{stream}"))).await;
        let mut at = found.iter();
        let mut next = at.next();
        for (n, len, told) in appends {
            let is_there = next == Some(&body(*n, *len));
            if is_there {
                next = at.next();
            }
            match told {
                Told::Acknowledged => {
                    assert!(is_there, "{n} of stream {stream} was acknowledged and is lost");
                }
                Told::Refused => assert!(!is_there, "{n} of stream {stream} was refused and is there"),
                Told::Unsettled => {}
            }
        }
        assert_eq!(next, None, "stream {stream} holds what nobody wrote, or not in order");
    }
}

fn settle(told: &mut BTreeMap<u64, Vec<(u64, usize, Told)>>) {
    for (_, _, told) in told.values_mut().flatten().filter(|(_, _, told)| *told == Told::Unsettled) {
        *told = Told::Refused;
    }
}

/// What was not known is known once the store was opened again: what is there stays, what is not never comes.
async fn decide(store: &LocalStore, told: &mut BTreeMap<u64, Vec<(u64, usize, Told)>>) {
    for (stream, appends) in told {
        let found = content(store, &named(&format!("{stream}"))).await;
        for (n, len, told) in appends.iter_mut().filter(|(_, _, told)| *told == Told::Unsettled) {
            *told = if found.contains(&body(*n, *len)) { Told::Acknowledged } else { Told::Refused };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 8, ..ProptestConfig::default() })]
    /// Random faults, kills and losses of power over one directory.
    #[test]
    fn whatever_fails_what_was_acknowledged_is_there_once_and_in_order(
        seed in any::<u64>(),
        one_of in 8..60u64,
        rounds in 1..4u64,
        lengths in prop::collection::vec(prop_oneof![4 => 1..200usize, 1 => 2_000..9_000usize], 20..120),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut told: BTreeMap<u64, Vec<(u64, usize, Told)>> = BTreeMap::new();
        let mut random = Random(seed);
        runtime.block_on(async {
            {
                let store = EmbeddedStore::open(dir.path(), small_segments()).unwrap();
                for n in 0..STREAMS {
                    store.create(&named(&format!("{n}")), json_stream()).await.unwrap();
                    told.entry(n).or_default();
                }
            }
            let mut number = 0;
            for round in 0..rounds {
                let armed = Arc::new(AtomicBool::new(false));
                let mut plan = at_random(random.below(u64::MAX), one_of);
                let is_armed = Arc::clone(&armed);
                let faults = Arc::new(Faults::new(move |call| plan(call).filter(|_| is_armed.load(Ordering::SeqCst))));
                faults.keep_what_is_durable();
                let store = EmbeddedStore::open_failing(dir.path(), small_segments(), Arc::clone(&faults)).unwrap();
                check(&store, &told).await;
                decide(&store, &mut told).await;
                armed.store(true, Ordering::SeqCst);
                for len in &lengths {
                    number += 1;
                    let stream = random.below(STREAMS);
                    let done = store.append(&named(&format!("{stream}")), append(number, *len)).await;
                    let outcome = match &done {
                        Ok(_) => {
                            settle(&mut told);
                            Told::Acknowledged
                        }
                        Err(AppendError::StorageFull) => Told::Refused,
                        Err(_) => Told::Unsettled,
                    };
                    told.entry(stream).or_default().push((number, *len, outcome));
                    if done.is_err() && random.below(3) > 0 {
                        armed.store(random.below(2) == 0, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(random.below(40))).await;
                        armed.store(true, Ordering::SeqCst);
                    }
                }
                // The running store serves what it acknowledged, and nothing else.
                check(&store, &told).await;
                if round % 2 == 0 {
                    drop(store);
                } else {
                    armed.store(false, Ordering::SeqCst);
                    store.shutdown().await;
                }
                faults.lose_power(|| random.below(2) == 0).unwrap();
            }
            let store = EmbeddedStore::open(dir.path(), small_segments()).unwrap();
            check(&store, &told).await;
            store.append(&named("0"), append(0, 1)).await.unwrap();
        });
    }
}
