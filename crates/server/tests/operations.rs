//! What operators see: metrics, readiness, dead letters, and how a shutdown spreads its clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use durable_sessions_server::{AuthConfig, Secret, Server, ServerConfig, StoreConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use common::{Item, TestServer, chunk, request, request_with, within};

const JSON: (&str, &str) = ("content-type", "application/json");
const ADMIN: (&str, &str) = ("authorization", "Bearer t");

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The value of a metric in an exposition, labels included in its name.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

async fn metric(server: &TestServer, name: &str) -> f64 {
    value(server.get("/metrics").await.text(), name).unwrap_or_else(|| panic!("no {name}"))
}

/// Families as the exposition names them.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// Everything in a text that looks like one of our metrics.
fn mentioned(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("durable_sessions_") && !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_page_and_the_dashboard_name_exactly_what_is_there() {
    let server = TestServer::start().await;
    let families = families(server.get("/metrics").await.text());
    assert!(families.len() > 30, "{families:?}");
    let page = std::fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    assert_eq!(mentioned(&page), families);

    let dashboard = std::fs::read_to_string(repository().join("docs/grafana-dashboard.json")).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let named = mentioned(&dashboard);
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let parts = ["_bucket", "_sum", "_count"];
        let base = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
        assert!(families.contains(&name) || families.contains(base), "the dashboard has {name}");
    }
    let panels = parsed["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let server = TestServer::start().await;
    server.put("/v1/stream/sessions/a").await;
    let mut sse = server.subscribe("/v1/stream/sessions/a?offset=-1&live=sse").await;
    for id in ["1", "2"] {
        assert_eq!(server.post("/v1/stream/sessions/a", chunk(id, "x")).await.status, 204);
    }
    sse.messages(2).await;
    let refused = server.post("/v1/stream/sessions/a", "{\"id\":\"3\",\"type\":\"chunk\"}").await;
    assert_eq!(refused.code(), "INVALID_EVENT");
    server.get("/v1/stream/none").await;
    let text = server.get("/metrics").await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = text.text();
    for (name, expected) in [
        ("durable_sessions_appends_total", 2.0),
        ("durable_sessions_append_duration_seconds_count", 2.0),
        ("durable_sessions_sse_subscribers", 1.0),
        ("durable_sessions_sse_streams", 1.0),
        ("durable_sessions_streams", 1.0),
        ("durable_sessions_ready", 1.0),
        ("durable_sessions_errors_total{code=\"INVALID_EVENT\"}", 1.0),
        ("durable_sessions_errors_total{code=\"STREAM_NOT_FOUND\"}", 1.0),
        ("durable_sessions_auth_refusals_total{code=\"UNAUTHORIZED\"}", 0.0),
        ("durable_sessions_sse_evictions_total{reason=\"stalled\"}", 0.0),
        ("durable_sessions_requests_total{status=\"4xx\"}", 2.0),
    ] {
        assert_eq!(value(text, name), Some(expected), "{name}\n{text}");
    }
    assert!(text.contains("durable_sessions_rejected_events_total{reason="), "{text}");
    let rejected: f64 = text
        .lines()
        .filter(|line| line.starts_with("durable_sessions_rejected_events_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((rejected - 1.0).abs() < f64::EPSILON, "{text}");
    assert!(value(text, "durable_sessions_commit_operations_sum").unwrap() >= 3.0);
    drop(sse);
}

#[tokio::test]
async fn metrics_are_for_the_administrator_or_on_an_address_of_their_own() {
    let mut config = ServerConfig::new(
        "127.0.0.1:0".parse().unwrap(),
        StoreConfig::Memory,
        AuthConfig::Token(Secret::new("t")),
    );
    config.metrics_listen = "127.0.0.1:0".parse().ok();
    let server = Server::bind(config).await.unwrap();
    let (main, metrics) = (server.local_addr(), server.metrics_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    assert!(ask(main, "/metrics", "").await.starts_with("HTTP/1.1 401 "));
    let with_token = ask(main, "/metrics", "authorization: Bearer t\r\n").await;
    assert!(with_token.starts_with("HTTP/1.1 200 "), "{with_token}");
    let alone = ask(metrics, "/metrics", "").await;
    assert!(alone.starts_with("HTTP/1.1 200 "), "{alone}");
    assert!(value(&alone, "durable_sessions_auth_refusals_total{code=\"UNAUTHORIZED\"}") == Some(1.0));
    assert!(ask(metrics, "/readyz", "").await.contains("\"status\":\"ready\""));
    // Nothing else is there, whoever asks.
    let token = "authorization: Bearer t\r\n";
    assert!(ask(metrics, "/v1/stream/a", token).await.starts_with("HTTP/1.1 404 "));
    assert!(ask(metrics, "/api/sessions", token).await.starts_with("HTTP/1.1 404 "));
    let _ = stop.send(());
    within(running).await.unwrap().unwrap();
}

async fn ask(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    within(socket.read_to_string(&mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn a_server_that_stops_says_so_where_it_is_watched() {
    let mut config =
        ServerConfig::new("127.0.0.1:0".parse().unwrap(), StoreConfig::Memory, AuthConfig::DevNoAuth);
    config.metrics_listen = "127.0.0.1:0".parse().ok();
    config.shutdown_deadline = 4 * common::PATIENCE;
    let server = Server::bind(config).await.unwrap();
    let (main, metrics) = (server.local_addr(), server.metrics_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    // A request that is under way holds the shutdown up.
    let mut socket = TcpStream::connect(main).await.unwrap();
    let head =
        "PUT /v1/stream/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    within(socket.read_exact(&mut [0u8; 25])).await.unwrap();
    let _ = stop.send(());
    within(async {
        while !ask(metrics, "/readyz", "").await.contains("\"status\":\"draining\"") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let draining = ask(metrics, "/readyz", "").await;
    assert!(draining.starts_with("HTTP/1.1 503 ") && draining.contains("shutting-down"), "{draining}");
    assert!(ask(metrics, "/healthz", "").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(value(&ask(metrics, "/metrics", "").await, "durable_sessions_ready"), Some(0.0));
    socket.write_all(b"x").await.unwrap();
    let mut answer = String::new();
    within(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    within(running).await.unwrap().unwrap();
    assert!(TcpStream::connect(metrics).await.is_err());
}

#[tokio::test]
async fn a_shutdown_asks_each_client_to_come_back_at_another_time() {
    let mut server = TestServer::start_with(|config| {
        config.reconnect_spread = Duration::from_secs(1_000);
    })
    .await;
    server.send(request_with("PUT", "/v1/stream/j", &[JSON], "")).await;
    let mut subscribers = Vec::new();
    for _ in 0..20 {
        let mut sse = server.subscribe("/v1/stream/j?offset=-1&live=sse").await;
        sse.control().await;
        subscribers.push(sse);
    }
    server.begin_stop();
    let mut waits = BTreeSet::new();
    for sse in &mut subscribers {
        assert_eq!(sse.next().await, Item::Comment("server shutting down".into()));
        match sse.next().await {
            Item::Retry(wait_ms) => waits.insert(wait_ms),
            other => panic!("{other:?}"),
        };
        assert_eq!(sse.next().await, Item::End);
    }
    assert!(waits.len() >= 19 && waits.iter().all(|wait| *wait <= 1_000_000), "{waits:?}");
    assert!(waits.last().unwrap() - waits.first().unwrap() > 200_000, "{waits:?}");
    server.stopped().await;
}

#[tokio::test]
async fn queued_appends_are_taken_at_once_and_dead_letters_have_an_api() {
    let server = TestServer::start_with(|config| config.auth = AuthConfig::Token(Secret::new("t"))).await;
    let send = async |method: &str, path: &str, body: &str| {
        server.send(request_with(method, path, &[ADMIN, JSON], body)).await
    };
    assert_eq!(send("PUT", "/v1/stream/sessions/a", "").await.status, 201);
    let queue = "/v1/stream/sessions/a?durability=queued";
    let taken = send("POST", queue, &chunk("1", "x")).await;
    assert_eq!((taken.status.as_u16(), taken.header("stream-durability")), (202, Some("queued")));
    assert_eq!(taken.json()["durable"], false);
    assert!(taken.json()["id"].is_string());
    // What can be refused at once is.
    assert_eq!(send("POST", queue, "{\"id\":\"1\"}").await.code(), "INVALID_EVENT");
    let none = send("POST", "/v1/stream/sessions/b?durability=queued", &chunk("1", "x")).await;
    assert_eq!(none.code(), "SESSION_NOT_FOUND");
    let unknown = send("POST", "/v1/stream/sessions/a?durability=fast", &chunk("1", "x")).await;
    assert_eq!(unknown.code(), "INVALID_PARAMETER");
    let closing = [ADMIN, JSON, ("stream-closed", "true")];
    let closing = server.send(request_with("POST", queue, &closing, &chunk("1", "x"))).await;
    assert_eq!(closing.code(), "INVALID_PARAMETER");
    within(async {
        while send("GET", "/v1/stream/sessions/a?offset=-1", "").await.json() == serde_json::json!([]) {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // One whose predecessor is missing is refused by the stream itself, when its turn comes.
    assert_eq!(send("PUT", "/v1/stream/plain", "").await.status, 201);
    let claim = |seq| [ADMIN, JSON, ("producer-id", "p"), ("producer-epoch", "0"), ("producer-seq", seq)];
    let plain = "/v1/stream/plain?durability=queued";
    assert_eq!(server.send(request_with("POST", plain, &claim("1"), "{\"n\":1}")).await.status, 202);
    let listed = within(async {
        loop {
            let listed = send("GET", "/api/dead-letters?limit=1", "").await.json();
            if !listed["data"]["deadLetters"].as_array().unwrap().is_empty() {
                break listed;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let letter = &listed["data"]["deadLetters"][0];
    let id = letter["id"].as_str().unwrap();
    assert_eq!((letter["path"].as_str(), letter["attempts"].as_u64()), (Some("plain"), Some(1)));
    assert_eq!(letter["reason"]["code"], "SEQUENCE_GAP");
    let one = format!("/api/dead-letters/{id}");
    assert_eq!(send("GET", &one, "").await.json()["data"]["messages"], serde_json::json!([{ "n": 1 }]));
    assert_eq!(server.get("/api/dead-letters").await.status, 401);

    // Once that is there, it finds its way.
    let first = server.send(request_with("POST", "/v1/stream/plain", &claim("0"), "{\"n\":0}")).await;
    assert_eq!(first.status, 200);
    assert_eq!(send("POST", &format!("{one}/redrive"), "").await.json()["data"]["redriven"], 1);
    within(async {
        let both = serde_json::json!([{ "n": 0 }, { "n": 1 }]);
        while send("GET", "/v1/stream/plain?offset=-1", "").await.json() != both {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for (method, path) in [("GET", one.as_str()), ("DELETE", one.as_str()), ("GET", "/api/dead-letters/x")] {
        let answer = send(method, path, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["ok"].as_bool()),
            (404, Some(false)),
            "{method} {path}"
        );
        assert_eq!(answer.code(), "DEAD_LETTER_NOT_FOUND");
    }
    assert!(send("DELETE", "/api/dead-letters", "").await.json()["data"]["purged"].is_u64());
    let text = send("GET", "/metrics", "").await;
    assert_eq!(value(text.text(), "durable_sessions_dead_letters_redriven_total"), Some(1.0));
    assert_eq!(value(text.text(), "durable_sessions_dead_letters_kept"), Some(0.0));
    assert!(value(text.text(), "durable_sessions_dead_letters_total").unwrap() >= 1.0);
}

/// Messages in a flood: larger together than all buffers of the system between two sockets.
const FLOOD: usize = 200;

/// One for which the system takes little in advance: by default it may take more than a flood.
async fn small_socket(address: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

async fn flood(server: &TestServer, path: &str) {
    let message = format!("\"{}\"", "x".repeat(100_000));
    let batch = format!("[{}]", vec![message; 10].join(","));
    for _ in 0..FLOOD / 10 {
        assert_eq!(server.post(path, batch.clone()).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_is_cut_and_told_where_it_was() {
    let server = TestServer::start_with(|config| {
        config.subscriber_stall_max = Duration::from_millis(1_500);
        config.limits.ring_bytes_max = 300_000;
    })
    .await;
    server.send(request_with("PUT", "/v1/stream/j", &[JSON], "")).await;
    let mut socket = small_socket(server.address).await;
    let head = "GET /v1/stream/j?offset=-1&live=sse HTTP/1.1\r\nhost: localhost\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut reader = server.subscribe("/v1/stream/j?offset=-1&live=sse").await;
    // It reads again as soon as it is cut, and finds what was sent, where it was, and an orderly end.
    let returning = async {
        within(async {
            while metric(&server, "durable_sessions_sse_evictions_total{reason=\"stalled\"}").await < 1.0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let mut bytes = Vec::new();
        within(socket.read_to_end(&mut bytes)).await.unwrap();
        bytes
    };
    // Others are not held up, and neither is the writer.
    let (read, (), bytes) = tokio::join!(reader.messages(FLOOD), flood(&server, "/v1/stream/j"), returning);
    assert_eq!(read.len(), FLOOD);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\r\n0\r\n\r\n"), "{}", &text[text.len().saturating_sub(300)..]);
    let (before, after) = text.rsplit_once("cut off: too slow a reader").unwrap();
    let seen = before.matches("xxx\"").count();
    assert!(seen > 0 && seen < FLOOD, "{seen}");
    assert!(after.contains(&format!("\"streamMessageCount\":{seen}")), "{after}");
    assert!(!after.contains("upToDate"), "{after}");
    // It goes on there.
    let from = format!("/v1/stream/j?offset={seen:020}&live=sse");
    assert_eq!(server.subscribe(&from).await.messages(FLOOD - seen).await.len(), FLOOD - seen);
    assert!(metric(&server, "durable_sessions_sse_catch_ups_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_slow_readers_has_a_bound() {
    let server = TestServer::start_with(|config| {
        config.subscriber_stall_max = 4 * common::PATIENCE;
        config.limits.unsent_bytes_max = 200_000;
    })
    .await;
    server.send(request_with("PUT", "/v1/stream/j", &[JSON], "")).await;
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut socket = small_socket(server.address).await;
        let head = "GET /v1/stream/j?offset=-1&live=sse HTTP/1.1\r\nhost: localhost\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        stalled.push(socket);
    }
    within(async {
        while metric(&server, "durable_sessions_sse_subscribers").await < 8.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    flood(&server, "/v1/stream/j").await;
    // Each has a part of a frame waiting; all eight of those are more than there may be.
    let began = std::time::Instant::now();
    loop {
        let cut = metric(&server, "durable_sessions_sse_evictions_total{reason=\"memory\"}").await;
        let left = metric(&server, "durable_sessions_sse_subscribers").await;
        let waiting = metric(&server, "durable_sessions_sse_unsent_bytes").await;
        if cut >= 1.0 && (cut + left - 8.0).abs() < 0.5 {
            break;
        }
        assert!(began.elapsed() < 2 * common::PATIENCE, "cut {cut}, left {left}, waiting {waiting}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(metric(&server, "durable_sessions_sse_unsent_bytes").await <= 200_000.0);
    assert_eq!(server.send(request("HEAD", "/v1/stream/j")).await.status, 200);
}
