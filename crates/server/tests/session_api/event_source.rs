//! A plain `EventSource`, as an old client uses it: it knows unnamed frames, ids, and how to come again.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::common::{TestServer, chunk, request, within};
use crate::support::{Source, new_session, publish};

async fn write(server: &TestServer, text: &str) {
    publish(server, "a", json!({ "type": "chunk", "data": { "text": text }, "id": text })).await;
}

#[tokio::test]
async fn every_event_comes_once_over_many_connections() {
    // Connections that rotate all the time, as proxies and networks make them.
    let server = TestServer::start_with(|config| config.sse_max_age = Duration::from_millis(60)).await;
    new_session(&server, "a").await;
    let reading = async {
        let (mut seen, mut last_id, mut connections) = (Vec::new(), None, 0);
        while seen.len() < 60 {
            // The URL stays what the page opened first; only the header changes, as a browser does it.
            let mut source =
                Source::open(&server, "/api/sessions/a/stream?offset=0", last_id.as_deref()).await;
            connections += 1;
            let first = source.data().await;
            assert_eq!((&first["type"], &first["sessionId"]), (&json!("connected"), &json!("a")));
            assert_eq!(first["offset"], seen.len());
            assert!(first["timestamp"].is_number() && first["cursor"].is_string());
            while let Some(frame) = source.next().await {
                assert_eq!((frame.event.as_str(), frame.id.is_some()), ("", true));
                seen.push(frame.data["id"].as_str().unwrap().to_owned());
            }
            last_id = source.last_id.clone();
        }
        (seen, connections)
    };
    let writing = async {
        for n in 0..60 {
            write(&server, &n.to_string()).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ((seen, connections), ()) = futures::join!(reading, writing);
    assert_eq!(seen, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(connections > 1);
}

#[tokio::test]
async fn the_offset_is_a_cursor_or_a_count() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    for n in 0..4 {
        write(&server, &n.to_string()).await;
    }
    for (offset, next) in [("2", "2"), ("00000000000000000003", "3"), ("-1", "0"), ("0", "0")] {
        let mut source =
            Source::open(&server, &format!("/api/sessions/a/stream?offset={offset}"), None).await;
        assert_eq!(source.data().await["type"], "connected");
        let frame = source.next().await.unwrap();
        assert_eq!(frame.data["id"], next, "{offset}");
        // An id is where to go on.
        let mut resumed = Source::open(&server, "/api/sessions/a/stream", frame.id.as_deref()).await;
        assert_eq!(resumed.data().await["offset"].as_u64(), next.parse::<u64>().ok().map(|n| n + 1));
    }
    let mut live = Source::open(&server, "/api/sessions/a/stream?offset=now", None).await;
    assert_eq!(live.data().await["offset"], 4);
    write(&server, "4").await;
    let frame = live.next().await.unwrap();
    assert_eq!((&frame.data["id"], frame.id.as_deref()), (&json!("4"), Some("00000000000000000005")));
    // Side by side with readers of the protocol, on the same stream.
    let mut protocol = server.subscribe("/v1/stream/sessions/a?offset=-1&live=sse").await;
    assert_eq!(protocol.messages(5).await.len(), 5);
}

#[tokio::test]
async fn the_end_is_said_and_who_comes_back_is_told_to_stop() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    write(&server, "0").await;
    let mut source = Source::open(&server, "/api/sessions/a/stream", None).await;
    source.data().await;
    assert_eq!(source.data().await["id"], "0");
    server.send(request("POST", "/api/sessions/a/close")).await;
    let last = source.next().await.unwrap();
    assert_eq!((&last.data["type"], &last.data["offset"]), (&json!("closed"), &json!(1)));
    assert!(source.next().await.is_none());
    let back = Request::get("/api/sessions/a/stream").header("last-event-id", last.id.unwrap());
    let answer = server.send(back.body(bytes::Bytes::new()).unwrap()).await;
    assert_eq!(answer.status, 204);
    // Who was not there gets all of it, and the end.
    let mut late = Source::open(&server, "/api/sessions/a/stream", None).await;
    let types: Vec<_> =
        [late.data().await, late.data().await, late.data().await].map(|data| data["type"].clone()).into();
    assert_eq!(types, ["connected", "chunk", "closed"]);
    assert!(late.next().await.is_none());
}

#[tokio::test]
async fn who_asks_for_the_head_gets_it_and_does_not_stay() {
    let server = TestServer::start_with(|config| config.limits.sse_subscribers_max = 1).await;
    new_session(&server, "a").await;
    for _ in 0..3 {
        let head = server.send(request("HEAD", "/api/sessions/a/stream")).await;
        assert_eq!((head.status.as_u16(), head.header("content-type")), (200, Some("text/event-stream")));
        assert!(head.body.is_empty());
    }
    assert_eq!(server.send(request("HEAD", "/api/sessions/b/stream")).await.status, 404);
    let _one = Source::open(&server, "/api/sessions/a/stream", None).await;
    let refused = server.get("/api/sessions/a/stream").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "TOO_MANY_CONNECTIONS"));
    assert_eq!(refused.json()["error"]["details"]["fallback"], "long-poll");
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn silence_is_filled_with_pings() {
    let server = TestServer::start_with(|config| config.heartbeat = Duration::from_millis(30)).await;
    new_session(&server, "a").await;
    let response = server.open(request("GET", "/api/sessions/a/stream")).await;
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("\n: ping\n\n") {
        let frame = within(body.frame()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(text.starts_with("retry: 1000\n\nid: 00000000000000000000\ndata:{"), "{text}");
}

#[tokio::test]
async fn history_that_was_given_up_is_told() {
    let server = TestServer::start_with(|config| {
        config.retention = vec!["sessions/*=count:2".parse().unwrap()];
        config.retention_interval = Duration::from_millis(20);
    })
    .await;
    new_session(&server, "a").await;
    for n in 0..6 {
        server.post("/v1/stream/sessions/a", chunk(&n.to_string(), "x")).await;
    }
    within(async {
        while server.send(request("HEAD", "/v1/stream/sessions/a")).await.header("stream-first-offset")
            != Some("00000000000000000004")
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut source = Source::open(&server, "/api/sessions/a/stream?offset=1", None).await;
    let first = source.data().await;
    assert_eq!((&first["offset"], &first["missed"]), (&json!(4), &json!(3)));
    assert_eq!(source.data().await["id"], "4");
}
