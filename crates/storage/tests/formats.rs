//! Stores as older versions wrote them: each opens, holds what it held, and goes on.
//!
//! A fixture is a data directory without the zeros at the ends of logs and journals. `DURABLE_SESSIONS_WRITE_FIXTURE=DIR` and `--ignored` make
//! the test `fixture` write one with this version; the fixtures that are there are never written again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use durable_sessions_protocol::{
    ContentType, Offset, ProducerClaim, ProducerEpoch, ProducerSeq, Retention, StreamPath,
};
use durable_sessions_storage::{
    Append, Batch, CreateStream, EmbeddedStore, Fork, LocalStore, ReadError, StoreOptions, StreamStore, Trim,
    backup,
};

const FIXTURE: &str = "DURABLE_SESSIONS_WRITE_FIXTURE";

fn path(name: &str) -> StreamPath {
    name.parse().unwrap()
}

fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

fn append(n: u64) -> Append {
    Append {
        batch: Some(Batch::message(Bytes::from(format!("\"message {n}\""))).unwrap()),
        producer: Some(ProducerClaim {
            id: "writer".parse().unwrap(),
            epoch: ProducerEpoch::ZERO,
            seq: ProducerSeq::new(n).unwrap(),
        }),
        ..Append::default()
    }
}

async fn fill(store: &LocalStore) {
    let attributes = Some(Bytes::from_static(b"{\"title\":\"kept\"}"));
    let retention = Retention { count: Some(5), ..Retention::NONE };
    for (name, create) in [
        ("plain", CreateStream { attributes, ..json_stream() }),
        ("closed", json_stream()),
        ("trimmed", CreateStream { retention, ..json_stream() }),
        ("deleted", json_stream()),
    ] {
        store.create(&path(name), create).await.unwrap();
        for n in 0..10 {
            store.append(&path(name), append(n)).await.unwrap();
        }
    }
    let text = CreateStream { content_type: Some("text/plain".parse().unwrap()), ..json_stream() };
    let initial = Some(Batch::bytes(Bytes::from_static(b"some text")).unwrap());
    store.create(&path("text"), CreateStream { initial, ..text }).await.unwrap();
    store.append(&path("closed"), Append { close: true, ..append(10) }).await.unwrap();
    store.trim(&path("trimmed"), Trim::Before(Offset::new(5))).await.unwrap();
    let fork = Some(Fork { source: path("plain"), at: Some(Offset::new(4)), sub_offset: 0 });
    store.create(&path("fork"), CreateStream { fork, ..json_stream() }).await.unwrap();
    store.append(&path("fork"), append(0)).await.unwrap();
    store.delete(&path("deleted")).await.unwrap();
}

async fn messages(store: &LocalStore, name: &str, from: u64) -> Vec<String> {
    let page = store.read(&path(name), Offset::new(from), usize::MAX).await.unwrap();
    assert_eq!(page.next, page.tail.next_offset);
    page.rows.iter().map(|row| String::from_utf8(row.body().to_vec()).unwrap()).collect()
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| format!("\"message {n}\"")).collect()
}

/// Not a test of its own.
#[test]
#[ignore = "writes a fixture to the directory that the environment names"]
fn fixture() {
    let to = std::env::var_os(FIXTURE).map(PathBuf::from).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Small enough that a part of it is in the tree.
        let options = StoreOptions { log_segment_bytes: 4_000, ..StoreOptions::default() };
        let store = EmbeddedStore::open(dir.path(), options).unwrap();
        fill(&store).await;
        // Time for a part to get into the tree; whether it did shows in what is committed.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        store.shutdown().await;
    });
    copy(dir.path(), &to, &|file, mut bytes| {
        if file.extension().is_some_and(|extension| extension == "log" || extension == "jnl") {
            bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        }
        bytes
    });
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&Path, Vec<u8>) -> Vec<u8>) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, change);
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            std::fs::write(&target, change(&target, bytes)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_store_of_layout_2_opens_holds_everything_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layout-2");
    copy(&fixture, dir.path(), &|_, bytes| bytes);
    // A journal has to have some length.
    let journal = dir.path().join("streams/0.jnl");
    assert!(journal.exists());
    std::fs::write(journal, [0; 100]).unwrap();
    assert_eq!(backup::verify_directory(dir.path()).unwrap().problem_count, 0);

    let store = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
    assert_eq!(messages(&store, "plain", 0).await, numbered(0..10));
    let head = store.head(&path("plain")).await.unwrap();
    assert_eq!(head.attributes.as_deref(), Some(&b"{\"title\":\"kept\"}"[..]));
    assert_eq!(messages(&store, "closed", 0).await, numbered(0..11));
    assert!(store.head(&path("closed")).await.unwrap().closed);
    assert!(store.append(&path("closed"), Append { close: true, ..append(10) }).await.unwrap().duplicate);
    assert_eq!(messages(&store, "trimmed", 5).await, numbered(5..10));
    assert!(matches!(store.read(&path("trimmed"), Offset::ZERO, 9).await, Err(ReadError::Trimmed { .. })));
    assert_eq!(store.head(&path("trimmed")).await.unwrap().retention.count, Some(5));
    assert_eq!(messages(&store, "text", 0).await, ["some text"]);
    assert_eq!(messages(&store, "fork", 0).await, [numbered(0..4), numbered(0..1)].concat());
    assert!(matches!(store.head(&path("deleted")).await, Err(ReadError::NotFound)));
    for name in ["plain", "trimmed"] {
        assert!(store.append(&path(name), append(9)).await.unwrap().duplicate);
        assert_eq!(store.append(&path(name), append(10)).await.unwrap().next_offset, Offset::new(11));
    }
    store.create(&path("new"), json_stream()).await.unwrap();
    store.shutdown().await;
    assert_eq!(backup::verify_directory(dir.path()).unwrap().problem_count, 0);
}
