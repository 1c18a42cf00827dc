//! Retention: what streams ask for, what the operator's rules say, and what readers of trimmed streams get.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Item, TestServer, chunk, request, request_with, within};
use durable_sessions_server::{ServerConfig, StoreConfig};
use durable_sessions_storage::ManualClock;

const JSON: (&str, &str) = ("content-type", "application/json");
const PATH: &str = "/v1/stream/j";

fn offset(position: u64) -> String {
    format!("{position:020}")
}

/// A server that looks at its streams all the time, and whose clock stands still until it is moved.
async fn keeping(change: impl FnOnce(&mut ServerConfig)) -> (TestServer, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let server = TestServer::start_with(|config| {
        config.store_options.clock = clock.clone();
        config.retention_interval = Duration::from_millis(5);
        change(config);
    })
    .await;
    (server, clock)
}

/// Waits until a stream begins at a position.
async fn begins_at(server: &TestServer, path: &str, position: u64) {
    let first = offset(position);
    within(async {
        while server.send(request("HEAD", path)).await.header("stream-first-offset") != Some(&first) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_says_what_it_asks_for_and_is_compared_by_it() {
    let server = TestServer::start().await;
    let put =
        |retention: &'static str| request_with("PUT", PATH, &[JSON, ("stream-retention", retention)], "");
    assert_eq!(server.send(put("bytes:1024KiB, age:86400s,count:100000")).await.status, 201);
    let head = server.send(request("HEAD", PATH)).await;
    assert_eq!(head.header("stream-retention"), Some("age:1d,count:100000,bytes:1MiB"));
    assert_eq!(head.header("stream-first-offset"), None);
    assert_eq!(server.send(put("age:1d,count:100000,bytes:1MiB")).await.status, 200);
    for other in ["count:100000", "none"] {
        let refused = server.send(put(other)).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "STREAM_EXISTS"), "{other}");
        assert_eq!(refused.json()["error"]["details"]["differs"], "retention");
    }
    // A fork takes it over, or has its own.
    let from = ("stream-forked-from", PATH);
    let own = ("stream-retention", "count:7");
    for (fork, headers, expected) in [
        ("/v1/stream/f1", &[from][..], "age:1d,count:100000,bytes:1MiB"),
        ("/v1/stream/f2", &[from, own][..], "count:7"),
    ] {
        assert_eq!(server.send(request_with("PUT", fork, headers, "")).await.status, 201);
        let head = server.send(request("HEAD", fork)).await;
        assert_eq!(head.header("stream-retention"), Some(expected));
    }
}

#[tokio::test]
async fn readers_of_trimmed_history_are_told_where_it_begins() {
    let (server, _clock) = keeping(|_| {}).await;
    server.send(request_with("PUT", PATH, &[JSON, ("stream-retention", "count:3")], "[0,1]")).await;
    let whole = server.get(PATH).await;
    let tag = whole.header("etag").unwrap().to_owned();
    // One that waits at the tail goes on as if nothing was.
    let mut live = server.subscribe("/v1/stream/j?offset=now&live=sse").await;
    assert_eq!(live.control().await.message_count, Some(2));
    for n in 2..8 {
        server.post(PATH, n.to_string()).await;
    }
    assert_eq!(live.messages(6).await, ["2", "3", "4", "5", "6", "7"]);
    begins_at(&server, PATH, 5).await;

    for old in [0, 4] {
        for mode in ["", "&live=long-poll", "&live=sse"] {
            let gone = server.get(&format!("{PATH}?offset={}{mode}", offset(old))).await;
            assert_eq!(
                (gone.status.as_u16(), gone.code().as_str()),
                (410, "HISTORY_TRIMMED"),
                "{old} {mode}"
            );
            assert_eq!(gone.header("stream-first-offset"), Some(offset(5).as_str()));
            assert_eq!(gone.header("stream-message-count"), Some("5"));
            assert_eq!(gone.header("cache-control"), Some("no-store"));
        }
    }
    // The beginning is what is left, and a tag of what was there before does not match it.
    for path in [PATH.to_owned(), format!("{PATH}?offset=-1"), format!("{PATH}?offset={}", offset(5))] {
        let read = server.send(request_with("GET", &path, &[("if-none-match", &tag)], "")).await;
        assert_eq!((read.status.as_u16(), read.text()), (200, "[5,6,7]"), "{path}");
        assert_eq!(read.header("stream-next-offset"), Some(offset(8).as_str()));
        assert_eq!(read.header("stream-message-count"), Some("5"));
    }
    let mut sse = server.subscribe("/v1/stream/j?offset=-1&live=sse").await;
    assert_eq!(sse.headers["stream-message-count"], "5");
    assert_eq!(sse.next().await, Item::Data(b"[5,6,7]".to_vec()));
    assert_eq!(sse.control().await.message_count, Some(8));
    let poll = server.get(&format!("{PATH}?offset=-1&live=long-poll")).await;
    assert_eq!((poll.status.as_u16(), poll.text()), (200, "[5,6,7]"));
    assert_eq!(poll.header("stream-message-count"), Some("5"));

    // A fork branches off what is left only.
    let from = ("stream-forked-from", PATH);
    let refused = server
        .send(request_with("PUT", "/v1/stream/f", &[from, ("stream-fork-offset", &offset(4))], ""))
        .await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "INVALID_FORK"));
    let mark = ("stream-fork-offset", offset(6));
    server.send(request_with("PUT", "/v1/stream/f", &[from, (mark.0, &mark.1)], "")).await;
    server.post(PATH, "[8,9]").await;
    begins_at(&server, PATH, 7).await;
    assert_eq!(server.get("/v1/stream/f").await.text(), "[5]", "a fork keeps what its source gives up");

    // Closing changes nothing of it, and what is closed is trimmed as well.
    server.send(request_with("POST", PATH, &[JSON, ("stream-closed", "true")], "[10]")).await;
    begins_at(&server, PATH, 8).await;
    let end = server.get(PATH).await;
    assert_eq!((end.text(), end.header("stream-closed")), ("[8,9,10]", Some("true")));
    server.stopped().await;
}

