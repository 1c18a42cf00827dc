//! What stands around the streams: files, health, cross-origin rules, headers, HTTP versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::fs;

use common::{TestServer, request, request_with};
use durable_sessions_server::{
    AuthConfig, CorsOrigins, Secret, Server, ServerConfig, StartError, StoreConfig,
};

const ORIGIN: (&str, &str) = ("origin", "https://app.example");

async fn site() -> (TestServer, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("dist");
    fs::create_dir_all(root.join("assets")).unwrap();
    fs::write(root.join("index.html"), "<!doctype html><title>demo</title>").unwrap();
    fs::write(root.join("assets/index-B3kd9_aQ.js"), "export {}").unwrap();
    fs::write(root.join("assets/core-DkT51a0z.wasm"), b"\0asm").unwrap();
    fs::write(root.join(".secret"), "hidden").unwrap();
    fs::write(dir.path().join("outside.txt"), "outside").unwrap();
    std::os::unix::fs::symlink(dir.path().join("outside.txt"), root.join("link.txt")).unwrap();
    let server = TestServer::start_with(|config| {
        config.web_root = Some(root);
        config.auth = AuthConfig::Token(Secret::new("t"));
    })
    .await;
    (server, dir)
}

#[tokio::test]
async fn files_come_with_type_cache_and_policy() {
    let (server, _dir) = site().await;
    for (path, mime, immutable) in [
        ("/", "text/html; charset=utf-8", false),
        ("/index.html", "text/html; charset=utf-8", false),
        ("/assets/index-B3kd9_aQ.js", "text/javascript; charset=utf-8", true),
        ("/assets/core-DkT51a0z.wasm?v=1", "application/wasm", true),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(mime)), "{path}");
        assert_eq!(answer.header("cache-control").unwrap().contains("immutable"), immutable, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("'wasm-unsafe-eval'")
                && !policy.contains("'unsafe-eval'")
                && !policy.contains("inline")
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        let tag = answer.header("etag").unwrap().to_owned();
        assert_eq!(server.send(request_with("GET", path, &[("if-none-match", &tag)], "")).await.status, 304);
    }
    assert_eq!(server.send(request("HEAD", "/")).await.body.len(), 0);
    assert_eq!(server.send(request("POST", "/")).await.status, 405);
}

#[tokio::test]
async fn no_file_outside_the_root_is_served() {
    let (server, _dir) = site().await;
    for path in [
        "/missing.js",
        "/../outside.txt",
        "/assets/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/.secret",
        "/link.txt",
        "/assets",
        "/assets/",
        "//etc/passwd",
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "NOT_FOUND"), "{path}");
    }
    let page = server.send(request_with("GET", "/missing", &[("accept", "text/html,*/*")], "")).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("Not found"));
}

#[tokio::test]
async fn preflights_need_no_token_and_pages_of_allowed_origins_read_headers() {
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new("t"));
        config.cors = CorsOrigins::List(vec!["https://app.example".into()]);
    })
    .await;
    let ask = [
        ORIGIN,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, producer-id, if-none-match"),
    ];
    let preflight = server.send(request_with("OPTIONS", "/v1/stream/sessions/a", &ask, "")).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    for name in [
        "authorization",
        "content-type",
        "if-none-match",
        "producer-id",
        "producer-epoch",
        "producer-seq",
        "stream-seq",
        "stream-closed",
        "stream-ttl",
        "stream-expires-at",
        "stream-forked-from",
    ] {
        assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}");
    }
    // Errors can be read by the page as well.
    let refused = server.send(request_with("GET", "/v1/stream/sessions/a", &[ORIGIN], "")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("access-control-allow-origin")),
        (401, Some("https://app.example"))
    );
    let exposed = refused.header("access-control-expose-headers").unwrap();
    for name in [
        "stream-next-offset",
        "stream-up-to-date",
        "stream-closed",
        "stream-cursor",
        "etag",
        "retry-after",
        "producer-expected-seq",
        "stream-first-offset",
        "stream-message-count",
    ] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}");
    }
    let foreign =
        server.send(request_with("GET", "/v1/stream/a", &[("origin", "https://evil.example")], "")).await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("vary"), Some("origin"));
}

#[tokio::test]
async fn without_a_token_foreign_pages_cannot_write() {
    let server = TestServer::start().await;
    let evil = ("origin", "https://evil.example");
    let answer = server.send(request_with("PUT", "/v1/stream/a", &[evil], "")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "FORBIDDEN"));
    let rebound = server.send(request_with("GET", "/api/sessions", &[("host", "evil.example")], "")).await;
    assert_eq!(rebound.status, 403);
    let local =
        server.send(request_with("PUT", "/v1/stream/a", &[("origin", "http://localhost:5173")], "")).await;
    assert_eq!(local.status, 201);
}

#[tokio::test]
async fn request_ids_are_taken_over_when_they_are_plain() {
    let server = TestServer::start().await;
    let answer = server.send(request_with("GET", "/healthz", &[("x-request-id", "trace-1")], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (200, Some("trace-1")));
    let answer = server.send(request_with("GET", "/healthz", &[("x-request-id", "a b")], "")).await;
    assert_ne!(answer.header("x-request-id"), Some("a b"));
}

#[tokio::test]
async fn http2_with_prior_knowledge_works() {
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let server = TestServer::start().await;
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}/healthz", server.address);
    let request = http::Request::get(uri).body(Full::<Bytes>::default()).unwrap();
    let answer = common::within(sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], br#"{"status":"ok"}"#);
    drop(sender);
    server.stopped().await;
}

#[tokio::test]
async fn a_server_that_cannot_work_says_why() {
    let config = |listen: &str, auth| ServerConfig::new(listen.parse().unwrap(), StoreConfig::Memory, auth);
    let open = Server::bind(config("0.0.0.0:0", AuthConfig::DevNoAuth)).await.err().unwrap();
    assert!(open.to_string().contains("loopback"), "{open}");

    let server = TestServer::start().await;
    let taken = Server::bind(config(&server.address.to_string(), AuthConfig::DevNoAuth)).await.err().unwrap();
    assert!(matches!(taken, StartError::Listen { .. }) && taken.is_retryable(), "{taken}");

    let mut no_site = config("127.0.0.1:0", AuthConfig::DevNoAuth);
    no_site.web_root = Some("/nonexistent".into());
    assert!(matches!(Server::bind(no_site).await.err().unwrap(), StartError::WebRoot { .. }));

    let dir = tempfile::tempdir().unwrap();
    let embedded = || {
        let store = StoreConfig::Embedded { dir: dir.path().into() };
        ServerConfig::new("127.0.0.1:0".parse().unwrap(), store, AuthConfig::DevNoAuth)
    };
    let first = Server::bind(embedded()).await.ok();
    let locked = Server::bind(embedded()).await.err().unwrap();
    assert!(first.is_some() && locked.to_string().contains("in use"), "{locked}");
}
