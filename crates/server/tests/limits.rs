//! Rates and quotas: the answer beyond each, and who is not counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::tokens::{SECRET, hs256};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_server::{AuthConfig, JwtConfig, JwtKey, Secret, ServerConfig, StoreConfig};
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

/// What a session begins with counts like what is appended to it.
#[tokio::test]
async fn the_first_events_of_a_session_count() {
    let server = server(|config| config.limits.events_per_session = "1/m,burst:4".parse().ok()).await;
    let three = format!("[{},{},{}]", chunk("1", "a"), chunk("2", "b"), chunk("3", "c"));
    for path in [SESSION, "/v1/stream/agents/a"] {
        assert_eq!(send(&server, "PUT", path, ADMIN, &three).await.status, 201);
        assert!(is_limited(&send(&server, "POST", path, ADMIN, &three).await), "{path}");
        assert_eq!(send(&server, "POST", path, ADMIN, &chunk("4", "d")).await.status, 204);
        for (method, queued) in [("POST", ""), ("POST", "?durability=queued"), ("PUT", "")] {
            let again = send(&server, method, &format!("{path}{queued}"), ADMIN, &chunk("5", "e")).await;
            assert!(is_limited(&again), "{method} {path}{queued}: {}", again.text());
        }
        // A new one in its place does not begin anew.
        assert_eq!(send(&server, "DELETE", path, ADMIN, "").await.status, 204);
        assert!(is_limited(&send(&server, "PUT", path, ADMIN, &chunk("1", "a")).await), "{path}");
        assert_eq!(send(&server, "GET", path, ADMIN, "").await.status, 404);
        // Nothing in it is no event.
        assert_eq!(send(&server, "PUT", path, ADMIN, "").await.status, 201);
    }
    let event = r#"{"type":"chunk","data":{"text":"x"}}"#;
    assert!(is_limited(&send(&server, "POST", "/api/streams?sessionId=run-1", ADMIN, event).await));
    let join = r#"{"action":"join","userId":"ada","connectionId":"c"}"#;
    let presence = "/api/sessions/run-1/presence";
    assert!(is_limited(&send(&server, "POST", presence, ADMIN, join).await));
}

fn may_create(subject: &str) -> String {
    hs256(subject, "stream:read stream:write", json!({ "project": "p" }))
}

