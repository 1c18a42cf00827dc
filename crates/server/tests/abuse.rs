//! What an attacker tries: odd paths, smuggled requests, bodies and heads that are too large or too slow. Forged
//! credentials are in `identity.rs`; routes, roles and tenants in `access.rs`; floods in `limits.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::time::Duration;

use common::tokens::{SECRET, Signer, claims, hs256, now_secs, unsigned};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_server::{AuthConfig, JwtConfig, JwtKey, Secret, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ADMIN: &str = "s3cret";
const HIDDEN: &str = "/v1/stream/sessions/hidden";

async fn server(change: impl FnOnce(&mut ServerConfig)) -> TestServer {
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new(ADMIN));
        config.identity.jwt =
            Some(JwtConfig { keys: vec![JwtKey::secret(SECRET).unwrap()], ..JwtConfig::default() });
        change(config);
    })
    .await;
    assert_eq!(send(&server, "PUT", HIDDEN, ADMIN, "").await.status, 201);
    assert_eq!(send(&server, "POST", HIDDEN, ADMIN, &chunk("1", "a secret")).await.status, 204);
    server
}

async fn send(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    server.send(request_with(method, path, &headers, body)).await
}

/// Sends bytes as they are, and reads until the server ends the connection or has been silent for a while.
async fn raw(server: &TestServer, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(read @ 1..)) =
        tokio::time::timeout(Duration::from_millis(500), socket.read(&mut buffer)).await
    {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<u16> {
    answers.match_indices("HTTP/1.1 ").filter_map(|(at, _)| answers[at + 9..at + 12].parse().ok()).collect()
}

/// Ways to write a path that a careless check takes for another one.
#[tokio::test]
async fn no_way_of_writing_a_path_leads_around_the_rules() {
    let server = server(|_| {}).await;
    let eve = hs256("eve", "stream:read stream:write", json!({ "sessions": ["run-*", "logs/**"] }));
    send(&server, "PUT", "/v1/stream/sessions/run-1", &eve, "").await;
    let long = format!("/v1/stream/sessions/{}", "x".repeat(101));
    let longer = format!("/v1/stream/logs/{}", "x".repeat(2000));
    for path in [
        "/v1/stream/sessions/hidden",
        "/v1/stream/sessions%2Fhidden",
        "/v1/stream/sessions%2fhidden",
        "/v1/stream/%73essions/hidden",
        "/v1/stream/sessions/%68idden",
        "/v1/stream/sessions/run-1/../hidden",
        "/v1/stream/sessions/run-1%2F..%2Fhidden",
        "/v1/stream/logs/../sessions/hidden",
        "/v1/stream/logs/%2e%2e/sessions/hidden",
        "/v1/stream/logs/..%2fsessions/hidden",
        "/v1/stream/./sessions/hidden",
        "/v1/stream//sessions/hidden",
        "/v1/stream/sessions//hidden",
        "/v1/stream/sessions/hidden/",
        "/v1/stream/sessions/hidden%00",
        "/v1/stream/sessions/run-1%00hidden",
        "/v1/stream/logs/%00",
        "/v1/stream/sessions/hidden;run-1",
        "/v1/stream/sessions/hidden%3Frun-1",
        "/v1/stream/sessions/HIDDEN%20",
        "/v1/stream/sessions/%252e%252e",
        "/v1/stream/sessions/%C0%AEhidden",
        "/v1/stream/__ds/keys",
        "/v1/stream/__ds/auth/keys/0123456789abcdef01",
        "/v1/stream/%5F%5Fds/keys",
        "/v1/stream/__ds%2Fkeys",
        "/v1/stream/logs/../__ds/keys",
        long.as_str(),
        longer.as_str(),
    ] {
        for (method, body) in [("GET", ""), ("POST", &*chunk("2", "x")), ("PUT", ""), ("DELETE", "")] {
            let answer = send(&server, method, path, &eve, body).await;
            let status = answer.status.as_u16();
            assert!(matches!(status, 400 | 403 | 404 | 405), "{method} {path}: {status}");
            assert!(!answer.text().contains("a secret"), "{method} {path}");
        }
        let fork = [("authorization", &*format!("Bearer {eve}")), ("stream-forked-from", path)];
        let answer = server.send(request_with("PUT", "/v1/stream/logs/stolen", &fork, "")).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 404), "fork of {path}: {}", answer.text());
        // In JSON nothing is encoded: there these are plain names, of streams that the caller may have.
        if path.contains('%') {
            continue;
        }
        let subscription = json!({ "type": "pull-wake", "streams": [path.trim_start_matches("/v1/stream/")], "wake_stream": "logs/wake" });
        let answer =
            send(&server, "PUT", "/v1/stream/__ds/subscriptions/x", &eve, &subscription.to_string()).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 403 | 404),
            "subscription to {path}: {}",
            answer.text()
        );
    }
    let held = send(&server, "GET", HIDDEN, ADMIN, "").await.json();
    assert_eq!(held.as_array().unwrap().len(), 1);
    assert_eq!(send(&server, "GET", "/v1/stream/logs/stolen", ADMIN, "").await.status, 404);
    // Paths that only look like the protected ones are not routes.
    for path in [
        "/V1/stream/sessions/hidden",
        "//v1/stream/sessions/hidden",
        "/x/../v1/stream/sessions/hidden",
        "/%761/stream/sessions/hidden",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("a secret"), "{path}");
    }
}

