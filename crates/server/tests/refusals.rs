//! Bad requests: each with its status, its code and a message a person can act on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use bytes::Bytes;
use common::{TestServer, chunk, request, request_with};
use durable_sessions_server::{AuthConfig, Secret};

const JSON: (&str, &str) = ("content-type", "application/json");
const TEXT: (&str, &str) = ("content-type", "text/plain");
const SESSION: &str = "/v1/stream/sessions/known";
const BYTES: &str = "/v1/stream/bytes";
const CLOSED: &str = "/v1/stream/sessions/closed";

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // what                        method    target                                       headers  body                status code                    in the message
    ("malformed JSON",             "POST",   SESSION,                                     &[JSON], r#"{"a":"#,         400, "INVALID_JSON",          "at byte"),
    ("JSON with a tail",           "POST",   SESSION,                                     &[JSON], "[1] 2",            400, "INVALID_JSON",          "after the value"),
    ("an empty array",             "POST",   SESSION,                                     &[JSON], "[]",               400, "EMPTY_APPEND",          "empty array"),
    ("no body",                    "POST",   SESSION,                                     &[JSON], "",                 400, "EMPTY_APPEND",          "body"),
    ("no content type",            "POST",   SESSION,                                     &[],     "{}",               400, "CONTENT_TYPE_MISSING",  "Content-Type"),
    ("a content type that is none","POST",   SESSION,                                     &[("content-type", "json")], "{}", 400, "INVALID_CONTENT_TYPE", "type/subtype"),
    ("another content type",       "POST",   SESSION,                                     &[TEXT], "hello",            409, "CONTENT_TYPE_MISMATCH", "application/json"),
    ("bytes get JSON",             "POST",   BYTES,                                       &[JSON], "not json",         409, "CONTENT_TYPE_MISMATCH", "octet-stream"),
    ("no event at all",            "POST",   SESSION,                                     &[JSON], "7",                400, "INVALID_EVENT",         "expected"),
    ("an event without data",      "POST",   SESSION,                                     &[JSON], r#"{"id":"1","type":"chunk","timestamp":1}"#, 400, "INVALID_EVENT", "$.data"),
    ("an unknown session",         "GET",    "/v1/stream/sessions/unknown",               &[],     "",                 404, "SESSION_NOT_FOUND",     "session"),
    ("append to an unknown one",   "POST",   "/v1/stream/sessions/unknown",               &[JSON], "{}",               404, "SESSION_NOT_FOUND",     "session"),
    ("an unknown stream",          "GET",    "/v1/stream/nothing/here",                   &[],     "",                 404, "STREAM_NOT_FOUND",      "stream"),
    ("delete of nothing",          "DELETE", "/v1/stream/nothing",                        &[],     "",                 404, "STREAM_NOT_FOUND",      "stream"),
    ("live on an unknown session", "GET",    "/v1/stream/sessions/unknown?offset=-1&live=sse", &[], "",                404, "SESSION_NOT_FOUND",     "session"),
    ("a session id with a dot",    "PUT",    "/v1/stream/sessions/a.b",                   &[],     "",                 400, "INVALID_SESSION_ID",    "letters"),
    ("two segments",               "PUT",    "/v1/stream/sessions/a/b",                   &[],     "",                 400, "INVALID_SESSION_ID",    "letters"),
    ("an encoded slash",           "PUT",    "/v1/stream/sessions/a%2Fb",                 &[],     "",                 400, "INVALID_SESSION_ID",    "letters"),
    ("no session id",              "PUT",    "/v1/stream/sessions",                       &[],     "",                 400, "MISSING_SESSION_ID",    "id"),
    ("a path that climbs",         "PUT",    "/v1/stream/a/%2e%2e/b",                     &[],     "",                 400, "INVALID_STREAM_PATH",   "segment"),
    ("a reserved path",            "GET",    "/v1/stream/__ds/subscriptions/1",           &[],     "",                 404, "SUBSCRIPTION_NOT_FOUND", "subscription"),
    ("a session of text",          "PUT",    "/v1/stream/sessions/new",                   &[TEXT], "",                 400, "CONTENT_TYPE_MISMATCH", "application/json"),
    ("a session with bad events",  "PUT",    "/v1/stream/sessions/new",                   &[JSON], "[{}]",             400, "INVALID_EVENT",         "expected"),
    ("a bad offset",               "GET",    "/v1/stream/sessions/known?offset=12",       &[],     "",                 400, "INVALID_OFFSET",        "20 digits"),
    ("an empty offset",            "GET",    "/v1/stream/sessions/known?offset=",         &[],     "",                 400, "INVALID_OFFSET",        "20 digits"),
    ("an offset beyond the tail",  "GET",    "/v1/stream/sessions/known?offset=00000000000000000099", &[], "",         400, "INVALID_OFFSET",        "beyond the tail"),
    ("two offsets",                "GET",    "/v1/stream/sessions/known?offset=-1&offset=-1", &[], "",                 400, "INVALID_PARAMETER",     "repeated"),
    ("live without offset",        "GET",    "/v1/stream/sessions/known?live=sse",        &[],     "",                 400, "INVALID_PARAMETER",     "offset"),
    ("an unknown live mode",       "GET",    "/v1/stream/sessions/known?offset=-1&live=x", &[],    "",                 400, "INVALID_PARAMETER",     "long-poll or sse"),
    ("some producer headers",      "POST",   SESSION,                                     &[JSON, ("producer-id", "p")], "{}", 400, "INVALID_PRODUCER", "together"),
    ("a fractional epoch",         "POST",   SESSION,                                     &[JSON, ("producer-id", "p"), ("producer-epoch", "1.5"), ("producer-seq", "0")], "{}", 400, "INVALID_PRODUCER", "decimal"),
    ("a TTL with a sign",          "PUT",    "/v1/stream/new",                            &[("stream-ttl", "+5")], "", 400, "INVALID_HEADER",        "Stream-TTL"),
    ("a TTL over 64 bits",         "PUT",    "/v1/stream/new",                            &[("stream-ttl", "18446744073709551616")], "", 400, "INVALID_HEADER", "Stream-TTL"),
    ("TTL and expiry",             "PUT",    "/v1/stream/new",                            &[("stream-ttl", "5"), ("stream-expires-at", "2030-01-01T00:00:00Z")], "", 400, "INVALID_HEADER", "exclude"),
    ("an expiry that is no time",  "PUT",    "/v1/stream/new",                            &[("stream-expires-at", "soon")], "", 400, "INVALID_HEADER",   "RFC 3339"),
    ("a retention without a unit", "PUT",    "/v1/stream/new",                            &[("stream-retention", "age:30")], "", 400, "INVALID_HEADER",    "Stream-Retention"),
    ("a retention twice",          "PUT",    "/v1/stream/new",                            &[("stream-retention", "count:1,count:2")], "", 400, "INVALID_HEADER", "repeated"),
    ("a count of bytes",           "PUT",    "/v1/stream/new",                            &[("stream-retention", "count:1")], "", 400, "INVALID_HEADER",   "JSON"),
    ("a fork offset alone",        "PUT",    "/v1/stream/new",                            &[("stream-fork-offset", "-1")], "", 400, "INVALID_FORK",      "Stream-Forked-From"),
    ("a session forked from bytes","PUT",    "/v1/stream/sessions/new",                   &[("stream-forked-from", "/v1/stream/bytes")], "", 400, "INVALID_FORK", "from a session"),
    ("a fork of nothing",          "PUT",    "/v1/stream/new",                            &[("stream-forked-from", "/v1/stream/nothing")], "", 404, "STREAM_NOT_FOUND", "source"),
    ("a closed session",           "POST",   CLOSED,                                      &[JSON], r#"{"id":"1","type":"x","timestamp":1,"data":{}}"#, 409, "SESSION_CLOSED", "closed"),
    ("closed before malformed",    "POST",   CLOSED,                                      &[JSON], "{",                409, "SESSION_CLOSED",        "closed"),
    ("another configuration",      "PUT",    BYTES,                                       &[TEXT], "",                 409, "STREAM_EXISTS",         "content type"),
    ("a method there is not",      "PATCH",  SESSION,                                     &[],     "",                 405, "METHOD_NOT_ALLOWED",    "method"),
    ("a route there is not",       "GET",    "/v1/streams",                               &[],     "",                 404, "NOT_FOUND",             "route"),
    ("an API route there is not",  "GET",    "/api/nothing",                              &[],     "",                 404, "NOT_FOUND",             "route"),
    ("a list page of nothing",     "GET",    "/api/sessions?limit=0",                     &[],     "",                 400, "INVALID_PARAMETER",     "limit"),
    ("a cursor of another list",   "GET",    "/api/sessions?after=a%20b",                 &[],     "",                 400, "INVALID_CURSOR",        "cursor"),
    ("letters that are posted",    "POST",   "/api/dead-letters",                         &[JSON], "{}",               405, "METHOD_NOT_ALLOWED",    "method"),
    ("a letter that is put",       "PUT",    "/api/dead-letters/1",                       &[JSON], "{}",               405, "METHOD_NOT_ALLOWED",    "method"),
    ("a redrive that is read",     "GET",    "/api/dead-letters/redrive/",                &[],     "",                 404, "NOT_FOUND",             "route"),
    ("a letter that is no text",   "GET",    "/api/dead-letters/%FF",                     &[],     "",                 404, "DEAD_LETTER_NOT_FOUND", "dead letter"),
    ("a key that is no text",      "DELETE", "/api/auth/keys/%FF",                        &[],     "",                 404, "KEY_NOT_FOUND",         "key"),
    ("a backup that is posted",    "POST",   "/api/backup",                               &[JSON], "{}",               405, "METHOD_NOT_ALLOWED",    "method"),
    ("a list that is put",         "PUT",    "/api/sessions",                             &[JSON], "{}",               405, "METHOD_NOT_ALLOWED",    "method"),
];

#[tokio::test]
async fn every_bad_request_has_its_status_code_and_message() {
    let server = TestServer::start().await;
    server.put(SESSION).await;
    server.put(BYTES).await;
    server.put(CLOSED).await;
    server.send(request_with("POST", CLOSED, &[("stream-closed", "true")], "")).await;
    for &(what, method, target, headers, body, status, code, message) in TABLE {
        let answer = server.send(request_with(method, target, headers, body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{what}: {}",
            answer.text()
        );
        let said = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(message), "{what}: {said:?} should say {message:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert!(answer.header("x-request-id").is_some(), "{what}");
        if target.starts_with("/api") {
            assert_eq!(answer.json()["ok"], false, "{what}");
        }
    }
    // None of it left a trace.
    assert_eq!(server.get(SESSION).await.text(), "[]");
    assert_eq!(server.get("/v1/stream/new").await.code(), "STREAM_NOT_FOUND");
}

#[tokio::test]
async fn an_invalid_event_says_where_and_refuses_its_whole_request() {
    let server = TestServer::start().await;
    server.put(SESSION).await;
    let bad = r#"{"id":"2","type":"chunk","timestamp":1,"data":{"text":5}}"#;
    let answer = server.post(SESSION, format!("[{},{bad}]", chunk("1", "fine"))).await;
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "INVALID_EVENT");
    let details = &error["details"];
    assert_eq!(details["eventType"], "chunk");
    assert_eq!(details["path"], "$.data.text");
    assert_eq!(details["index"], 1);
    assert_eq!(details["came"], "5");
    assert!(details["expected"].as_str().unwrap().contains("string"));
    assert_eq!(server.get(SESSION).await.text(), "[]");
}

#[tokio::test]
async fn limits_are_answered_not_suffered() {
    let server = TestServer::start_with(|config| {
        config.limits.body_bytes_max = 1000;
        config.limits.append_messages_max = 3;
        config.limits.url_bytes_max = 200;
        config.limits.sse_subscribers_max = 1;
    })
    .await;
    server.put("/v1/stream/json").await;
    let json = "/v1/stream/j";
    server.send(request_with("PUT", json, &[JSON], "")).await;

    let answer = server.post(json, format!("\"{}\"", "x".repeat(1000))).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.json()["error"]["details"]["limit"], 1000);
    let answer = server.post(json, "[1,2,3,4]").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
    let answer = server.get(&format!("/v1/stream/{}", "x".repeat(200))).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (414, "URI_TOO_LONG"));

    let one = server.subscribe("/v1/stream/j?offset=-1&live=sse").await;
    let answer = server.get("/v1/stream/j?offset=-1&live=sse").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "TOO_MANY_CONNECTIONS"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.json()["error"]["details"]["fallback"], "long-poll");
    drop(one);
    // The place is free as soon as the server has noticed.
    common::within(async {
        while server.open(request("GET", "/v1/stream/j?offset=-1&live=sse")).await.status() != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    let server = TestServer::start_with(|config| config.limits.body_bytes_max = 1000).await;
    server.put(BYTES).await;
    for (chunks, status) in [(9, 204), (11, 413)] {
        let body = StreamBody::new(futures::stream::iter(
            std::iter::repeat_n(Bytes::from(vec![b'x'; 100]), chunks)
                .map(|chunk| Ok::<_, std::convert::Infallible>(Frame::data(chunk))),
        ));
        let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(BYTES)
            .header("host", "localhost")
            .header("content-type", "application/octet-stream")
            .body(body)
            .unwrap();
        let answer = common::within(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{chunks} chunks");
    }
}

#[tokio::test]
async fn nothing_is_told_without_the_token() {
    let server =
        TestServer::start_with(|config| config.auth = AuthConfig::Token(Secret::new("s3cret"))).await;
    let authorized = [("authorization", "Bearer s3cret")];
    assert_eq!(server.send(request_with("PUT", SESSION, &authorized, "")).await.status, 201);
    for (what, headers) in [
        ("no token", vec![]),
        ("another token", vec![("authorization", "Bearer s3crets")]),
        ("another scheme", vec![("authorization", "Basic s3cret")]),
        ("an empty one", vec![("authorization", "Bearer ")]),
        ("two of them", vec![("authorization", "Bearer s3cret"), ("authorization", "Bearer x")]),
    ] {
        for (method, target) in [
            ("GET", SESSION),
            ("GET", "/v1/stream/sessions/unknown"),
            ("GET", "/v1/stream/sessions/not.an.id"),
            ("GET", "/v1/stream/sessions/known?offset=-1&live=sse"),
            ("POST", SESSION),
            ("PUT", "/v1/stream/new"),
            ("DELETE", SESSION),
            ("GET", "/api/sessions"),
            ("GET", "/api/whatever"),
            ("GET", "/v1/whatever"),
        ] {
            let answer = server.send(request_with(method, target, &headers, "")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (401, "UNAUTHORIZED"),
                "{what}: {method} {target}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(
        server.send(request_with("GET", SESSION, &[("authorization", "bearer s3cret")], "")).await.status,
        200
    );
    for public in ["/healthz", "/readyz"] {
        assert_eq!(server.get(public).await.status, 200, "{public}");
    }
}
