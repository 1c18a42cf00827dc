//! Backups of a serving store, restored and compared; and every damage noticed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, ProducerClaim, ProducerEpoch, ProducerSeq, StreamPath};

use super::*;
use crate::engine::{Engine, Writes};
use crate::layout::row_key;
use crate::{Append, Batch, CreateStream, EmbeddedStore, Fork, LocalStore, StoreOptions, StreamStore, Trim};

fn named(name: &str) -> StreamPath {
    name.parse().unwrap()
}

fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

fn produced(by: u64, seq: u64, len: usize) -> Append {
    let text = format!("[{by},{seq},\"{}\"]", "x".repeat(len));
    Append {
        batch: Some(Batch::message(Bytes::from(text)).unwrap()),
        producer: Some(ProducerClaim {
            id: format!("p{by}").parse().unwrap(),
            epoch: ProducerEpoch::ZERO,
            seq: ProducerSeq::new(seq).unwrap(),
        }),
        ..Append::default()
    }
}

async fn rows(store: &LocalStore, of: &str) -> Vec<Bytes> {
    let head = store.head(&named(of)).await.unwrap();
    let page = store.read(&named(of), head.first_offset, usize::MAX).await.unwrap();
    assert_eq!(page.next, head.next_offset);
    page.rows.iter().map(|row| row.body().clone()).collect()
}

/// Streams of every kind: trimmed, closed, forked, hidden, deleted, with attributes.
async fn fill(store: &LocalStore) {
    for name in ["plain", "trimmed", "closed", "source", "hidden", "deleted"] {
        let attributes = (name == "plain").then(|| Bytes::from_static(b"{}"));
        store.create(&named(name), CreateStream { attributes, ..json_stream() }).await.unwrap();
        for seq in 0..30 {
            store.append(&named(name), produced(0, seq, 50)).await.unwrap();
        }
    }
    store.trim(&named("trimmed"), Trim::Before(Offset::new(11))).await.unwrap();
    store.append(&named("closed"), Append { close: true, ..Append::default() }).await.unwrap();
    for (name, source) in [("fork", "source"), ("fork of hidden", "hidden"), ("fork of fork", "fork")] {
        let fork = Some(Fork { source: named(source), at: Some(Offset::new(20)), sub_offset: 0 });
        store.create(&named(name), CreateStream { fork, ..json_stream() }).await.unwrap();
        store.append(&named(name), produced(0, 0, 50)).await.unwrap();
    }
    store.delete(&named("hidden")).await.unwrap();
    store.delete(&named("deleted")).await.unwrap();
}

const READABLE: [&str; 7] =
    ["plain", "trimmed", "closed", "source", "fork", "fork of hidden", "fork of fork"];

async fn export(store: &LocalStore) -> Vec<u8> {
    export_with(store, None).await
}