/// The same for the session API: other sessions are not read, written, or heard of.
#[tokio::test]
async fn no_session_is_reached_through_another() {
    let server = server(|_| {}).await;
    let eve = hs256("eve", "stream:read stream:write", json!({ "sessions": "run-*" }));
    assert_eq!(send(&server, "PUT", "/v1/stream/sessions/run-1", &eve, "").await.status, 201);
    let export = r#"{"format":"json"}"#;
    let event = r#"{"type":"chunk","data":{"text":"x"}}"#;
    let join = r#"{"action":"join","userId":"eve","connectionId":"c"}"#;
    for id in ["hidden", "%68idden", "run-1%2F..%2Fhidden", "run-1/../hidden", "hidden%00", "hidden/"] {
        for (method, rest, body) in [
            ("GET", "", ""),
            ("GET", "/events", ""),
            ("GET", "/summary", ""),
            ("GET", "/presence", ""),
            ("GET", "/stream", ""),
            ("POST", "/export", export),
            ("POST", "/presence", join),
            ("POST", "/close", ""),
            ("PATCH", "", r#"{"title":"eve's"}"#),
            ("DELETE", "", ""),
        ] {
            let path = format!("/api/sessions/{id}{rest}");
            let answer = send(&server, method, &path, &eve, body).await;
            let status = answer.status.as_u16();
            assert!(matches!(status, 400 | 403 | 404 | 405), "{method} {path}: {status}");
            assert!(!answer.text().contains("a secret"), "{method} {path}");
        }
        for query in [format!("sessionId={id}"), format!("sessionId=run-1&sessionId={id}")] {
            let answer = send(&server, "POST", &format!("/api/streams?{query}"), &eve, event).await;
            assert!(matches!(answer.status.as_u16(), 400 | 403), "{query}: {}", answer.text());
        }
    }
    let listed = send(&server, "GET", "/api/sessions?search=hidden", &eve, "").await;
    assert_eq!(listed.json()["data"]["sessions"], json!([]));
    assert_eq!(send(&server, "GET", HIDDEN, ADMIN, "").await.json().as_array().unwrap().len(), 1);
}

/// Nobody is there, answers, or moves in somebody else's name, whichever way it is said.
#[tokio::test]
async fn nobody_speaks_for_others() {
    let server = server(|_| {}).await;
    let eve = hs256("eve", "stream:read stream:write presence", json!({ "sessions": "run-*" }));
    let run = "/v1/stream/sessions/run-1";
    assert_eq!(send(&server, "PUT", run, &eve, "").await.status, 201);
    for (event_type, data, code) in [
        ("presence:joined", r#"{"userId":"ada"}"#, "PRESENCE_IDENTITY_MISMATCH"),
        ("presence:left", r#"{"userId":"ada"}"#, "PRESENCE_IDENTITY_MISMATCH"),
        ("presence:cursor", r#"{"userId":"ada","cursor":{"x":1,"y":1}}"#, "PRESENCE_IDENTITY_MISMATCH"),
        ("presence:own", r#"{"userId":"eve","user\u0049d":"ada"}"#, "PRESENCE_IDENTITY_MISMATCH"),
        ("presence:own", "{}", "PRESENCE_IDENTITY_MISMATCH"),
        ("approval:approved", r#"{"actor":"ada","payload":{}}"#, "FORBIDDEN"),
        ("approval:rejected", r#"{"payload":{}}"#, "FORBIDDEN"),
    ] {
        let event = format!(r#"{{"id":"1","type":"{event_type}","timestamp":1,"data":{data}}}"#);
        let among = format!("[{},{event}]", chunk("2", "x"));
        for path in [
            run,
            "/v1/stream/sessions/run-1?durability=queued",
            "/api/streams?sessionId=run-1",
            "/api/streams?sessionId=run-1&durability=queued",
        ] {
            for body in [&event, &among] {
                let answer = send(&server, "POST", path, &eve, body).await;
                let found = (answer.status.as_u16(), answer.code());
                assert_eq!(found, (403, code.to_owned()), "{path}: {body}");
            }
        }
        // Nor when it is created with it.
        let answer = send(&server, "PUT", "/v1/stream/sessions/run-2", &eve, &event).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, code.to_owned()), "{event}");
    }
    for action in ["join", "update", "heartbeat", "leave"] {
        let body = json!({ "action": action, "userId": "ada", "connectionId": "c" }).to_string();
        let answer = send(&server, "POST", "/api/sessions/run-1/presence", &eve, &body).await;
        let found = (answer.status.as_u16(), answer.code());
        assert_eq!(found, (403, "PRESENCE_IDENTITY_MISMATCH".to_owned()), "{action}");
    }
    let there = send(&server, "GET", "/api/sessions/run-1/presence", &eve, "").await;
    assert_eq!(there.json()["data"]["presence"], json!([]));
    assert_eq!(send(&server, "GET", run, ADMIN, "").await.json(), json!([]));
}

/// Two answers to what a proxy takes for one request, or one that the wrong credentials got.
#[tokio::test]
async fn requests_are_not_smuggled() {
    let server = server(|_| {}).await;
    let chunked = |second: &str| {
        format!(
            "POST {HIDDEN} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n{second}\r\n"
        )
    };
    let inner = format!("GET {HIDDEN} HTTP/1.1\r\nHost: a\r\n\r\n");
    for (what, request) in [
        (
            "two lengths",
            chunked(&format!("Content-Length: 5\r\nContent-Length: {}\r\n", inner.len())) + &inner,
        ),
        ("a length that is none", chunked("Content-Length: +5\r\n") + &inner),
        ("a length in a list", chunked("Content-Length: 5, 6\r\n") + &inner),
        (
            "a coding that is not the last",
            chunked("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n" + &inner,
        ),
        ("an unknown coding", chunked("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + &inner),
        ("a space before the colon", chunked("Content-Length : 5\r\n") + &inner),
        ("a folded line", chunked("X-A: b\r\n Content-Length: 5\r\n") + &inner),
        ("a NUL in a value", chunked("X-A: b\0c\r\n") + &inner),
        ("a line feed in a name", chunked("X-A\n: b\r\n") + &inner),
        (
            "length and coding",
            chunked(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", inner.len() + 5))
                + "0\r\n\r\n"
                + &inner,
        ),
    ] {
        let answers = raw(&server, request.as_bytes()).await;
        assert!(!answers.contains("a secret"), "{what}: {answers}");
        let good = statuses(&answers).into_iter().filter(|status| *status < 300).count();
        assert_eq!(good, 0, "{what}: {answers}");
    }
    // Credentials that could be read in two ways count in none.
    for headers in [
        format!("Authorization: Bearer {ADMIN}\r\nAuthorization: Bearer x\r\n"),
        format!("Authorization: Bearer x\r\nAuthorization: Bearer {ADMIN}\r\n"),
        format!("Authorization: Bearer x, Bearer {ADMIN}\r\n"),
        format!("Authorization: Basic {ADMIN}\r\n"),
        format!("Proxy-Authorization: Bearer {ADMIN}\r\n"),
        format!("X-Forwarded-Authorization: Bearer {ADMIN}\r\nX-Original-URL: {HIDDEN}\r\n"),
        "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-User: admin\r\nRemote-User: admin\r\n".to_owned(),
    ] {
        let request = format!("GET {HIDDEN} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        assert_eq!(statuses(&raw(&server, request.as_bytes()).await), [401], "{headers}");
    }
    let request = format!(
        "GET {HIDDEN} HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    );
    assert_eq!(statuses(&raw(&server, request.as_bytes()).await), [200]);
    let held = send(&server, "GET", HIDDEN, ADMIN, "").await.json();
    assert_eq!(held.as_array().unwrap().len(), 1);
}

/// Who sends slowly or too much is told so, or cut, and nothing of it is kept.
#[tokio::test]
async fn slow_and_large_requests_end() {
    let server = server(|config| {
        config.limits.body_bytes_max = 1000;
        config.limits.head_bytes_max = 8192;
        config.limits.header_read_timeout = Duration::from_millis(300);
        config.limits.body_read_timeout = Duration::from_millis(300);
    })
    .await;
    let head = format!(
        "POST {HIDDEN} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n"
    );
    let closed = async |bytes: &[u8]| {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = common::within(socket.read_to_end(&mut answer)).await;
        statuses(&String::from_utf8_lossy(&answer))
    };
    // A head that never ends; hyper answers some of these before it closes.
    for part in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\nX-A: "] {
        let answered = closed(part.as_bytes()).await;
        assert!(answered.iter().all(|status| *status == 408), "{part:?}: {answered:?}");
    }
    // A body that never comes is a 408, before or after its first byte. The connection stays until its idle time.
    for part in ["", "["] {
        let request = format!("{head}Content-Length: 100\r\n\r\n{part}");
        assert_eq!(closed(request.as_bytes()).await, [408], "{part:?}");
    }
    let large = format!("{head}Content-Length: 1001\r\n\r\n{}", "x".repeat(1001));
    assert_eq!(closed(large.as_bytes()).await, [413]);
    let wide = format!("{head}X-A: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(closed(wide.as_bytes()).await, [431]);
    let many: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    assert_eq!(closed(format!("{head}{many}\r\n").as_bytes()).await, [431]);
    let held = send(&server, "GET", HIDDEN, ADMIN, "").await.json();
    assert_eq!(held.as_array().unwrap().len(), 1);
}

/// Somebody else's presence and approvals, through every way that writes events.
#[tokio::test]
async fn nobody_speaks_for_somebody_else() {
    let server = server(|_| {}).await;
    let eve = hs256("eve", "stream:read stream:write", json!({ "sessions": ["run-*"] }));
    let session = "/v1/stream/sessions/run-1";
    let event =
        |kind: &str, data: &str| format!(r#"{{"id":"1","type":"{kind}","timestamp":1,"data":{data}}}"#);
    let good = event("presence:joined", r#"{"userId":"eve"}"#);
    for (spoofed, code) in [
        (event("presence:joined", r#"{"userId":"ada"}"#), "PRESENCE_IDENTITY_MISMATCH"),
        (event("presence:left", r#"{"userId":"ada"}"#), "PRESENCE_IDENTITY_MISMATCH"),
        (event("presence:timeout", r#"{"userId":"ada"}"#), "PRESENCE_IDENTITY_MISMATCH"),
        (event("presence:joined", r#"{"userId":"Eve"}"#), "PRESENCE_IDENTITY_MISMATCH"),
        (event("presence:joined", r#"{"userId":"eve "}"#), "PRESENCE_IDENTITY_MISMATCH"),
        (event("presence:x", r#"{"userId":"eve","userId":"ada"}"#), "PRESENCE_IDENTITY_MISMATCH"),
        (event("approval:approved", r#"{"actor":"ada","payload":{}}"#), "FORBIDDEN"),
        (event("approval:approved", r#"{"payload":{}}"#), "FORBIDDEN"),
    ] {
        for body in [spoofed.clone(), format!("[{good},{spoofed}]")] {
            // In the first content of a new session, and after it is there.
            let created = send(&server, "PUT", "/v1/stream/sessions/run-new", &eve, &body).await;
            assert_eq!((created.status.as_u16(), created.code().as_str()), (403, code), "{body}");
            send(&server, "PUT", session, &eve, "").await;
            let appended = send(&server, "POST", session, &eve, &body).await;
            assert_eq!((appended.status.as_u16(), appended.code().as_str()), (403, code), "{body}");
        }
    }
    assert_eq!(send(&server, "GET", session, &eve, "").await.text(), "[]");
    assert_eq!(send(&server, "GET", "/v1/stream/sessions/run-new", &eve, "").await.status, 404);
    assert_eq!(send(&server, "POST", session, &eve, &good).await.status, 204);
}

/// Every operation of the document, with something in the places of its path.
async fn every_operation(server: &TestServer) -> Vec<(String, String)> {
    let document = send(server, "GET", "/api/openapi.json", ADMIN, "").await.json();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let written = path.replace("{id}", "hidden").replace("{subject}", "eve");
        let written = written.replace("{path}", "sessions/hidden");
        operations.extend(
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), written.clone())),
        );
    }
    assert!(operations.len() > 30, "{operations:?}");
    operations.retain(|(_, path)| path != "/healthz" && path != "/readyz");
    // The protocol's own routes that need a caller, and some that do not exist.
    for (method, path) in [
        ("GET", "/v1/stream/__ds/subscriptions/s"),
        ("PUT", "/v1/stream/__ds/subscriptions/s"),
        ("DELETE", "/v1/stream/__ds/subscriptions/s"),
        ("POST", "/v1/stream/__ds/subscriptions/s/streams"),
        ("POST", "/v1/stream/__ds/subscriptions/s/claim"),
        ("GET", "/v1/stream/none"),
        ("GET", "/api/none"),
        ("GET", "/v1"),
    ] {
        operations.push((method.to_owned(), path.to_owned()));
    }
    operations
}

/// No route there is lets a credential in that is forged, over, or for something else.
#[tokio::test]
async fn no_route_takes_a_credential_that_is_not_good() {
    let server = server(|_| {}).await;
    assert_eq!(send(&server, "PUT", "/v1/stream/sessions/run-1", ADMIN, "").await.status, 201);
    let own = json!({ "roles": { "*": "owner" }, "sessions": "**" });
    let good = claims("eve", "admin", own.clone());
    let mut over = good.clone();
    over["exp"] = (now_secs() - 3600).into();
    let mut early = good.clone();
    early["nbf"] = (now_secs() + 3600).into();
    let wrong_key = Signer::Hmac(b"another secret of somebody, 32 bytes or more".to_vec());
    let none = format!("{}.", unsigned(&json!({ "alg": "none", "typ": "JWT" }), &good));
    let token_of = async |session: &str| -> String {
        let asked = json!({ "sessionId": session }).to_string();
        let made = send(&server, "POST", "/api/auth/stream-token", ADMIN, &asked).await;
        made.json()["data"]["token"].as_str().unwrap().to_owned()
    };
    let (for_hidden, for_other) = (token_of("hidden").await, token_of("run-1").await);
    let bearers = [
        ("nothing", String::new()),
        ("over", Signer::hmac().token(None, &over)),
        ("too early", Signer::hmac().token(None, &early)),
        ("another key", wrong_key.token(None, &good)),
        ("no algorithm", none),
        ("a stream token", for_hidden.clone()),
        ("the subject of the static token", hs256("admin", "admin", json!({}))),
        ("an API key of nobody", format!("dsk_{}_{}", "0".repeat(18), "A".repeat(43))),
        ("long", "x".repeat(9000)),
    ];
    for (method, path) in every_operation(&server).await {
        for (what, bearer) in &bearers {
            let answer = send(&server, &method, &path, bearer, "").await;
            assert_eq!(answer.status, 401, "{method} {path} with {what}");
            assert!(answer.header("www-authenticate").is_some() || method == "HEAD", "{method} {path}");
        }
        // Stream tokens are for their session, and for the two routes that stream it.
        let streams = matches!(method.as_str(), "GET" | "HEAD")
            && matches!(path.as_str(), "/v1/stream/sessions/hidden" | "/api/sessions/hidden/stream");
        for (token, taken) in [(&for_hidden, streams), (&for_other, false)] {
            let request = request_with(&method, &format!("{path}?token={token}"), &[], "");
            let status = server.open(request).await.status();
            assert_eq!(status == 200, taken, "{method} {path} with a stream token: {status}");
            assert!(taken || status == 401, "{method} {path} with a stream token: {status}");
        }
        // A cookie reads; whatever it is, it does nothing.
        if !matches!(method.as_str(), "GET" | "HEAD") {
            for name in ["durable-sessions", "__Host-durable-sessions"] {
                let cookie = format!("{name}={for_hidden}");
                let request = request_with(&method, &path, &[("cookie", &cookie)], "");
                assert_eq!(server.send(request).await.status, 401, "{method} {path} with {name}");
            }
        }
    }
    let held = send(&server, "GET", HIDDEN, ADMIN, "").await.json();
    assert_eq!(held.as_array().unwrap().len(), 1);
    let members = send(&server, "GET", "/api/sessions/hidden/members", ADMIN, "").await.json();
    assert_eq!(members["data"]["members"], json!([]));
}

/// A body that comes byte by byte has the same time as one that does not come, on every route that reads one.
#[tokio::test]
async fn a_body_that_drips_ends() {
    let server = server(|config| config.limits.body_read_timeout = Duration::from_millis(400)).await;
    for (method, path) in [
        ("POST", HIDDEN),
        ("PUT", "/v1/stream/sessions/new"),
        ("POST", "/api/streams?sessionId=hidden"),
        ("POST", "/api/sessions"),
        ("PATCH", "/api/sessions/hidden"),
        ("PUT", "/api/sessions/hidden/members/eve"),
        ("POST", "/api/sessions/hidden/presence"),
        ("POST", "/api/sessions/hidden/export"),
        ("POST", "/api/auth/keys"),
        ("POST", "/api/auth/stream-token"),
        ("PUT", "/v1/stream/__ds/subscriptions/s"),
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let (mut reading, mut writing) = socket.split();
        let drip = async {
            loop {
                // The server may have closed it already.
                let _ = writing.write_all(b" ").await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let answered = common::within(async {
            tokio::select! {
                read = reading.read_exact(&mut answer) => read.map(drop),
                () = drip => Ok(()),
            }
        });
        answered.await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408", "{method} {path}");
    }
    assert_eq!(send(&server, "GET", "/v1/stream/sessions/new", ADMIN, "").await.status, 404);
    let held = send(&server, "GET", HIDDEN, ADMIN, "").await.json();
    assert_eq!(held.as_array().unwrap().len(), 1);
}

/// What one project has is neither read nor touched from another, by any route that names it.
#[tokio::test]
async fn another_project_is_out_of_reach() {
    let server = server(|_| {}).await;
    let all = "stream:read stream:write presence admin";
    let (ada, eve) =
        (hs256("ada", all, json!({ "project": "p" })), hs256("ada", all, json!({ "project": "q" })));
    let theirs = "/v1/stream/sessions/hidden-p";
    assert_eq!(send(&server, "PUT", theirs, &ada, "").await.status, 201);
    assert_eq!(send(&server, "POST", theirs, &ada, &chunk("1", "a secret")).await.status, 204);
    let subscription =
        json!({ "type": "pull-wake", "streams": ["sessions/hidden-p"], "wake_stream": "wake/p" }).to_string();
    let subscriptions = "/v1/stream/__ds/subscriptions";
    assert_eq!(send(&server, "PUT", &format!("{subscriptions}/p"), &ada, &subscription).await.status, 201);
    let event = r#"{"type":"chunk","data":{"text":"x"}}"#;
    let join = r#"{"action":"join","userId":"ada","connectionId":"c"}"#;
    let streams = r#"{"streams":["sessions/hidden-p"]}"#;
    for (method, path, body) in [
        ("GET", theirs, ""),
        ("HEAD", theirs, ""),
        ("POST", theirs, event),
        ("POST", "/v1/stream/sessions/hidden-p?durability=queued", event),
        ("DELETE", theirs, ""),
        ("GET", "/api/sessions/hidden-p", ""),
        ("PATCH", "/api/sessions/hidden-p", r#"{"title":"x"}"#),
        ("DELETE", "/api/sessions/hidden-p", ""),
        ("POST", "/api/sessions/hidden-p/close", ""),
        ("GET", "/api/sessions/hidden-p/events", ""),
        ("GET", "/api/sessions/hidden-p/stream", ""),
        ("GET", "/api/sessions/hidden-p/summary", ""),
        ("POST", "/api/sessions/hidden-p/export", r#"{"format":"json"}"#),
        ("GET", "/api/sessions/hidden-p/presence", ""),
        ("POST", "/api/sessions/hidden-p/presence", join),
        ("GET", "/api/sessions/hidden-p/members", ""),
        ("PUT", "/api/sessions/hidden-p/members/eve", r#"{"role":"owner"}"#),
        ("DELETE", "/api/sessions/hidden-p/members/eve", ""),
        ("POST", "/api/streams?sessionId=hidden-p", event),
        ("POST", "/api/auth/stream-token", r#"{"sessionId":"hidden-p"}"#),
        ("GET", "/v1/stream/__ds/subscriptions/p", ""),
        ("DELETE", "/v1/stream/__ds/subscriptions/p", ""),
        ("POST", "/v1/stream/__ds/subscriptions/p/streams", streams),
        ("DELETE", "/v1/stream/__ds/subscriptions/p/streams/sessions%2Fhidden-p", ""),
        ("POST", "/v1/stream/__ds/subscriptions/p/claim", r#"{"worker":"w"}"#),
        ("PUT", "/v1/stream/__ds/subscriptions/q", &subscription),
    ] {
        let answer = send(&server, method, path, &eve, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        assert!(!answer.text().contains("a secret"), "{method} {path}");
    }
    for into in ["/v1/stream/sessions/stolen", "/v1/stream/logs/stolen", "/v1/stream/agents/stolen"] {
        for source in [theirs, "sessions/hidden-p", "/sessions/hidden-p", "/v1/stream/sessions/%68idden-p"] {
            let bearer = format!("Bearer {eve}");
            let fork = [("authorization", bearer.as_str()), ("stream-forked-from", source)];
            let answer = server.send(request_with("PUT", into, &fork, "")).await;
            assert!(matches!(answer.status.as_u16(), 400 | 404), "{into} from {source}: {}", answer.text());
        }
        assert_eq!(send(&server, "GET", into, ADMIN, "").await.status, 404, "{into}");
    }
    let held = send(&server, "GET", theirs, &ada, "").await;
    assert_eq!((held.json().as_array().unwrap().len(), held.header("stream-closed")), (1, None));
    let kept = send(&server, "GET", &format!("{subscriptions}/p"), &ada, "").await;
    assert_eq!(kept.json()["streams"].as_array().unwrap().len(), 1);
}
