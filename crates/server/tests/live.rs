//! Live reads: SSE framing, fan-out, lagging, ends, and long-poll.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use durable_sessions_storage::ManualClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use common::{Item, TestServer, request, request_with};

const JSON: (&str, &str) = ("content-type", "application/json");
const PATH: &str = "/v1/stream/j";
const LIVE: &str = "/v1/stream/j?offset=-1&live=sse";

async fn json_server() -> TestServer {
    let server = TestServer::start().await;
    server.send(request_with("PUT", PATH, &[JSON], "")).await;
    server
}

#[tokio::test]
async fn data_is_followed_by_its_control_event() {
    let server = json_server().await;
    server.post(PATH, "[1,2]").await;
    let mut sse = server.subscribe(LIVE).await;
    assert_eq!(sse.headers["content-type"], "text/event-stream");
    assert_eq!(sse.headers["cache-control"], "no-cache, no-transform");
    assert_eq!(sse.headers["x-accel-buffering"], "no");
    assert_eq!(sse.headers["stream-message-count"], "0");
    assert!(!sse.headers.contains_key("stream-sse-data-encoding"));
    assert_eq!(sse.next().await, Item::Data(b"[1,2]".to_vec()));
    let control = sse.control().await;
    assert_eq!(control.next_offset.as_str(), "00000000000000000002");
    assert_eq!((control.up_to_date, control.closed, control.message_count), (true, false, Some(2)));
    assert!(control.cursor.is_some());

    server.post(PATH, "[{\"a\": \"x\\r\\ny\"},\n3]").await;
    assert_eq!(sse.next().await, Item::Data(b"[{\"a\": \"x\\r\\ny\"},3]".to_vec()));
    assert_eq!(sse.control().await.message_count, Some(4));

    // The end: what is appended with the closure, then the closure, then the end of the body.
    server.send(request_with("POST", PATH, &[JSON, ("stream-closed", "true")], "4")).await;
    assert_eq!(sse.next().await, Item::Data(b"[4]".to_vec()));
    let mut last = sse.control().await;
    if !last.closed {
        last = sse.control().await;
    }
    assert_eq!((last.closed, last.cursor, last.message_count), (true, None, Some(5)));
    assert_eq!(sse.next().await, Item::End);
}

#[tokio::test]
async fn reading_begins_where_it_is_told() {
    let server = json_server().await;
    server.post(PATH, "[1,2,3]").await;
    let mut tail = server.subscribe("/v1/stream/j?offset=now&live=sse").await;
    assert_eq!(tail.headers["stream-message-count"], "3");
    let control = tail.control().await;
    assert!(control.up_to_date && control.message_count == Some(3));
    let mut middle = server.subscribe("/v1/stream/j?offset=00000000000000000001&live=sse").await;
    assert_eq!(middle.headers["stream-message-count"], "1");
    assert_eq!(middle.messages(2).await, ["2", "3"]);
    server.post(PATH, "4").await;
    assert_eq!(tail.messages(1).await, ["4"]);
    assert_eq!(middle.messages(1).await, ["4"]);
}

#[tokio::test]
async fn a_closed_stream_ends_at_once() {
    let server = json_server().await;
    server.send(request_with("POST", PATH, &[JSON, ("stream-closed", "true")], "1")).await;
    let mut sse = server.subscribe(LIVE).await;
    assert_eq!(sse.next().await, Item::Data(b"[1]".to_vec()));
    assert!(sse.control().await.closed);
    assert_eq!(sse.next().await, Item::End);
    let mut sse = server.subscribe("/v1/stream/j?offset=now&live=sse").await;
    let control = sse.control().await;
    assert!(control.closed && control.up_to_date);
    assert_eq!(sse.next().await, Item::End);
}

#[tokio::test]
async fn a_deleted_stream_ends_and_is_gone() {
    let server = json_server().await;
    let mut sse = server.subscribe(LIVE).await;
    assert!(sse.control().await.up_to_date);
    server.send(request("DELETE", PATH)).await;
    assert_eq!(sse.next().await, Item::End);
    assert_eq!(server.get(LIVE).await.status, 404);
    // The next stream at this path is another one, with a hub of its own.
    server.send(request_with("PUT", PATH, &[JSON], "")).await;
    let mut sse = server.subscribe(LIVE).await;
    assert_eq!(sse.control().await.message_count, Some(0));
    server.post(PATH, "7").await;
    assert_eq!(sse.messages(1).await, ["7"]);
}

