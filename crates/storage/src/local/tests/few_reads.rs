//! How often an engine is asked where there are many streams: each question costs as much as many rows.

use std::sync::atomic::Ordering;

use super::engines::Fickle;
use super::*;
use crate::Trim;

/// Questions since the last time: ranges, and last entries.
fn asked(engine: &Fickle) -> (usize, usize) {
    (engine.scans.swap(0, Ordering::SeqCst), engine.lasts.swap(0, Ordering::SeqCst))
}

#[tokio::test]
async fn small_streams_are_found_in_passing_when_a_store_opens() {
    const STREAMS: u64 = 200;
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    for n in 0..STREAMS {
        let name = format!("s{n}");
        case.create(&name).await;
        for _ in 0..n % 4 {
            case.append(&name, one("1")).await.unwrap();
        }
    }
    case.0.shutdown().await;
    asked(&engine);
    let case = Case::open(&engine, |_| {});
    let (scans, lasts) = asked(&engine);
    assert!(scans < 10 && lasts == 0, "{scans} ranges, {lasts} last entries");
    for n in 0..STREAMS {
        assert_eq!(case.tail(&format!("s{n}")).await, n % 4);
    }
}

#[tokio::test]
async fn retention_reads_a_stream_where_nothing_is_due_once_and_then_no_more() {
    let engine = Arc::new(Fickle::new());
    let case = Case::open(&engine, |_| {});
    case.create("a").await;
    for _ in 0..3 {
        case.append("a", one("1")).await.unwrap();
    }
    for (keep, expected) in [("age:1d,bytes:1MiB", (1, 0)), ("age:1d,bytes:1MiB", (0, 0)), ("age:2d", (0, 0))]
    {
        asked(&engine);
        case.0.trim(&path("a"), Trim::Keep(keep.parse().unwrap())).await.unwrap();
        assert_eq!(asked(&engine), expected, "{keep}");
    }
}