async fn export_with(store: &LocalStore, inner: Option<Export>) -> Vec<u8> {
    let mut export = store.export(inner).await.unwrap();
    let mut file = Vec::new();
    while let Some(piece) = export.next().await {
        file.extend_from_slice(&piece.unwrap());
    }
    file
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path("file"), bytes).unwrap();
        self.path("file")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_what_was_copied_and_goes_on() {
    let place = Place::new();
    let store = EmbeddedStore::open(&place.path("store"), StoreOptions::default()).unwrap();
    fill(&store).await;
    let file = place.file(&export(&store).await);
    let report = verify_file(&file).unwrap();
    assert_eq!((report.problem_count, report.streams), (0, 8), "{report:?}");
    let restored = restore(&file, &place.path("restored")).unwrap();
    assert_eq!(restored, report);
    let copy = EmbeddedStore::open(&place.path("restored"), StoreOptions::default()).unwrap();
    for name in READABLE {
        let (there, here) = (copy.head(&named(name)).await.unwrap(), store.head(&named(name)).await.unwrap());
        assert_eq!(format!("{there:?}"), format!("{here:?}"));
        assert_eq!(rows(&copy, name).await, rows(&store, name).await, "{name}");
    }
    assert!(copy.head(&named("hidden")).await.is_err() && copy.head(&named("deleted")).await.is_err());
    // Producers go on where they were, and ids are not used again.
    assert!(copy.append(&named("plain"), produced(0, 29, 50)).await.unwrap().duplicate);
    assert!(!copy.append(&named("plain"), produced(0, 30, 50)).await.unwrap().duplicate);
    let new = copy.create(&named("new"), json_stream()).await.unwrap().head.stream_id;
    assert!(new > copy.head(&named("fork of fork")).await.unwrap().stream_id);
    copy.shutdown().await;
    assert_eq!(verify_directory(&place.path("restored")).unwrap().problem_count, 0);
    assert!(matches!(restore(&file, &place.path("restored")), Err(BackupError::NotEmpty { .. })));

    // Offline it is the same.
    store.shutdown().await;
    let offline = write(&place.path("store"), &place.path("offline")).unwrap();
    assert_eq!((offline.problem_count, offline.streams), (0, 8));
    // What is there already stays, and is for its owner only.
    assert!(write(&place.path("store"), &place.path("offline")).is_err());
    assert_eq!(verify_file(&place.path("offline")).unwrap(), offline);
    let mode = std::fs::metadata(place.path("offline")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(write(&place.path("nothing"), &place.path("none")).is_err() && !place.path("none").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_within_is_copied_first_and_restored_with_it() {
    let place = Place::new();
    let dir = place.path("store");
    let outer = EmbeddedStore::open(&dir, StoreOptions::default()).unwrap();
    let inner = EmbeddedStore::open(&dir.join(INNER_DIR), StoreOptions::default()).unwrap();
    outer.create(&named("plain"), json_stream()).await.unwrap();
    inner.create(&named("queue"), json_stream()).await.unwrap();
    for seq in 0..3 {
        inner.append(&named("queue"), produced(0, seq, 10)).await.unwrap();
    }
    // Everything moves over once the copy of the inner store has begun: it may be in both, and is not in neither.
    let mut begun = inner.export(None).await.unwrap();
    let head = begun.next().await.unwrap().unwrap();
    let rest = begun;
    for seq in 0..3 {
        outer.append(&named("plain"), produced(0, seq, 10)).await.unwrap();
    }
    inner.trim(&named("queue"), Trim::Before(Offset::new(3))).await.unwrap();
    let whole = export_with(&outer, Some(rest)).await;
    // This test has taken the first piece away.
    let whole = [&whole[..8], &head, &whole[8..]].concat();
    let restored = place.path("restored");
    let report = restore(&place.file(&whole), &restored).unwrap();
    assert_eq!((report.problem_count, report.streams, report.rows, report.inner_rows), (0, 1, 3, Some(3)));
    let copy = EmbeddedStore::open(&restored, StoreOptions::default()).unwrap();
    let within = EmbeddedStore::open(&restored.join(INNER_DIR), StoreOptions::default()).unwrap();
    assert_eq!(rows(&copy, "plain").await, rows(&outer, "plain").await);
    assert_eq!(rows(&within, "queue").await, rows(&outer, "plain").await);
    for store in [copy, within, outer, inner] {
        store.shutdown().await;
    }

    // Offline it is the same; what is wrong within is told as well.
    let offline = write(&restored, &place.path("offline")).unwrap();
    assert_eq!((offline.rows, offline.inner_rows), (3, Some(3)));
    assert!(verify_directory(&dir).unwrap().inner_rows.is_some());
    let engine = EmbeddedStore::open_engine(&restored.join(INNER_DIR)).unwrap();
    delete(&*engine, &[crate::layout::KEY_NEXT_ID]);
    engine.close();
    let report = verify_directory(&restored).unwrap();
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        (report.problem_count, problems),
        (1, vec!["stream spool: the number of the next stream is taken".into()])
    );
}

/// Everything acknowledged before the copy was begun is in it, nothing is in it in part, and producers fit their rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_load_is_of_one_moment() {
    let place = Place::new();
    // Segments go into the tree all the time.
    let options = StoreOptions { log_segment_bytes: 100_000, ..StoreOptions::default() };
    let store = Arc::new(EmbeddedStore::open(&place.path("store"), options).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..8).map(|_| AtomicU64::new(0)).collect());
    let mut writers = Vec::new();
    for by in 0..8 {
        store.create(&named(&format!("{by}")), json_stream()).await.unwrap();
        let (store, stop, acknowledged) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&acknowledged));
        writers.push(tokio::spawn(async move {
            let mut seq = 0;
            while !stop.load(Ordering::SeqCst) {
                store.append(&named(&format!("{by}")), produced(by, seq, 900)).await.unwrap();
                seq += 1;
                acknowledged[by as usize].store(seq, Ordering::SeqCst);
                if seq % 50 == 0 {
                    store.trim(&named(&format!("{by}")), Trim::Before(Offset::new(seq - 40))).await.unwrap();
                }
            }
        }));
    }
    for round in 0..5u64 {
        while acknowledged.iter().any(|seq| seq.load(Ordering::SeqCst) < 120 * (round + 1)) {
            tokio::task::yield_now().await;
        }
        let before: Vec<u64> = acknowledged.iter().map(|seq| seq.load(Ordering::SeqCst)).collect();
        let file = place.file(&export(&store).await);
        let after: Vec<u64> = acknowledged.iter().map(|seq| seq.load(Ordering::SeqCst)).collect();
        let dir = place.path(&format!("restored-{round}"));
        let report = restore(&file, &dir).unwrap();
        assert_eq!(report.problem_count, 0, "{report:?}");
        let copy = EmbeddedStore::open(&dir, StoreOptions::default()).unwrap();
        for by in 0..8u64 {
            let name = format!("{by}");
            let next = copy.head(&named(&name)).await.unwrap().next_offset.position();
            assert!((before[by as usize]..=after[by as usize] + 1).contains(&next), "{next}");
            // Each row is one append: a producer that is behind its rows would write the last one twice.
            assert!(copy.append(&named(&name), produced(by, next - 1, 900)).await.unwrap().duplicate);
            assert!(!copy.append(&named(&name), produced(by, next, 900)).await.unwrap().duplicate);
            rows(&copy, &name).await;
        }
        copy.shutdown().await;
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_byte_and_every_cut_is_noticed() {
    let place = Place::new();
    let store = EmbeddedStore::open(&place.path("store"), StoreOptions::default()).unwrap();
    store.create(&named("a"), json_stream()).await.unwrap();
    store.append(&named("a"), produced(0, 0, 10)).await.unwrap();
    let inner = EmbeddedStore::open(&place.path("inner"), StoreOptions::default()).unwrap();
    inner.create(&named("b"), json_stream()).await.unwrap();
    let whole = export_with(&store, Some(inner.export(None).await.unwrap())).await;
    assert_eq!(verify_file(&place.file(&whole)).unwrap().problem_count, 0);
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 4;
        assert!(verify_file(&place.file(&bad)).is_err(), "{at}");
        assert!(verify_file(&place.file(&whole[..at])).is_err(), "{at}");
    }
    let longer = [&whole[..], b"x"].concat();
    assert!(matches!(verify_file(&place.file(&longer)), Err(BackupError::Damaged { .. })));
    // What is damaged makes no store.
    let file = place.file(&whole[..whole.len() - 1]);
    assert!(restore(&file, &place.path("restored")).is_err());
    assert!(!place.path("restored").exists() && !place.path("restored.restoring").exists());
}

