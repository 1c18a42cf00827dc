//! What is trimmed is given back, and nothing else: rows that forks read, the rest of a row, a damaged row's rest.

use std::time::{Duration, Instant};

use super::engines::Fickle;
use super::*;
use crate::engine::Entries as _;
use crate::layout::{key_first, row_key};
use crate::local::open::keys_of;
use crate::{Fork, Trim, TrimError};

/// Positions of the rows an engine holds for a stream.
fn rows(engine: &Fickle, id: u64) -> Vec<u64> {
    let mut rows = Vec::new();
    engine
        .scan(&row_key(id, 0), &row_key(id, u64::MAX), &mut |key, _| {
            rows.extend(key_first(key));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

async fn eventually(engine: &Fickle, id: u64, expected: &[u64]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while rows(engine, id) != expected {
        assert!(Instant::now() < deadline, "{:?} instead of {expected:?}", rows(engine, id));
        tokio::task::yield_now().await;
    }
}

async fn trim(case: &Case, name: &str, before: u64) {
    case.0.trim(&path(name), Trim::Before(Offset::new(before))).await.unwrap();
}

async fn fill(case: &Case, name: &str, rows: &[&[&str]]) {
    for texts in rows {
        let mut ends = Vec::new();
        let mut end = 0;
        for text in *texts {
            end += text.len() as u32;
            ends.push(end);
            end += 1;
        }
        let batch = Some(Batch::joined_messages(Bytes::from(texts.join(",")), ends).unwrap());
        case.append(name, Append { batch, ..Append::default() }).await.unwrap();
    }
}

async fn fork(case: &Case, name: &str, source: &str, at: u64) -> u64 {
    let fork = Some(Fork { source: path(source), at: Some(Offset::new(at)), sub_offset: 0 });
    let create = CreateStream { fork, content_type: None, ..json_stream() };
    case.0.create(&path(name), create).await.unwrap().head.stream_id
}

#[tokio::test]
async fn whole_rows_below_the_trim_point_are_given_back() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let id = case.create("a").await;
    fill(&case, "a", &[&["0", "1"], &["2"], &["3", "4", "5"], &["6"]]).await;
    trim(&case, "a", 1).await;
    trim(&case, "a", 2).await;
    eventually(&engine, id, &[2, 3, 6]).await;
    trim(&case, "a", 5).await;
    eventually(&engine, id, &[3, 6]).await;
    assert_eq!(case.read("a", 5).await.unwrap().rows.len(), 2);
    // Everything, the newest row as well; what comes then begins where it ended.
    trim(&case, "a", 7).await;
    eventually(&engine, id, &[]).await;
    case.0.shutdown().await;
    let case = Case::open(&engine, |_| {});
    assert_eq!(case.tail("a").await, 7);
    fill(&case, "a", &[&["7"], &["8"]]).await;
    trim(&case, "a", 8).await;
    eventually(&engine, id, &[8]).await;
    assert_eq!(case.read("a", 8).await.unwrap().next, Offset::new(9));
}

#[tokio::test]
async fn what_forks_read_stays_until_the_last_one_goes() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let id = case.create("s").await;
    fill(&case, "s", &[&["0", "1"], &["2"], &["3", "4"], &["5"], &["6"]]).await;
    trim(&case, "s", 2).await;
    eventually(&engine, id, &[2, 3, 5, 6]).await;
    let early = fork(&case, "early", "s", 3).await;
    let late = fork(&case, "late", "s", 4).await;
    // Nothing below 4 goes, nor the row that 4 lies in.
    trim(&case, "s", 6).await;
    eventually(&engine, id, &[2, 3, 6]).await;
    case.0.shutdown().await;
    let case = Case::open(&engine, |_| {});
    trim(&case, "s", 7).await;
    eventually(&engine, id, &[2, 3]).await;
    case.0.delete(&path("late")).await.unwrap();
    assert_eq!(case.read("early", 2).await.unwrap().next, Offset::new(3));
    assert_eq!(rows(&engine, id), [2, 3]);
    case.0.delete(&path("early")).await.unwrap();
    eventually(&engine, id, &[]).await;
    assert_eq!(case.tail("s").await, 7);
    for fork in [early, late] {
        assert_eq!(rows(&engine, fork), []);
    }
}

/// Thousands of rows in bounded steps, with a reopen in the middle.
#[tokio::test]
async fn large_trims_go_on_after_a_reopen() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let id = case.create("a").await;
    let all: Vec<_> = (0..6_000).map(|_| case.spawn_append("a", one("1"))).collect();
    for append in all {
        append.await.unwrap().unwrap();
    }
    trim(&case, "a", 5_990).await;
    case.0.shutdown().await;
    assert!(keys_of(&*engine, id) > 100, "it was given back at once, and not in steps");
    let case = Case::open(&engine, |_| {});
    eventually(&engine, id, &(5_990..6_000).collect::<Vec<_>>()).await;
    // Erased with the rest while it is still trimmed.
    trim(&case, "a", 5_995).await;
    case.0.delete(&path("a")).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while keys_of(&*engine, id) > 0 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_trim_that_is_not_durable_is_none() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    let id = case.create("a").await;
    fill(&case, "a", &[&["0"], &["1"]]).await;
    engine.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = case.0.trim(&path("a"), Trim::Before(Offset::new(1))).await;
    assert!(matches!(refused, Err(TrimError::Unavailable(_))));
    assert_eq!(case.read("a", 0).await.unwrap().rows.len(), 2);
    case.0.shutdown().await;
    engine.fails.store(false, std::sync::atomic::Ordering::SeqCst);
    let case = Case::open(&engine, |_| {});
    assert_eq!(case.read("a", 0).await.unwrap().rows.len(), 2);
    assert_eq!(rows(&engine, id), [0, 1]);
}

/// Damage does not make a retention guess: by count it needs no rows, by age it stops before the row.
#[tokio::test]
async fn a_damaged_row_is_never_judged() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |options| options.tail_window_bytes = 0);
    let id = case.create("a").await;
    fill(&case, "a", &[&["0"], &["1"], &["2"]]).await;
    engine.damage(&row_key(id, 1));
    let keep = |text: &str| Trim::Keep(text.parse().unwrap());
    let stopped = case.0.trim(&path("a"), keep("bytes:1")).await;
    assert!(matches!(stopped, Err(TrimError::Damaged { at }) if at == Offset::new(1)), "{stopped:?}");
    let counted = case.0.trim(&path("a"), keep("count:1")).await.unwrap();
    assert_eq!(counted.first, Offset::new(2));
    assert_eq!(case.read("a", 2).await.unwrap().rows.len(), 1);
    eventually(&engine, id, &[2]).await;

    // Where a stream with a damaged newest row ends is not known, so that row stays.
    let id = case.create("b").await;
    fill(&case, "b", &[&["0"], &["1"]]).await;
    case.0.shutdown().await;
    engine.damage(&row_key(id, 1));
    let case = Case::open(&engine, |_| {});
    let refused = case.0.trim(&path("b"), Trim::Before(Offset::new(2))).await;
    assert!(matches!(refused, Err(TrimError::Damaged { at }) if at == Offset::new(1)));
    trim(&case, "b", 1).await;
    eventually(&engine, id, &[1]).await;
}