#[tokio::test]
async fn binary_is_base64_and_text_is_text() {
    let server = TestServer::start().await;
    server.send(request_with("PUT", "/v1/stream/b", &[], "\u{1}\u{2}\u{3}\u{4}")).await;
    let mut sse = server.subscribe("/v1/stream/b?offset=-1&live=sse").await;
    assert_eq!(sse.headers["stream-sse-data-encoding"], "base64");
    assert_eq!(sse.next().await, Item::Data(b"AQIDBA==".to_vec()));
    let control = sse.control().await;
    assert_eq!((control.next_offset.as_str(), control.message_count), ("00000000000000000004", None));

    let forged = "x\n\nevent: control\ndata: {\"streamClosed\":true}\n\n";
    server.send(request_with("PUT", "/v1/stream/t", &[("content-type", "text/plain")], forged)).await;
    let mut sse = server.subscribe("/v1/stream/t?offset=-1&live=sse").await;
    assert_eq!(sse.next().await, Item::Data(forged.as_bytes().to_vec()));
    assert!(!sse.control().await.closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_gets_everything_in_order_once() {
    let server = json_server().await;
    let mut subscribers = Vec::new();
    for _ in 0..40 {
        subscribers.push(server.subscribe(LIVE).await);
    }
    let total = 300;
    let expected: Vec<String> = (0..total).map(|n: usize| n.to_string()).collect();
    let readers: Vec<_> = subscribers
        .into_iter()
        .map(|mut sse| tokio::spawn(async move { sse.messages(total).await }))
        .collect();
    // Batches of one to three, while others join in the middle.
    let mut sent = 0;
    let mut late = Vec::new();
    while sent < total {
        let batch: Vec<_> = expected[sent..].iter().take(1 + sent % 3).cloned().collect();
        sent += batch.len();
        assert_eq!(server.post(PATH, format!("[{}]", batch.join(","))).await.status, 204);
        if sent % 50 == 0 {
            let mut sse = server.subscribe(LIVE).await;
            late.push(tokio::spawn(async move { sse.messages(total).await }));
        }
    }
    assert!(!late.is_empty());
    for reader in readers.into_iter().chain(late) {
        assert_eq!(common::within(reader).await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lags_beyond_the_ring_reads_from_storage_and_holds_up_nobody() {
    let server = TestServer::start_with(|config| {
        config.limits.ring_bytes_max = 4096;
        config.limits.sse_page_bytes_max = 8192;
    })
    .await;
    server.send(request_with("PUT", PATH, &[JSON], "")).await;
    let mut slow = server.subscribe(LIVE).await;
    let mut quick = server.subscribe(LIVE).await;
    // More than the sockets between can hold, so that the slow one is really behind.
    let total = 200;
    let expected: Vec<String> = (0..total).map(|n| format!("\"{n}:{}\"", "x".repeat(100_000))).collect();
    let reader = {
        let expected = expected.clone();
        tokio::spawn(async move { assert!(quick.messages(expected.len()).await == expected) })
    };
    for message in &expected {
        assert_eq!(server.post(PATH, message.clone()).await.status, 204);
    }
    // The quick one is through while the slow one has not read a byte.
    common::within(reader).await.unwrap();
    assert!(slow.messages(total).await == expected, "the slow subscriber must miss nothing");
    server.post(PATH, "1").await;
    assert_eq!(slow.messages(1).await, ["1"]);
}

#[tokio::test]
async fn silence_is_broken_by_comments_and_ended_after_a_while() {
    let server = TestServer::start_with(|config| {
        config.heartbeat = Duration::from_millis(50);
        config.sse_max_age = Duration::from_millis(400);
    })
    .await;
    server.send(request_with("PUT", PATH, &[JSON], "")).await;
    let mut sse = server.subscribe(LIVE).await;
    assert!(sse.control().await.up_to_date);
    let mut pings = 0;
    loop {
        match sse.next().await {
            Item::Comment(text) => {
                assert_eq!(text, "ping");
                pings += 1;
            }
            Item::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(pings > 0);
}

#[tokio::test]
async fn an_echoed_cursor_always_grows() {
    let server = json_server().await;
    let cursors = async |echo: &str| {
        let mut sse = server.subscribe(&format!("/v1/stream/j?offset=now&live=sse&cursor={echo}")).await;
        let first = sse.control().await.cursor.unwrap().parse::<u64>().unwrap();
        server.post(PATH, "1").await;
        assert_eq!(sse.next().await, Item::Data(b"[1]".to_vec()));
        let second = sse.control().await.cursor.unwrap().parse::<u64>().unwrap();
        (first, second)
    };
    let (now, _) = cursors("1").await;
    // Ahead of everybody else's: then this subscriber's control events are its own.
    let ahead = now + 1000;
    let (first, second) = cursors(&ahead.to_string()).await;
    assert!(ahead < first && first <= second, "{ahead} {first} {second}");
}

#[tokio::test]
async fn a_shutdown_ends_streams_cleanly_and_answers_what_waits() {
    let mut server = TestServer::start_with(|config| {
        // Longer than this test waits for anything: only an orderly end is in time.
        config.long_poll_timeout = 4 * common::PATIENCE;
        config.shutdown_deadline = 4 * common::PATIENCE;
    })
    .await;
    server.send(request_with("PUT", PATH, &[JSON], "")).await;
    server.send(request_with("PUT", "/v1/stream/other", &[JSON], "")).await;
    let mut sse = server.subscribe(LIVE).await;
    assert!(sse.control().await.up_to_date);
    let address = server.address;
    // A request whose body the server has asked for, and waits for.
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/stream/other HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1\r\nexpect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0u8; 25];
    common::within(socket.read_exact(&mut go_on)).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.post(PATH, "[\"last\"]").await;
    server.begin_stop();
    assert_eq!(sse.next().await, Item::Data(b"[\"last\"]".to_vec()));
    sse.control().await;
    assert_eq!(sse.next().await, Item::Comment("server shutting down".into()));
    assert!(matches!(sse.next().await, Item::Retry(0..=5_000)));
    assert_eq!(sse.next().await, Item::End);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    socket.write_all(b"1").await.unwrap();
    let mut answer = Vec::new();
    common::within(socket.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 204 "), "{}", String::from_utf8_lossy(&answer));
    server.stopped().await;
}

#[tokio::test]
async fn long_poll_waits_for_data_and_says_when_there_is_none() {
    let server = json_server().await;
    let none = server.get("/v1/stream/j?offset=-1&live=long-poll").await;
    assert_eq!((none.status.as_u16(), none.header("stream-up-to-date")), (204, Some("true")));
    assert!(none.header("stream-cursor").is_some());
    assert_eq!(none.header("stream-next-offset"), Some("00000000000000000000"));
    server.post(PATH, "1").await;
    let some = server.get("/v1/stream/j?offset=-1&live=long-poll").await;
    assert_eq!((some.status.as_u16(), some.text()), (200, "[1]"));
    assert!(some.header("stream-cursor").is_some() && some.header("etag").is_some());
    server.send(request_with("POST", PATH, &[("stream-closed", "true")], "")).await;
    let end = server.get("/v1/stream/j?offset=now&live=long-poll").await;
    assert_eq!((end.status.as_u16(), end.header("stream-closed")), (204, Some("true")));
    // Each says how many messages stand before its first one, data or none.
    let now = server.get("/v1/stream/j?offset=now").await;
    let counts = [&none, &some, &end, &now].map(|answer| answer.header("stream-message-count"));
    assert_eq!(counts, [Some("0"), Some("0"), Some("1"), Some("1")]);
}

/// Reads from a raw connection until `marker` has come.
async fn read_until(socket: &mut tokio::net::TcpStream, marker: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0u8; 4096];
    while !text.contains(marker) {
        let length = common::within(socket.read(&mut buffer)).await.unwrap();
        assert_ne!(length, 0, "ended before {marker:?}: {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_live_answer_follows_others_on_its_connection_and_is_the_last() {
    let server = json_server().await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    // Pipelined: the answers come in order, and the live one takes the connection over.
    let head = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let both = format!("{}{}", head("/healthz"), head(LIVE));
    socket.write_all(both.as_bytes()).await.unwrap();
    let text = read_until(&mut socket, "upToDate").await;
    let (first, second) = text.split_once("{\"status\":\"ok\"}").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && second.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let second = second.to_ascii_lowercase();
    for header in
        ["transfer-encoding: chunked", "connection: close", "date: ", "x-content-type-options: nosniff"]
    {
        assert!(second.contains(&format!("\r\n{header}")), "{header}: {second}");
    }
    server.post(PATH, "1").await;
    assert!(read_until(&mut socket, "control").await.contains("data:[1]\n\n"));
    server.send(request_with("POST", PATH, &[("stream-closed", "true")], "")).await;
    let mut rest = String::new();
    common::within(socket.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.contains("streamClosed") && rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn old_clients_get_a_body_that_ends_with_the_connection() {
    let server = json_server().await;
    server.post(PATH, "1").await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    socket.write_all(format!("GET {LIVE} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let text = read_until(&mut socket, "upToDate").await;
    assert!(!text.to_ascii_lowercase().contains("chunked"), "{text}");
    server.post(PATH, "2").await;
    read_until(&mut socket, "data:[2]\n\n").await;
}

#[tokio::test]
async fn live_answers_work_on_http2() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let server = json_server().await;
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}{LIVE}", server.address);
    let request = http::Request::get(uri).body(http_body_util::Full::<bytes::Bytes>::default()).unwrap();
    let response = common::within(sender.send_request(request)).await.unwrap();
    let mut sse = common::Sse::of(response);
    assert!(sse.control().await.up_to_date);
    server.post(PATH, "1").await;
    assert_eq!(sse.messages(1).await, ["1"]);
}

/// A server whose time stands still until it is moved.
async fn server_with_a_clock() -> (TestServer, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let server = TestServer::start_with(|config| {
        config.store_options.clock = clock.clone();
        config.store_options.sweep_interval = Duration::from_millis(5);
        config.long_poll_timeout = common::PATIENCE;
    })
    .await;
    (server, clock)
}

const SHORT: [(&str, &str); 2] = [JSON, ("stream-ttl", "1")];

#[tokio::test]
async fn a_stream_does_not_expire_under_an_sse_reader() {
    let (server, clock) = server_with_a_clock().await;
    for path in [PATH, "/v1/stream/control"] {
        server.send(request_with("PUT", path, &SHORT, "")).await;
    }
    let mut sse = server.subscribe(LIVE).await;
    assert!(sse.control().await.up_to_date);
    for _ in 0..3 {
        clock.advance(Duration::from_secs(100));
        assert_eq!(server.send(request("HEAD", PATH)).await.status, 200);
    }
    assert_eq!(server.send(request("HEAD", "/v1/stream/control")).await.status, 404);
    server.post(PATH, "1").await;
    assert_eq!(sse.messages(1).await, ["1"]);
    drop(sse);
    // The end of the connection is noticed some time; from then on the lifetime runs.
    common::within(async {
        while server.send(request("HEAD", PATH)).await.status == 200 {
            clock.advance(Duration::from_secs(2));
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_does_not_expire_under_a_long_poll() {
    let (server, clock) = server_with_a_clock().await;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let path = format!("/v1/stream/j{attempt}");
        server.send(request_with("PUT", &path, &SHORT, "")).await;
        let poll = format!("{path}?offset=-1&live=long-poll");
        let waiting = server.get(&poll);
        let writing = async {
            // Whether the reader waits already cannot be seen from outside: if it does not, the stream is gone.
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(attempt)).await;
            clock.advance(Duration::from_secs(100));
            clock.advance(Duration::from_secs(100));
            server.post(&path, "1").await.status.as_u16()
        };
        let (answer, written) = tokio::join!(waiting, writing);
        match (answer.status.as_u16(), written) {
            (200, 204) => return assert_eq!(answer.text(), "[1]"),
            // The reader came too late.
            (404, 404) => assert!(attempt < 500, "the stream expires under its reader"),
            other => panic!("{other:?}"),
        }
    }
}