#[tokio::test]
async fn rules_count_by_path_and_streams_can_only_ask_for_less() {
    let (server, clock) = keeping(|config| {
        config.retention =
            ["sessions/*=age:30d", "logs/**=count:2"].iter().map(|rule| rule.parse().unwrap()).collect();
    })
    .await;
    let session = "/v1/stream/sessions/run";
    server.put(session).await;
    server.post(session, chunk("1", "old")).await;
    let less = ("stream-retention", "count:1");
    let more = ("stream-retention", "count:9");
    for (path, headers) in [
        ("/v1/stream/logs/a", &[JSON][..]),
        ("/v1/stream/logs/b/c", &[JSON, less]),
        ("/v1/stream/logs/d", &[JSON, more]),
        (PATH, &[JSON]),
    ] {
        server.send(request_with("PUT", path, headers, "[1,2,3,4,5]")).await;
    }
    begins_at(&server, "/v1/stream/logs/a", 3).await;
    begins_at(&server, "/v1/stream/logs/b/c", 4).await;
    begins_at(&server, "/v1/stream/logs/d", 3).await;
    clock.advance(Duration::from_secs(15 * 86_400));
    server.post(session, chunk("2", "young")).await;
    clock.advance(Duration::from_secs(15 * 86_400));
    begins_at(&server, session, 1).await;
    assert_eq!(server.get(session).await.text(), format!("[{}]", chunk("2", "young")));
    let listed = &server.get("/api/sessions").await.json()["data"]["sessions"][0];
    assert_eq!((listed["eventCount"].as_u64(), listed["firstCursor"].as_str()), (Some(2), Some(&*offset(1))));
    // No rule, no trimming.
    assert_eq!(server.get(PATH).await.text(), "[1,2,3,4,5]");
    server.stopped().await;
}

#[tokio::test]
async fn what_was_trimmed_stays_so_across_servers() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().into() };
    let (server, _clock) = keeping(|config| config.store = store.clone()).await;
    let asks = [("content-type", "text/plain"), ("stream-retention", "bytes:5")];
    server.send(request_with("PUT", PATH, &asks, "hello ")).await;
    server.send(request_with("POST", PATH, &[("content-type", "text/plain")], "world")).await;
    begins_at(&server, PATH, 6).await;
    server.stopped().await;
    let (server, _clock) = keeping(|config| config.store = store).await;
    let head = server.send(request("HEAD", PATH)).await;
    assert_eq!(head.header("stream-retention"), Some("bytes:5"));
    assert_eq!(server.get(PATH).await.text(), "world");
    let gone = server.get(&format!("{PATH}?offset={}", offset(0))).await;
    // Bytes are no messages: there is nothing to say about their number.
    assert_eq!((gone.status.as_u16(), gone.header("stream-message-count")), (410, None));
    server.send(request_with("POST", PATH, &[("content-type", "text/plain")], "again")).await;
    begins_at(&server, PATH, 11).await;
    server.stopped().await;
}
