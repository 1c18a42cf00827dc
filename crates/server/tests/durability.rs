//! What callers see of the store's troubles: a full disk, and backups.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::{TestServer, request};
use durable_sessions_server::{StoreConfig, backup};

const JSON: &str = "application/json";
const STREAM: &str = "/v1/stream/j";

fn create(path: &str) -> http::Request<bytes::Bytes> {
    common::request_with("PUT", path, &[("content-type", JSON)], "")
}

/// The first append of a producer.
fn produced(body: &str) -> http::Request<bytes::Bytes> {
    let producer = [("producer-id", "p"), ("producer-epoch", "0"), ("producer-seq", "0")];
    let headers = [[("content-type", JSON)].as_slice(), &producer].concat();
    common::request_with("POST", STREAM, &headers, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_appends_are_507_and_reads_and_deletions_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().to_owned() };
    let server = TestServer::start_with(|config| config.store = store.clone()).await;
    for path in [STREAM, "/v1/stream/k"] {
        assert_eq!(server.send(create(path)).await.status, 201);
        assert_eq!(server.post(path, "[1,2]").await.status, 204);
    }
    assert_eq!(server.send(produced("[2]")).await.status, 200);
    assert_eq!(server.get("/readyz").await.json()["status"], "ready");
    server.stopped().await;

    // No disk has so much space left.
    let full = TestServer::start_with(|config| {
        config.store = store.clone();
        config.store_options.disk_free_bytes_min = u64::MAX;
    })
    .await;
    // The first append finds it out; those after it are told the same.
    for refused in [
        full.post(STREAM, "[3]").await,
        full.post(STREAM, "[3]").await,
        full.send(create("/v1/stream/new")).await,
        full.post(STREAM, "[3]").await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (507, "STORAGE_FULL"));
        assert_eq!(refused.header("retry-after"), Some("10"));
    }
    // What needs no room is no trouble.
    assert_eq!(full.send(produced("[2]")).await.status, 204);
    let ready = full.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "degraded");
    assert_eq!(ready.json()["reasons"][0], "storage-full");
    assert_eq!(full.get(STREAM).await.body, "[1,2,2]");
    assert_eq!(full.send(request("DELETE", "/v1/stream/k")).await.status, 204);
    assert_eq!(full.get("/v1/stream/k").await.status, 404);
    full.stopped().await;

    let server = TestServer::start_with(|config| config.store = store).await;
    assert_eq!(server.post(STREAM, "[3]").await.status, 204);
    assert_eq!(server.get(STREAM).await.body, "[1,2,2,3]");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_is_in_the_backup_too() {
    let dir = tempfile::tempdir().unwrap();
    let data = StoreConfig::Embedded { dir: dir.path().join("data") };
    let server = TestServer::start_with(|config| config.store = data.clone()).await;
    assert_eq!(server.send(create(STREAM)).await.status, 201);
    let queued = server.post(&format!("{STREAM}?durability=queued"), "[1]").await;
    assert_eq!(queued.status, 202);
    let file = dir.path().join("copy");
    std::fs::write(&file, &server.get("/api/backup").await.body).unwrap();
    let report = backup::verify_file(&file).unwrap();
    assert!(report.problem_count == 0 && report.inner_rows.is_some(), "{report:?}");
    server.stopped().await;

    let restored = StoreConfig::Embedded { dir: dir.path().join("restored") };
    backup::restore(&file, &dir.path().join("restored")).unwrap();
    let server = TestServer::start_with(|config| config.store = restored).await;
    // Delivered before the copy or after the restoration, and recognised if both.
    common::within(async {
        while server.get(STREAM).await.body != "[1]" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.post(STREAM, "[2]").await.status, 204);
    assert_eq!(server.get(STREAM).await.body, "[1,2]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_whole_file_and_needs_a_store_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().join("data") };
    let server = TestServer::start_with(|config| config.store = store).await;
    assert_eq!(server.send(create(STREAM)).await.status, 201);
    assert_eq!(server.post(STREAM, "[1,2]").await.status, 204);
    let copy = server.get("/api/backup").await;
    assert_eq!((copy.status.as_u16(), copy.header("content-type")), (200, Some("application/octet-stream")));
    let file = dir.path().join("copy");
    std::fs::write(&file, &copy.body).unwrap();
    let report = backup::verify_file(&file).unwrap();
    assert_eq!((report.problem_count, report.streams, report.units), (0, 1, 2));
    assert_eq!(server.post("/api/backup", "{}").await.status, 405);

    let memory = TestServer::start().await;
    let refused = memory.get("/api/backup").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "STREAM_UNAVAILABLE"));
}