#[tokio::test]
async fn an_identity_has_so_many_streams_open() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = |config: &mut ServerConfig| {
        config.store = StoreConfig::Embedded { dir: dir.path().to_owned() };
        config.limits.open_streams_per_identity_max = 3;
    };
    let first = server(on_disk).await;
    let [ada, bob] = ["ada", "bob"].map(may_create);
    let is_refused = |answer: Answer| {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "TOO_MANY_STREAMS"));
        assert_eq!(answer.json()["error"]["details"], json!({ "limit": 3 }));
        assert!(number(&answer, "retry-after") > 0);
    };
    let by_api = json!({ "id": "run-2", "projectId": "p" }).to_string();
    assert_eq!(send(&first, "PUT", SESSION, &ada, "").await.status, 201);
    assert_eq!(send(&first, "POST", "/api/sessions", &ada, &by_api).await.status, 201);
    assert_eq!(send(&first, "PUT", "/v1/stream/logs/a", &ada, "").await.status, 201);
    // By every way that makes one; what is there may be confirmed.
    let fork = async |server: &TestServer| {
        let bearer = format!("Bearer {ada}");
        let headers = [("authorization", bearer.as_str()), ("stream-forked-from", SESSION)];
        server.send(request_with("PUT", "/v1/stream/sessions/forked", &headers, "")).await
    };
    let more = json!({ "projectId": "p" }).to_string();
    let at_the_limit = async |server: &TestServer| {
        is_refused(send(server, "PUT", "/v1/stream/logs/b", &ada, "").await);
        is_refused(send(server, "PUT", "/v1/stream/sessions/run-3", &ada, &chunk("1", "x")).await);
        is_refused(send(server, "POST", "/api/sessions", &ada, &more).await);
        is_refused(fork(server).await);
        for path in ["/v1/stream/logs/b", "/v1/stream/sessions/run-3", "/v1/stream/sessions/forked"] {
            assert_eq!(send(server, "GET", path, ADMIN, "").await.status, 404, "{path}");
        }
        assert_eq!(send(server, "PUT", SESSION, &ada, "").await.status, 200);
        assert_eq!(send(server, "POST", "/api/sessions", &ada, &by_api).await.status, 200);
    };
    at_the_limit(&first).await;
    // Others have their own, and who may do everything has no limit.
    assert_eq!(send(&first, "PUT", "/v1/stream/logs/bob", &bob, "").await.status, 201);
    for n in 0..4 {
        assert_eq!(send(&first, "PUT", &format!("/v1/stream/logs/admin-{n}"), ADMIN, "").await.status, 201);
    }
    first.stopped().await;
    let again = server(on_disk).await;
    at_the_limit(&again).await;
    // What is closed or deleted, by whatever way and whoever, makes room.
    let close = async || {
        let headers = [("authorization", "Bearer s3cret"), ("stream-closed", "true")];
        again.send(request_with("POST", "/v1/stream/logs/a", &headers, "")).await.status
    };
    assert_eq!(close().await, 204);
    assert_eq!(close().await, 204);
    assert_eq!(fork(&again).await.status, 201);
    is_refused(send(&again, "PUT", "/v1/stream/logs/b", &ada, "").await);
    assert_eq!(send(&again, "DELETE", SESSION, &ada, "").await.status, 204);
    assert_eq!(send(&again, "POST", "/api/sessions/run-2/close", &ada, "").await.status, 200);
    for expected in [201, 201, 429] {
        let id = json!({ "projectId": "p" }).to_string();
        assert_eq!(send(&again, "POST", "/api/sessions", &ada, &id).await.status, expected);
    }
    // One that is born closed was never open.
    let bearer = format!("Bearer {bob}");
    let closed = [("authorization", bearer.as_str()), ("stream-closed", "true")];
    for n in 0..4 {
        let path = format!("/v1/stream/logs/closed-{n}");
        assert_eq!(again.send(request_with("PUT", &path, &closed, "")).await.status, 201);
    }
    let metrics = send(&again, "GET", "/metrics", ADMIN, "").await;
    assert!(metrics.text().contains("\ndurable_sessions_open_streams_owned 4\n"), "{}", metrics.text());
    assert!(metrics.text().contains("\ndurable_sessions_open_streams_owners 2\n"));
}

/// Creations at once do not get past the limit together.
#[tokio::test]
async fn places_for_streams_are_not_given_twice() {
    let server = server(|config| config.limits.open_streams_per_identity_max = 5).await;
    let ada = may_create("ada");
    let all = (0..20).map(|n| {
        let (server, ada, path) = (&server, &ada, format!("/v1/stream/logs/{n}"));
        async move { send(server, "PUT", &path, ada, "").await.status.as_u16() }
    });
    let mut statuses = futures::future::join_all(all).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[201; 5].as_slice(), &[429; 15]].concat());
}