/// Changes one thing behind the store's back, and what `verify` says about it.
async fn problems(change: impl FnOnce(&dyn Engine, u64)) -> Vec<String> {
    let place = Place::new();
    let dir = place.path("store");
    let store = EmbeddedStore::open(&dir, StoreOptions::default()).unwrap();
    fill(&store).await;
    let id = store.head(&named("source")).await.unwrap().stream_id;
    store.shutdown().await;
    let engine = EmbeddedStore::open_engine(&dir).unwrap();
    change(&*engine, id);
    engine.close();
    let report = verify_directory(&dir).unwrap();
    assert_eq!(report.problem_count, report.problems.len() as u64);
    report.problems.iter().map(ToString::to_string).collect()
}

fn delete(engine: &dyn Engine, keys: &[&[u8]]) {
    let mut writes = Writes::default();
    for key in keys {
        writes.delete(key);
    }
    engine.commit(&writes, true).unwrap();
}

#[tokio::test]
async fn holes_and_misfits_are_told_with_their_stream_and_positions() {
    assert_eq!(problems(|_, _| {}).await, [""; 0]);
    let found = problems(|engine, id| delete(engine, &[&row_key(id, 7), &row_key(id, 8)])).await;
    assert_eq!(found, ["stream source: positions 7 to 8 are missing"]);
    let found = problems(|engine, id| delete(engine, &[&row_key(id, 0)])).await;
    assert_eq!(found[0], "stream source: positions 0 to 0 are missing");
    assert!(
        found.iter().any(|problem| problem.contains("fork: positions from 0 on are missing in its source"))
    );
    let damaged = problems(|engine, id| {
        let key = row_key(id, 3);
        let mut value = engine.get(&key).unwrap().unwrap().to_vec();
        *value.last_mut().unwrap() ^= 1;
        let mut writes = Writes::default();
        writes.put(&key, |into| into.extend_from_slice(&value));
        engine.commit(&writes, true).unwrap();
    });
    assert_eq!(damaged.await, ["stream source: the row at position 3 is damaged"]);
    let record = |id| crate::layout::id_key(crate::layout::TAG_STREAM, id);
    let found = problems(|engine, id| delete(engine, &[&record(id)])).await;
    assert!(found.iter().any(|problem| problem.contains("and no record")), "{found:?}");
    assert!(found.iter().any(|problem| problem.contains("stream fork: its source")), "{found:?}");
    let found = problems(|engine, _| delete(engine, &[crate::layout::KEY_NEXT_ID])).await;
    assert_eq!(found, ["the number of the next stream is taken"]);
}
