//! The administrator's list of streams: sizes, subscribers, lag, pages.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::common::{self, TestServer, chunk, request_with, within};
use crate::support::{JSON, call, get, new_session, ok};

const LIST: &str = "/api/admin/streams";
/// Larger than what a connection takes in advance.
const MESSAGES: u64 = 100;

/// The row of one stream.
async fn row(server: &TestServer, path: &str) -> Value {
    let rows = get(server, &format!("{LIST}?prefix={path}")).await["streams"].clone();
    let found = rows.as_array().unwrap().iter().find(|row| row["path"] == path);
    found.unwrap_or_else(|| panic!("{path} is not in {rows}")).clone()
}

/// Waits until the row of a stream is as wanted.
async fn until(server: &TestServer, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = std::time::Instant::now();
    loop {
        let row = row(server, path).await;
        if wanted(&row) {
            return row;
        }
        assert!(began.elapsed() < common::PATIENCE, "{row}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn paths(page: &Value) -> Vec<&str> {
    page["streams"].as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_row_says_what_a_stream_is_and_how_large() {
    let server = TestServer::start().await;
    ok(&server, "POST", "/api/sessions", &json!({ "id": "run", "projectId": "p", "title": "A run" })).await;
    for id in ["1", "2", "3"] {
        assert_eq!(server.post("/v1/stream/sessions/run", chunk(id, "x")).await.status, 204);
    }
    let text = [("content-type", "text/plain"), ("stream-closed", "true")];
    let made = server.send(request_with("PUT", "/v1/stream/logs/a", &text, "hello")).await;
    assert_eq!(made.status, 201);
    let run = row(&server, "sessions/run").await;
    for (name, expected) in [
        ("sessionId", json!("run")),
        ("title", json!("A run")),
        ("projectId", json!("p")),
        ("status", json!("active")),
        ("closed", json!(false)),
        ("unit", json!("messages")),
        ("size", json!(3)),
        ("end", json!(3)),
        ("subscribers", json!(0)),
        ("lagging", json!(0)),
        ("lag", Value::Null),
    ] {
        assert_eq!(run[name], expected, "{name} of {run}");
    }
    let log = row(&server, "logs/a").await;
    assert_eq!(
        (&log["unit"], &log["size"], &log["closed"], log.get("status"), log.get("sessionId")),
        (&json!("bytes"), &json!(5), &json!(true), None, None),
        "{log}"
    );
}

#[tokio::test]
async fn pages_follow_each_other_in_order_of_path() {
    let server = TestServer::start().await;
    for id in ["c", "a", "d", "b", "e"] {
        new_session(&server, id).await;
    }
    server.put("/v1/stream/logs/a%20log").await;
    let mut seen = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let page = get(&server, &format!("{LIST}?{query}")).await;
        assert!(paths(&page).len() <= 2, "{page}");
        seen.extend(paths(&page).into_iter().map(str::to_owned));
        match page["nextCursor"].as_str() {
            Some(next) => query = format!("limit=2&cursor={}", next.replace('/', "%2F").replace(' ', "+")),
            None => break,
        }
    }
    assert_eq!(seen, ["logs/a log", "sessions/a", "sessions/b", "sessions/c", "sessions/d", "sessions/e"]);
    assert_eq!(paths(&get(&server, &format!("{LIST}?prefix=logs/")).await), ["logs/a log"]);

    assert!(paths(&get(&server, &format!("{LIST}?followed=true")).await).is_empty());
    let _b = server.subscribe("/v1/stream/sessions/b?offset=-1&live=sse").await;
    let _plain = server.open(common::request("GET", "/api/sessions/b/stream")).await;
    let _d = server.subscribe("/v1/stream/sessions/d?offset=-1&live=sse").await;
    let first = get(&server, &format!("{LIST}?followed=true&limit=1")).await;
    assert_eq!((paths(&first), &first["streams"][0]["subscribers"]), (vec!["sessions/b"], &json!(2)));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = get(&server, &format!("{LIST}?followed=true&limit=1&cursor={cursor}")).await;
    assert_eq!((paths(&second), &second["nextCursor"]), (vec!["sessions/d"], &Value::Null));

    for bad in ["limit=0", "limit=1001", "cursor=", "cursor=%00", "followed=x", "prefix=a&prefix=b"] {
        let answer = call(&server, "GET", &format!("{LIST}?{bad}"), &Value::Null).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_is_how_far_the_slowest_reader_is_behind_the_end() {
    let server = TestServer::start().await;
    server.send(request_with("PUT", "/v1/stream/j", &[JSON], "")).await;
    // By default the system may take more in advance than is sent here.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut slow = socket.connect(server.address).await.unwrap();
    let head = "GET /v1/stream/j?offset=-1&live=sse HTTP/1.1\r\nhost: localhost\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut quick = server.subscribe("/v1/stream/j?offset=-1&live=sse").await;
    let both = until(&server, "j", |row| row["subscribers"] == 2).await;
    assert_eq!((&both["lag"], &both["lagging"]), (&json!(0), &json!(0)));

    let message = format!("\"{}\"", "x".repeat(100_000));
    let (read, ()) = tokio::join!(quick.messages(usize::try_from(MESSAGES).unwrap()), async {
        for _ in 0..MESSAGES {
            assert_eq!(server.post("/v1/stream/j", message.clone()).await.status, 204);
        }
    });
    assert_eq!(read.len() as u64, MESSAGES);
    // The quick one has taken everything, the slow one what fits on the way to it.
    let behind = until(&server, "j", |row| row["lagging"] == 1).await;
    let lag = behind["lag"].as_u64().unwrap();
    assert!(lag > 0 && lag < MESSAGES, "{behind}");
    assert_eq!(behind["end"], MESSAGES);

    let mut buffer = vec![0; 64 << 10];
    let reading = async {
        loop {
            assert!(slow.read(&mut buffer).await.unwrap() > 0, "the answer ended");
        }
    };
    tokio::select! {
        () = within(reading) => {}
        caught_up = until(&server, "j", |row| row["lag"] == 0) => assert_eq!(caught_up["lagging"], 0),
    }
    drop((slow, quick));
    // A connection that ends is noticed some time.
    until(&server, "j", |row| row["subscribers"] == 0 && row["lag"].is_null()).await;
}