/// Everything that is refused for a limit is counted, by the limit.
#[tokio::test]
async fn refusals_are_counted_by_limit() {
    type Change = fn(&mut ServerConfig);
    // The limit, what it is set to, the request that is beyond it, its body, and the status of the answer.
    type Case<'a> = (&'a str, Change, (&'a str, String), &'a str, u16);
    const API: &str = "/api/streams?sessionId=run-1";
    let event = r#"{"type":"chunk","data":{"text":"x"}}"#;
    let two = format!("[{},{}]", chunk("1", "a"), chunk("2", "b"));
    let (large, long) = (chunk("1", &"x".repeat(300)), format!("{SESSION}?x={}", "x".repeat(5000)));
    let join = r#"{"action":"join","userId":"ada","connectionId":"c"}"#;
    let sse = format!("{SESSION}?offset=-1&live=sse");
    let role = r#"{"role":"viewer"}"#;
    let post = |path: &'static str| ("POST", path.to_owned());
    #[rustfmt::skip]
    let cases: [Case<'_>; 18] = [
        ("requests-per-identity", |c| c.limits.requests_per_identity = "1/m,burst:2".parse().ok(), ("GET", SESSION.to_owned()), "", 429),
        ("requests-per-address", |c| c.limits.requests_per_address = "1/m,burst:2".parse().ok(), ("GET", SESSION.to_owned()), "", 429),
        ("events-per-session", |c| c.limits.events_per_session = "1/m,burst:1".parse().ok(), post(API), event, 429),
        ("sse-subscribers-per-identity", |c| c.limits.sse_subscribers_per_identity_max = 1, ("GET", sse.clone()), "", 429),
        ("sse-subscribers", |c| c.limits.sse_subscribers_max = 1, ("GET", sse), "", 503),
        ("open-streams-per-identity", |c| c.limits.open_streams_per_identity_max = 1, ("PUT", "/v1/stream/logs/a".to_owned()), "", 429),
        ("event-bytes", |c| c.limits.event_bytes_max = 200, post(SESSION), &large, 413),
        ("append-messages", |c| c.limits.append_messages_max = 1, post(SESSION), &two, 413),
        ("body-bytes", |c| c.limits.body_bytes_max = 200, post(SESSION), &large, 413),
        ("bodies-bytes", |c| { c.limits.bodies_bytes_max = 10; }, post(SESSION), &two, 503),
        ("url-bytes", |_| {}, ("GET", long), "", 414),
        ("head-bytes", |c| c.limits.head_bytes_max = 8192, ("GET", SESSION.to_owned()), "", 431),
        ("presence-users", |c| c.limits.presence_users_max = 1, ("POST", "/api/sessions/run-1/presence".to_owned()), join, 429),
        ("presence-connections", |c| c.limits.presence_connections_max = 1, ("POST", "/api/sessions/run-1/presence".to_owned()), join, 429),
        ("members", |c| c.limits.session_members_max = 1, ("PUT", "/api/sessions/run-1/members/eve".to_owned()), role, 409),
        ("storage", |c| c.limits.sessions_max = 1, ("PUT", "/v1/stream/sessions/run-2".to_owned()), "", 507),
        ("subscriptions", |c| c.limits.subscriptions_max = 0, ("PUT", "/v1/stream/__ds/subscriptions/s".to_owned()), r#"{"type":"pull-wake","streams":["sessions/run-1"],"wake_stream":"wake"}"#, 507),
        ("queued-appends", |c| c.limits.queued_bytes_max = 1, ("POST", format!("{SESSION}?durability=queued")), event, 503),
    ];
    let ada = hs256("ada", "stream:read stream:write presence", json!({}));
    for (limit, change, (method, path), body, status) in cases {
        let server = server(change).await;
        let bearer = format!("Bearer {}", if limit == "subscriptions" { ADMIN } else { &ada });
        // Twice: the first may take the last place. What it holds is held until the second was answered.
        let wide = "x".repeat(if limit == "head-bytes" { 20_000 } else { 1 });
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("x-wide", wide.as_str()),
        ];
        send(&server, "PUT", SESSION, &ada, "").await;
        let (admin, other) = (format!("{SESSION}?live=sse&offset=-1"), common::request("GET", "/healthz"));
        let held = match limit {
            "sse-subscribers" | "sse-subscribers-per-identity" => {
                server.open(request_with("GET", &admin, &headers, "")).await
            }
            _ => server.open(other).await,
        };
        if limit.starts_with("presence") {
            let bob = hs256("bob", "presence", json!({ "sessions": "run-1" }));
            let join = join.replace("ada", "bob");
            assert_eq!(send(&server, "POST", &path, &bob, &join).await.status, 200);
        }
        if limit == "members" {
            let path = path.replace("eve", "dan");
            assert_eq!(send(&server, "PUT", &path, &ada, body).await.status, 200);
        }
        if matches!(limit, "events-per-session" | "requests-per-identity" | "requests-per-address") {
            server.send(request_with(method, &path, &headers, body)).await;
        }
        let body = if limit == "queued-appends" { chunk("1", "x") } else { body.to_owned() };
        let answer = server.send(request_with(method, &path, &headers, &body)).await;
        assert_eq!(answer.status, status, "{limit}: {}", answer.text());
        drop(held);
        common::within(async {
            // What has no answer of ours is counted a moment after the client has heard it.
            loop {
                let text = send(&server, "GET", "/metrics", ADMIN, "").await;
                let line = format!("durable_sessions_limit_refusals_total{{limit=\"{limit}\"}} ");
                let found = text.text().lines().find_map(|text| text.strip_prefix(&line)).map(str::to_owned);
                let found: u64 = found.unwrap_or_else(|| panic!("no {limit}")).parse().unwrap();
                if found > 0 {
                    assert_eq!(found, 1, "{limit}");
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
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
