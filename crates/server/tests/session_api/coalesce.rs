//! Sessions that join chunks: what is stored, what readers see, which ids are recognised.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::{TestServer, chunk, request, within};
use crate::support::{call, embedded, get, new_session, ok, publish, stored, types};

async fn coalescing(server: &TestServer, id: &str, ms: u32) -> Value {
    let body = json!({ "id": id, "projectId": "p", "coalesceMs": ms });
    ok(server, "POST", "/api/sessions", &body).await
}

fn event(id: &str, text: &str) -> Value {
    json!({ "type": "chunk", "data": { "text": text, "turn": 1 }, "id": id, "timestamp": 1 })
}

fn tool() -> Value {
    json!({ "type": "tool:start", "data": { "id": "1", "tool": "ls" }, "id": "t" })
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["data"]["text"].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn a_session_says_how_long_its_chunks_wait() {
    let server = TestServer::start().await;
    assert_eq!(coalescing(&server, "a", 20).await["coalesceMs"], 20);
    assert_eq!(get(&server, "/api/sessions/a").await["coalesceMs"], 20);
    assert_eq!(new_session(&server, "b").await["coalesceMs"], Value::Null);
    let create = async |id: &str, ms: Value| {
        let body = json!({ "id": id, "projectId": "p", "coalesceMs": ms });
        let answer = call(&server, "POST", "/api/sessions", &body).await;
        (answer.status.as_u16(), answer.code())
    };
    assert_eq!(create("a", json!(20)).await.0, 200);
    assert_eq!(create("a", json!(21)).await, (409, "STREAM_EXISTS".to_owned()));
    for bad in [json!(1001), json!(-1), json!("20")] {
        assert_eq!(create("c", bad.clone()).await, (400, "INVALID_REQUEST".to_owned()), "{bad}");
    }
    // A session that continues it does the same.
    let fork = [("stream-forked-from", "/v1/stream/sessions/a")];
    server.send(crate::common::request_with("PUT", "/v1/stream/sessions/fork", &fork, "")).await;
    assert_eq!(get(&server, "/api/sessions/fork").await["coalesceMs"], 20);
}

#[tokio::test]
async fn chunks_are_joined_and_their_ids_count_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(embedded(&dir)).await;
    coalescing(&server, "a", 1).await;
    let mut live = server.subscribe("/v1/stream/sessions/a?offset=-1&live=sse").await;
    let events = [event("1", "Hel"), event("2", "lo "), event("3", "you"), tool(), event("4", "!")];
    let answer = publish(&server, "a", json!(events)).await;
    assert_eq!((&answer["offset"], &answer["durable"]), (&json!("00000000000000000003"), &json!(true)));
    let found = stored(&server, "a").await;
    assert_eq!(
        (types(&found), texts(&found)),
        (vec!["chunk", "tool:start", "chunk"], vec!["Hello you", "-", "!"])
    );
    assert_eq!((&found[0]["id"], &found[0]["joined"]), (&json!("1"), &json!(["2", "3"])));
    assert_eq!(live.messages(3).await.len(), 3);
    drop(live);
    server.stopped().await;

    let server = TestServer::start_with(embedded(&dir)).await;
    for (id, end) in [("1", 1), ("2", 1), ("3", 1), ("4", 3)] {
        let again = publish(&server, "a", event(id, "again")).await;
        assert_eq!(again["offset"], format!("{end:020}"), "{id}");
        assert_eq!(again["duplicates"], 1);
    }
    let mixed = publish(&server, "a", json!([event("3", "you"), event("5", "?"), event("6", "!")])).await;
    assert_eq!((&mixed["offset"], &mixed["duplicates"]), (&json!("00000000000000000004"), &json!(1)));
    assert_eq!(texts(&stored(&server, "a").await), ["Hello you", "-", "!", "?!"]);
    server.stopped().await;
}

#[tokio::test]
async fn whoever_does_not_wait_is_joined_with_the_next_and_order_holds() {
    let server = TestServer::start().await;
    coalescing(&server, "a", 1000).await;
    let metric = async || {
        let text = server.get("/metrics").await;
        let line =
            text.text().lines().find_map(|line| line.strip_prefix("durable_sessions_coalescing_bytes "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let later = async |above: u64| {
        within(async {
            while metric().await <= above {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    let writer = async |text: &str, above: u64| {
        later(above).await;
        publish(&server, "a", event(text, text)).await
    };
    let raw = async {
        // Both are there.
        later(event("a", "a").to_string().len() as u64 * 3 / 2).await;
        // By the protocol, behind what waits: the window is written before.
        server.post("/v1/stream/sessions/a", chunk("raw", "raw")).await
    };
    let first = publish(&server, "a", event("a", "a"));
    let (first, second, raw) = tokio::join!(first, writer("b", 0), raw);
    assert_eq!(
        (&first["offset"], &second["offset"]),
        (&json!("00000000000000000001"), &json!("00000000000000000001"))
    );
    assert_eq!(raw.header("stream-next-offset"), Some("00000000000000000002"));
    assert_eq!(texts(&stored(&server, "a").await), ["ab", "raw"]);
    // The end comes behind what waits as well.
    let closing = async {
        later(0).await;
        server.send(request("POST", "/api/sessions/a/close")).await
    };
    let (last, closed) = tokio::join!(publish(&server, "a", event("c", "c")), closing);
    assert_eq!((&last["offset"], closed.status.as_u16()), (&json!("00000000000000000003"), 200));
    let text = server.get("/metrics").await;
    for line in ["durable_sessions_coalesced_chunks_total 1", "durable_sessions_coalesced_messages_total 1"] {
        assert!(text.text().lines().any(|found| found == line), "{line}");
    }
}

#[tokio::test]
async fn a_stop_writes_what_waits() {
    let mut server = TestServer::start().await;
    coalescing(&server, "a", 1000).await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let body = event("1", "x").to_string();
    let request = format!(
        "POST /api/streams?sessionId=a HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    within(async {
        while server.get("/metrics").await.text().contains("durable_sessions_coalescing_bytes 0\n") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.begin_stop();
    let mut answer = String::new();
    within(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"durable\":true"), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn the_server_has_a_default_and_queued_events_do_not_wait() {
    let server = TestServer::start_with(|config| config.coalesce_window = Duration::from_millis(1)).await;
    new_session(&server, "a").await;
    coalescing(&server, "off", 0).await;
    server.put("/v1/stream/sessions/put").await;
    let events = json!([event("1", "a"), event("2", "b")]);
    for (id, expected) in [("a", vec!["ab"]), ("put", vec!["ab"]), ("off", vec!["a", "b"])] {
        publish(&server, id, events.clone()).await;
        assert_eq!(texts(&stored(&server, id).await), expected, "{id}");
    }
    let more = json!([event("3", "c"), event("2", "b"), event("4", "d")]);
    let queued = call(&server, "POST", "/api/streams?sessionId=a&durability=queued", &more).await;
    assert_eq!(queued.status, 202);
    within(async {
        while texts(&stored(&server, "a").await) != ["ab", "cd"] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(publish(&server, "a", event("4", "d")).await["duplicates"], 1);
}
