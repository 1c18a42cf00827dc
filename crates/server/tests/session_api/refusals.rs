//! Bad requests of the session API: each with its status, its code and a message, in the envelope of the API.

use durable_sessions_server::{AuthConfig, Secret};
use serde_json::json;

use crate::common::{TestServer, chunk, request, request_with};
use crate::support::{JSON, new_session};

const TEXT: (&str, &str) = ("content-type", "text/plain");

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("list: limit 0",            "GET",    "/api/sessions?limit=0",                  &[],     "", 400, "INVALID_PARAMETER"),
    ("list: two limits",         "GET",    "/api/sessions?limit=1&limit=2",          &[],     "", 400, "INVALID_PARAMETER"),
    ("list: bad status",         "GET",    "/api/sessions?status=open",              &[],     "", 400, "INVALID_PARAMETER"),
    ("list: bad time",           "GET",    "/api/sessions?from=yesterday",           &[],     "", 400, "INVALID_PARAMETER"),
    ("list: bad cursor",         "GET",    "/api/sessions?cursor=x",                 &[],     "", 400, "INVALID_CURSOR"),
    ("list: bad encoding",       "GET",    "/api/sessions?search=%ff",               &[],     "", 400, "INVALID_PARAMETER"),
    ("list: another method",     "PUT",    "/api/sessions",                          &[],     "", 405, "METHOD_NOT_ALLOWED"),
    ("create: no JSON type",     "POST",   "/api/sessions",                          &[TEXT], "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("create: no type at all",   "POST",   "/api/sessions",                          &[],     "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("create: no JSON",          "POST",   "/api/sessions",                          &[JSON], "{", 400, "INVALID_JSON"),
    ("create: no project",       "POST",   "/api/sessions",                          &[JSON], "{}", 400, "INVALID_REQUEST"),
    ("create: empty project",    "POST",   "/api/sessions",                          &[JSON], r#"{"projectId":""}"#, 400, "INVALID_REQUEST"),
    ("create: bad id",           "POST",   "/api/sessions",                          &[JSON], r#"{"projectId":"p","id":"a b"}"#, 400, "INVALID_SESSION_ID"),
    ("get: unknown",             "GET",    "/api/sessions/unknown",                  &[],     "", 404, "SESSION_NOT_FOUND"),
    ("get: bad id",              "GET",    "/api/sessions/a.b",                      &[],     "", 400, "INVALID_SESSION_ID"),
    ("get: encoded slash",       "GET",    "/api/sessions/a%2Fb",                    &[],     "", 400, "INVALID_SESSION_ID"),
    ("get: not UTF-8",           "GET",    "/api/sessions/%ff",                      &[],     "", 400, "INVALID_SESSION_ID"),
    ("change: unknown",          "PATCH",  "/api/sessions/unknown",                  &[JSON], "{}", 404, "SESSION_NOT_FOUND"),
    ("change: unknown field",    "PATCH",  "/api/sessions/known",                    &[JSON], r#"{"owner":"me"}"#, 400, "INVALID_REQUEST"),
    ("change: bad status",       "PATCH",  "/api/sessions/known",                    &[JSON], r#"{"status":"open"}"#, 400, "INVALID_REQUEST"),
    ("change: no step",          "PATCH",  "/api/sessions/known",                    &[JSON], r#"{"status":"closed"}"#, 409, "INVALID_TRANSITION"),
    ("close: unknown",           "POST",   "/api/sessions/unknown/close",            &[],     "", 404, "SESSION_NOT_FOUND"),
    ("close: another method",    "GET",    "/api/sessions/known/close",              &[],     "", 405, "METHOD_NOT_ALLOWED"),
    ("delete: unknown",          "DELETE", "/api/sessions/unknown",                  &[],     "", 404, "SESSION_NOT_FOUND"),
    ("events: unknown",          "GET",    "/api/sessions/unknown/events",           &[],     "", 404, "SESSION_NOT_FOUND"),
    ("events: bad cursor",       "GET",    "/api/sessions/known/events?after=x",     &[],     "", 400, "INVALID_CURSOR"),
    ("events: beyond the end",   "GET",    "/api/sessions/known/events?after=99",    &[],     "", 400, "INVALID_CURSOR"),
    ("events: backwards range",  "GET",    "/api/sessions/known/events?from=1&to=0", &[],     "", 400, "INVALID_CURSOR"),
    ("events: half a range",     "GET",    "/api/sessions/known/events?from=0",      &[],     "", 400, "INVALID_PARAMETER"),
    ("events: both directions",  "GET",    "/api/sessions/known/events?after=0&before=1", &[], "", 400, "INVALID_PARAMETER"),
    ("events: large limit",      "GET",    "/api/sessions/known/events?limit=1001",  &[],     "", 400, "INVALID_PARAMETER"),
    ("summary: unknown",         "GET",    "/api/sessions/unknown/summary",          &[],     "", 404, "SESSION_NOT_FOUND"),
    ("export: unknown",          "POST",   "/api/sessions/unknown/export",           &[JSON], r#"{"format":"json"}"#, 404, "SESSION_NOT_FOUND"),
    ("export: bad format",       "POST",   "/api/sessions/known/export",             &[JSON], r#"{"format":"pdf"}"#, 400, "INVALID_REQUEST"),
    ("stream: unknown",          "GET",    "/api/sessions/unknown/stream",           &[],     "", 404, "SESSION_NOT_FOUND"),
    ("stream: bad offset",       "GET",    "/api/sessions/known/stream?offset=x",    &[],     "", 400, "INVALID_CURSOR"),
    ("stream: beyond the end",   "GET",    "/api/sessions/known/stream?offset=99",   &[],     "", 400, "INVALID_CURSOR"),
    ("stream: bad last id",      "GET",    "/api/sessions/known/stream",             &[("last-event-id", "x")], "", 400, "INVALID_CURSOR"),
    ("stream: bad flag",         "GET",    "/api/sessions/known/stream?ephemeral=7", &[],     "", 400, "INVALID_PARAMETER"),
    ("presence: unknown",        "GET",    "/api/sessions/unknown/presence",         &[],     "", 404, "SESSION_NOT_FOUND"),
    ("presence: join unknown",   "POST",   "/api/sessions/unknown/presence",         &[JSON], r#"{"action":"join","userId":"u","connectionId":"c"}"#, 404, "SESSION_NOT_FOUND"),
    ("presence: no user",        "POST",   "/api/sessions/known/presence",           &[JSON], r#"{"action":"join","connectionId":"c"}"#, 400, "INVALID_REQUEST"),
    ("presence: bad action",     "POST",   "/api/sessions/known/presence",           &[JSON], r#"{"action":"fly","userId":"u","connectionId":"c"}"#, 400, "INVALID_REQUEST"),
    ("presence: no connection",  "POST",   "/api/sessions/known/presence",           &[JSON], r#"{"action":"join","userId":"u","connectionId":""}"#, 400, "INVALID_REQUEST"),
    ("presence: huge cursor",    "POST",   "/api/sessions/known/presence",           &[JSON], r#"{"action":"join","userId":"u","connectionId":"c","cursor":{"x":1e308,"y":0}}"#, 400, "INVALID_REQUEST"),
    ("presence: in the closed",  "POST",   "/api/sessions/closed/presence",          &[JSON], r#"{"action":"join","userId":"u","connectionId":"c"}"#, 409, "SESSION_CLOSED"),
    ("publish: no session",      "POST",   "/api/streams",                           &[JSON], "{}", 400, "MISSING_SESSION_ID"),
    ("publish: empty session",   "POST",   "/api/streams?sessionId=",                &[JSON], "{}", 400, "MISSING_SESSION_ID"),
    ("publish: bad session",     "POST",   "/api/streams?sessionId=a.b",             &[JSON], "{}", 400, "INVALID_SESSION_ID"),
    ("publish: unknown",         "POST",   "/api/streams?sessionId=unknown",         &[JSON], "{}", 404, "SESSION_NOT_FOUND"),
    ("publish: no JSON type",    "POST",   "/api/streams?sessionId=known",           &[TEXT], "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("publish: no JSON",         "POST",   "/api/streams?sessionId=known",           &[JSON], "{", 400, "INVALID_JSON"),
    ("publish: nothing",         "POST",   "/api/streams?sessionId=known",           &[JSON], "[]", 400, "EMPTY_APPEND"),
    ("publish: no form",         "POST",   "/api/streams?sessionId=known",           &[JSON], "{}", 400, "INVALID_EVENT"),
    ("publish: bad channel",     "POST",   "/api/streams?sessionId=known",           &[JSON], r#"{"channel":"x","data":{}}"#, 400, "INVALID_CHANNEL"),
    ("publish: bad event",       "POST",   "/api/streams?sessionId=known",           &[JSON], r#"{"type":"chunk","data":{}}"#, 400, "INVALID_EVENT"),
    ("publish: bad id",          "POST",   "/api/streams?sessionId=known",           &[JSON], r#"{"type":"chunk","data":{"text":""},"id":""}"#, 400, "INVALID_EVENT"),
    ("publish: to the closed",   "POST",   "/api/streams?sessionId=closed",          &[JSON], r#"{"type":"chunk","data":{"text":""}}"#, 409, "SESSION_CLOSED"),
    ("an unknown route",         "GET",    "/api/nothing",                           &[],     "", 404, "NOT_FOUND"),
    ("the document: POST",       "POST",   "/api/openapi.json",                      &[],     "", 405, "METHOD_NOT_ALLOWED"),
];

#[tokio::test]
async fn every_bad_request_has_its_answer_and_changes_nothing() {
    let server = TestServer::start().await;
    new_session(&server, "known").await;
    new_session(&server, "closed").await;
    server.post("/v1/stream/sessions/known", chunk("1", "x")).await;
    server.send(request("POST", "/api/sessions/closed/close")).await;
    let before = server.get("/api/sessions").await.json();
    for (what, method, target, headers, body, status, code) in TABLE {
        let answer = server.send(request_with(method, target, headers, body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (*status, *code),
            "{what}: {}",
            answer.text()
        );
        let said = answer.json();
        assert_eq!(said["ok"], false, "{what}");
        assert!(said["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(answer.header("allow").is_some(), *status == 405, "{what}");
    }
    assert_eq!(server.get("/api/sessions").await.json(), before);
}

#[tokio::test]
async fn titles_and_bodies_are_bounded() {
    let server = TestServer::start_with(|config| config.limits.body_bytes_max = 3000).await;
    let create = async |title: String| {
        let body = json!({ "projectId": "p", "title": title }).to_string();
        let answer = server.send(request_with("POST", "/api/sessions", &[JSON], &body)).await;
        (answer.status.as_u16(), answer.code())
    };
    assert_eq!(create("é".repeat(500)).await.0, 201);
    assert_eq!(create("é".repeat(501)).await, (400, "INVALID_REQUEST".to_owned()));
    assert_eq!(create("x".repeat(4000)).await, (413, "PAYLOAD_TOO_LARGE".to_owned()));
}

#[tokio::test]
async fn a_stranger_learns_nothing_in_the_envelope_of_the_api() {
    let server =
        TestServer::start_with(|config| config.auth = AuthConfig::Token(Secret::new("s3cret"))).await;
    for (_, method, target, headers, body, ..) in TABLE {
        let answer = server.send(request_with(method, target, headers, body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (401, "UNAUTHORIZED"),
            "{method} {target}"
        );
        assert_eq!(answer.json()["ok"], false, "{method} {target}");
    }
}
