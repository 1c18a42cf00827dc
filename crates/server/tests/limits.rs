//! Rates and quotas: the answer beyond each, and who is not counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::tokens::{SECRET, hs256};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_server::{AuthConfig, JwtConfig, JwtKey, Secret, ServerConfig};
use serde_json::json;

const SESSION: &str = "/v1/stream/sessions/run-1";
const ADMIN: &str = "s3cret";

async fn server(change: impl FnOnce(&mut ServerConfig)) -> TestServer {
    TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new(ADMIN));
        config.identity.jwt =
            Some(JwtConfig { keys: vec![JwtKey::secret(SECRET).unwrap()], ..JwtConfig::default() });
        change(config);
    })
    .await
}

async fn send(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    server.send(request_with(method, path, &headers, body)).await
}

fn is_limited(answer: &Answer) -> bool {
    if answer.status != 429 {
        return false;
    }
    assert_eq!(answer.code(), "RATE_LIMITED");
    let retry: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(retry >= 1);
    assert!(answer.json()["error"]["details"]["retryAfterMs"].as_u64().unwrap() > 0);
    true
}

fn number(answer: &Answer, name: &str) -> u64 {
    answer.header(name).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_identity_has_so_many_requests() {
    let server = server(|config| config.limits.requests_per_identity = "1/m,burst:3".parse().ok()).await;
    let of = |subject: &str, project: &str| {
        hs256(subject, "stream:read stream:write", json!({ "project": project, "sessions": ["run-1"] }))
    };
    let ada = of("ada", "p");
    for left in [2, 1, 0] {
        let answer = send(&server, "GET", SESSION, &ada, "").await;
        assert_eq!(answer.status, 404);
        assert_eq!((number(&answer, "ratelimit-limit"), number(&answer, "ratelimit-remaining")), (3, left));
        assert!(number(&answer, "ratelimit-reset") > 0);
    }
    for (method, path) in [("GET", SESSION), ("PUT", SESSION), ("GET", "/api/sessions")] {
        let answer = send(&server, method, path, &ada, "").await;
        assert!(is_limited(&answer), "{method} {path}");
        assert_eq!(number(&answer, "ratelimit-remaining"), 0);
        assert_eq!(answer.json()["ok"].is_boolean(), path.starts_with("/api"));
    }
    // A new token of the same subject changes nothing; other subjects, and the same name elsewhere, are others.
    let again = hs256("ada", "stream:read", json!({ "project": "p", "jti": "2" }));
    assert!(is_limited(&send(&server, "GET", SESSION, &again, "").await));
    assert_eq!(send(&server, "GET", SESSION, &of("bob", "p"), "").await.status, 404);
    assert_eq!(send(&server, "GET", SESSION, &of("ada", "q"), "").await.status, 404);
    for _ in 0..5 {
        let answer = send(&server, "GET", SESSION, ADMIN, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit-limit")), (404, None));
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn an_address_has_so_many_requests_and_guesses() {
    let server = server(|config| {
        config.limits.requests_per_address = "1/m,burst:3".parse().ok();
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let from = async |address: &str| {
        let headers = [("authorization", "Bearer guess"), ("x-forwarded-for", address)];
        server.send(request_with("GET", SESSION, &headers, "")).await
    };
    for _ in 0..3 {
        assert_eq!(from("1.1.1.1").await.status, 401);
    }
    assert!(is_limited(&from("1.1.1.1").await));
    // What a client writes before its own address is not believed.
    assert!(is_limited(&from("9.9.9.9, 1.1.1.1").await));
    assert_eq!(from("2.2.2.2").await.status, 401);
    let headers = [("authorization", "Bearer s3cret"), ("x-forwarded-for", "1.1.1.1")];
    assert_eq!(server.send(request_with("GET", SESSION, &headers, "")).await.status, 404);
}

#[tokio::test]
async fn a_session_takes_so_many_events() {
    let server = server(|config| config.limits.events_per_session = "1/m,burst:4".parse().ok()).await;
    for path in [SESSION, "/v1/stream/sessions/run-2", "/v1/stream/logs/a"] {
        send(&server, "PUT", path, ADMIN, "").await;
    }
    let three = format!("[{},{},{}]", chunk("1", "a"), chunk("2", "b"), chunk("3", "c"));
    assert_eq!(send(&server, "POST", SESSION, ADMIN, &three).await.status, 204);
    assert!(is_limited(&send(&server, "POST", SESSION, ADMIN, &three).await));
    assert_eq!(send(&server, "POST", SESSION, ADMIN, &chunk("4", "d")).await.status, 204);
    assert!(is_limited(&send(&server, "POST", SESSION, ADMIN, &chunk("5", "e")).await));
    let held = send(&server, "GET", SESSION, ADMIN, "").await.json();
    assert_eq!(held.as_array().unwrap().len(), 4, "what is refused is not there");
    assert_eq!(send(&server, "POST", "/v1/stream/sessions/run-2", ADMIN, &three).await.status, 204);
}

#[tokio::test]
async fn an_event_has_a_size() {
    let server = server(|config| config.limits.event_bytes_max = 200).await;
    send(&server, "PUT", SESSION, ADMIN, "").await;
    let small = chunk("1", &"x".repeat(100));
    let many = format!("[{small},{small},{small}]");
    assert!(many.len() > 200);
    assert_eq!(send(&server, "POST", SESSION, ADMIN, &many).await.status, 204);
    let large = format!("[{small},{}]", chunk("2", &"x".repeat(200)));
    let answer = send(&server, "POST", SESSION, ADMIN, &large).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.json()["error"]["details"], json!({ "limit": 200, "index": 1 }));
}

#[tokio::test]
async fn an_identity_has_so_many_live_answers_and_may_poll_beyond() {
    let server = server(|config| config.limits.sse_subscribers_per_identity_max = 1).await;
    let ada = hs256("ada", "stream:read stream:write", json!({}));
    let bob = hs256("bob", "stream:read", json!({ "sessions": ["run-1"] }));
    send(&server, "PUT", SESSION, &ada, "").await;
    let live = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let path = format!("{SESSION}?offset=-1&live=sse");
        server.open(request_with("GET", &path, &[("authorization", &bearer)], "")).await
    };
    let first = live(&ada).await;
    assert_eq!(first.status(), 200);
    let answer = send(&server, "GET", &format!("{SESSION}?offset=-1&live=sse"), &ada, "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "TOO_MANY_CONNECTIONS"));
    assert_eq!(answer.json()["error"]["details"], json!({ "fallback": "long-poll", "limit": 1 }));
    assert!(answer.header("retry-after").is_some());
    let polled = send(&server, "GET", &format!("{SESSION}?offset=-1&live=long-poll"), &ada, "").await;
    assert_eq!(polled.status, 204);
    let other = live(&bob).await;
    assert_eq!(other.status(), 200);
    drop(first);
    common::within(async {
        while live(&ada).await.status() != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
