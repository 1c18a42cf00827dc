//! Every route by every role and ownership: who may do what, and that nothing happens when they may not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::tokens::{SECRET, hs256};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_server::{AuthConfig, JwtConfig, JwtKey, Secret};
use serde_json::{Value, json};

const ADMIN: &str = "s3cret";
const PRESENCE: &str = r#"{"id":"p","type":"presence:joined","timestamp":1,"data":{"userId":"me"}}"#;
const APPROVAL: &str =
    r#"{"id":"a","type":"approval:approved","timestamp":1,"data":{"actor":"me","payload":{}}}"#;

async fn server() -> TestServer {
    TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new(ADMIN));
        config.identity.jwt =
            Some(JwtConfig { keys: vec![JwtKey::secret(SECRET).unwrap()], ..JwtConfig::default() });
    })
    .await
}

async fn send_with(
    server: &TestServer,
    method: &str,
    path: &str,
    token: &str,
    more: &[(&str, &str)],
    body: &str,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    headers.extend_from_slice(more);
    server.send(request_with(method, path, &headers, body)).await
}

async fn send(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> Answer {
    send_with(server, method, path, token, &[], body).await
}

/// Who calls, in relation to the session `mine` of project `p`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Nobody,
    /// Of the project, with all scopes and nothing given to it.
    Stranger,
    Viewer,
    Participant,
    Operator,
    Owner,
    /// The administrator of the project.
    Boss,
    /// The administrator of another project.
    OtherBoss,
    /// An owner by its claims, in another project.
    OtherOwner,
    /// The bearer of the static token.
    Admin,
}

const EVERYBODY: [Who; 10] = [
    Who::Nobody,
    Who::Stranger,
    Who::Viewer,
    Who::Participant,
    Who::Operator,
    Who::Owner,
    Who::Boss,
    Who::OtherBoss,
    Who::OtherOwner,
    Who::Admin,
];

impl Who {
    fn token(self) -> String {
        const ALL: &str = "stream:read stream:write presence";
        let with_role = |role: &str| {
            hs256("me", ALL, json!({ "project": "p", "roles": { "mine": role, "agents/*": role } }))
        };
        match self {
            Self::Nobody => String::new(),
            Self::Stranger => hs256("me", ALL, json!({ "project": "p" })),
            Self::Viewer => with_role("viewer"),
            Self::Participant => with_role("participant"),
            Self::Operator => with_role("operator"),
            Self::Owner => with_role("owner"),
            Self::Boss => hs256("me", "admin", json!({ "project": "p" })),
            Self::OtherBoss => hs256("me", "admin", json!({ "project": "q" })),
            Self::OtherOwner => hs256("me", ALL, json!({ "project": "q", "roles": { "mine": "owner" } })),
            Self::Admin => ADMIN.to_owned(),
        }
    }
}

/// `n` in a row of expectations is for `EVERYBODY[n]`.
type Expected = [u16; 10];

/// A request, and what each caller gets for it when the session exists and when it does not.
struct Row {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    there: Expected,
    missing: Expected,
}

const fn row(
    what: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    there: Expected,
    missing: Expected,
) -> Row {
    Row { what, method, path, headers, body, there, missing }
}

const CHUNK: &str = r#"{"id":"1","type":"chunk","timestamp":1,"data":{"text":"x"}}"#;
const AGENT: &str = r#"{"id":"1","type":"agent:started","timestamp":1,"data":{"agentId":"a","runId":"r"}}"#;
const SPOOFED: &str = r#"{"id":"1","type":"presence:joined","timestamp":1,"data":{"userId":"you"}}"#;
const ANSWER_AS: &str =
    r#"{"id":"a","type":"approval:approved","timestamp":1,"data":{"actor":"you","payload":{}}}"#;
const EXPORT: &str = r#"{"format":"json"}"#;
const NEW: &str = r#"{"id":"new","projectId":"p"}"#;
const AGAIN: &str = r#"{"id":"mine","projectId":"p"}"#;
const PAUSED: &str = r#"{"status":"paused"}"#;
const TITLE: &str = r#"{"title":"a title"}"#;
const VIEWER: &str = r#"{"role":"viewer"}"#;
const OWNER: &str = r#"{"role":"owner"}"#;
const JOIN: &str = r#"{"action":"join","userId":"me","connectionId":"c"}"#;
const JOIN_AS: &str = r#"{"action":"join","userId":"you","connectionId":"c"}"#;
const MINE: &str = "/v1/stream/sessions/mine";
const CLOSE: &[(&str, &str)] = &[("stream-closed", "true")];
const FORK: &[(&str, &str)] = &[("stream-forked-from", "/v1/stream/sessions/mine")];
const TOKEN: &str = r#"{"sessionId":"mine"}"#;

#[rustfmt::skip]
const TABLE: &[Row] = &[
    //                                                               Nobody Strang Viewer Partic Operat Owner  Boss   OBoss  OOwner Admin
    row("read",        "GET",    MINE,                          &[],  "",       [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("head",        "HEAD",   MINE,                          &[],  "",       [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("long-poll",   "GET",    "/v1/stream/sessions/mine?offset=-1&live=long-poll", &[], "",
                                                                                [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("chunk",       "POST",   MINE,                          &[],  CHUNK,    [401, 403, 403, 204, 204, 204, 204, 404, 404, 204],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("agent event", "POST",   MINE,                          &[],  AGENT,    [401, 403, 403, 403, 204, 204, 204, 404, 404, 204],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("presence",    "POST",   MINE,                          &[],  PRESENCE, [401, 403, 204, 204, 204, 204, 204, 404, 404, 204],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("spoofed",     "POST",   MINE,                          &[],  SPOOFED,  [401, 403, 403, 403, 403, 403, 403, 404, 404, 204],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("approval",    "POST",   MINE,                          &[],  APPROVAL, [401, 403, 403, 403, 204, 204, 204, 404, 404, 204],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("not JSON",    "POST",   MINE,                          &[],  "{",      [401, 403, 400, 400, 400, 400, 400, 404, 404, 400],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("fork",        "PUT",    "/v1/stream/sessions/forked",  FORK, "",       [401, 403, 201, 201, 201, 201, 201, 404, 404, 201],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("stream token","POST",   "/api/auth/stream-token",      &[],  TOKEN,    [401, 403, 201, 201, 201, 201, 201, 404, 404, 201],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("close",       "POST",   MINE,                          CLOSE, "",      [401, 403, 403, 403, 204, 204, 204, 404, 404, 204],
                                                                                [401, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    row("delete",      "DELETE", MINE,                          &[],  "",       [401, 403, 403, 403, 403, 204, 204, 404, 404, 204],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 404]),
    row("patch",       "PATCH",  MINE,                          &[],  "",       [401, 405, 405, 405, 405, 405, 405, 405, 405, 405],
                                                                                [401, 405, 405, 405, 405, 405, 405, 405, 405, 405]),
    row("agent read",  "GET",    "/v1/stream/agents/mine",      &[],  "",       [401, 403, 200, 200, 200, 200, 200, 404, 403, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 403, 404]),
    row("plain read",  "GET",    "/v1/stream/logs/mine",        &[],  "",       [401, 403, 403, 403, 403, 403, 200, 404, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 404, 404, 403, 404]),
    row("plain write", "POST",   "/v1/stream/logs/mine",        &[],  CHUNK,    [401, 403, 403, 403, 403, 403, 204, 404, 403, 204],
                                                                                [401, 403, 403, 403, 403, 403, 404, 404, 403, 404]),
    row("keys",        "GET",    "/api/auth/keys",              &[],  "",       [401, 403, 403, 403, 403, 403, 200, 200, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 200, 200, 403, 200]),
    row("list",        "GET",    "/api/sessions",               &[],  "",       [401, 200, 200, 200, 200, 200, 200, 200, 200, 200],
                                                                                [401, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    row("api get",     "GET",    "/api/sessions/mine",          &[],  "",         [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api events",  "GET",    "/api/sessions/mine/events",   &[],  "",         [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api summary", "GET",    "/api/sessions/mine/summary",  &[],  "",         [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api export",  "POST",   "/api/sessions/mine/export", &[],  EXPORT,   [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api presence", "GET",    "/api/sessions/mine/presence", &[],  "",         [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api EventSource", "HEAD",   "/api/sessions/mine/stream",   &[],  "",         [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api bad query", "GET",    "/api/sessions/mine/events?limit=x", &[],  "",         [401, 403, 400, 400, 400, 400, 400, 404, 404, 400],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 400]),
    row("api create",  "POST",   "/api/sessions",               &[],  NEW,        [401, 201, 201, 201, 201, 201, 201, 403, 403, 201],
                                                                                [401, 201, 201, 201, 201, 201, 201, 403, 403, 201]),
    row("api confirm", "POST",   "/api/sessions",               &[],  AGAIN,      [401, 403, 200, 200, 200, 200, 200, 403, 403, 200],
                                                                                [401, 201, 201, 201, 201, 201, 201, 403, 403, 201]),
    row("api status",  "PATCH",  "/api/sessions/mine",          &[],  PAUSED,     [401, 403, 403, 403, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    row("api title",   "PATCH",  "/api/sessions/mine",          &[],  TITLE,      [401, 403, 403, 403, 403, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    row("api close",   "POST",   "/api/sessions/mine/close",    &[],  "",         [401, 403, 403, 403, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    row("api delete",  "DELETE", "/api/sessions/mine",          &[],  "",         [401, 403, 403, 403, 403, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 404]),
    row("members",     "GET",    "/api/sessions/mine/members",  &[],  "",         [401, 403, 403, 403, 403, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 404]),
    row("set member",  "PUT",    "/api/sessions/mine/members/you", &[], VIEWER, [401, 403, 403, 403, 403, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 404]),
    row("own role",    "PUT",    "/api/sessions/mine/members/me", &[], OWNER,   [401, 403, 403, 403, 403, 200, 200, 404, 404, 200],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 404]),
    row("bad member",  "PUT",    "/api/sessions/mine/members/%00", &[], "{",    [401, 403, 403, 403, 403, 400, 400, 404, 404, 400],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 400]),
    row("drop member", "DELETE", "/api/sessions/mine/members/you", &[], "",     [401, 403, 403, 403, 403, 404, 404, 404, 404, 404],
                                                                                [401, 403, 403, 403, 403, 404, 404, 404, 404, 404]),
    row("api join",    "POST",   "/api/sessions/mine/presence", &[],  JOIN,       [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api join as", "POST",   "/api/sessions/mine/presence", &[],  JOIN_AS,    [401, 403, 403, 403, 403, 403, 403, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api chunk",   "POST",   "/api/streams?sessionId=mine", &[],  CHUNK,      [401, 403, 403, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api agent",   "POST",   "/api/streams?sessionId=mine", &[],  AGENT,      [401, 403, 403, 403, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api presence", "POST",   "/api/streams?sessionId=mine", &[],  PRESENCE,   [401, 403, 200, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api spoofed", "POST",   "/api/streams?sessionId=mine", &[],  SPOOFED,    [401, 403, 403, 403, 403, 403, 403, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api approval", "POST",   "/api/streams?sessionId=mine", &[],  APPROVAL,   [401, 403, 403, 403, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api as",      "POST",   "/api/streams?sessionId=mine", &[],  ANSWER_AS,  [401, 403, 403, 403, 403, 403, 403, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api not JSON", "POST",   "/api/streams?sessionId=mine", &[],  "{",        [401, 403, 400, 400, 400, 400, 400, 404, 404, 400],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("queued",      "POST",   "/v1/stream/sessions/mine?durability=queued", &[],  SPOOFED,    [401, 403, 403, 403, 403, 403, 403, 404, 404, 202],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    // The session has an event with this id: nothing is queued.
    row("api queued",  "POST",   "/api/streams?sessionId=mine&durability=queued", &[],  CHUNK,      [401, 403, 403, 200, 200, 200, 200, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("api queued as", "POST", "/api/streams?sessionId=mine&durability=queued", &[],  SPOOFED,    [401, 403, 403, 403, 403, 403, 403, 404, 404, 200],
                                                                                [401, 403, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("metrics",     "GET",    "/metrics",                    &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 200]),
    row("letters",     "GET",    "/api/dead-letters",           &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 200]),
    row("a letter",    "GET",    "/api/dead-letters/x",         &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 404],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 404]),
    row("redrive",     "POST",   "/api/dead-letters/redrive",   &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 200]),
    row("purge",       "DELETE", "/api/dead-letters",           &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 200]),
    row("all streams", "GET",    "/api/admin/streams",          &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 200],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 200]),
    row("backup",      "GET",    "/api/backup",                 &[],  "",         [401, 403, 403, 403, 403, 403, 403, 403, 403, 503],
                                                                                [401, 403, 403, 403, 403, 403, 403, 403, 403, 503]),
    row("no route",    "GET",    "/api/nothing",                &[],  "",       [401, 404, 404, 404, 404, 404, 404, 404, 404, 404],
                                                                                [401, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    row("a subscription","GET",  "/v1/stream/__ds/subscriptions/s", &[], "",    [401, 404, 404, 404, 404, 404, 200, 404, 404, 200],
                                                                                [401, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
];

/// A server with the session, an agent's stream, a plain stream and a subscription, all of the owner's project.
async fn furnished() -> TestServer {
    let server = server().await;
    let boss = hs256("founder", "admin", json!({ "project": "p" }));
    for path in [MINE, "/v1/stream/agents/mine", "/v1/stream/logs/mine"] {
        assert_eq!(send(&server, "PUT", path, &boss, "").await.status, 201, "{path}");
        // Something to read, or a long-poll would wait.
        assert_eq!(send(&server, "POST", path, &boss, CHUNK).await.status, 204, "{path}");
    }
    let subscription =
        json!({ "type": "pull-wake", "streams": ["sessions/mine"], "wake_stream": "logs/wake" });
    let made =
        send(&server, "PUT", "/v1/stream/__ds/subscriptions/s", &boss, &subscription.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    server
}

#[tokio::test]
async fn every_route_by_every_role() {
    let mut servers = [server().await, furnished().await];
    let mut wrong = Vec::new();
    for row in TABLE {
        for (index, who) in EVERYBODY.into_iter().enumerate() {
            for (expected, there) in [(row.missing[index], false), (row.there[index], true)] {
                let server = &servers[usize::from(there)];
                let answer =
                    send_with(server, row.method, row.path, &who.token(), row.headers, row.body).await;
                let what = format!("{} by {who:?}, there: {there}", row.what);
                let status = answer.status.as_u16();
                if status != expected {
                    wrong.push(format!("{what}: {status} and not {expected}: {}", answer.text()));
                }
                // Whatever was refused changed nothing; what succeeded may have.
                if answer.status.is_success() && !matches!(row.method, "GET" | "HEAD") {
                    servers[usize::from(there)] =
                        if there { furnished().await } else { self::server().await };
                } else {
                    assert_eq!(trace(server).await, trace_of(there), "{what} left a trace");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What there is on a server on which nothing happened.
fn trace_of(there: bool) -> Vec<(u16, String)> {
    let held = if there { (200, format!("[{CHUNK}]")) } else { (404, String::new()) };
    vec![held.clone(), held.clone(), held, (404, String::new())]
}

/// All that could have changed: what is held, and whether it is closed, which would be refused as a trace.
async fn trace(server: &TestServer) -> Vec<(u16, String)> {
    let mut trace = Vec::new();
    for path in [MINE, "/v1/stream/agents/mine", "/v1/stream/logs/mine", "/v1/stream/sessions/forked"] {
        let answer = send(server, "GET", path, ADMIN, "").await;
        assert_eq!(answer.header("stream-closed"), None, "{path}");
        let held = if answer.status == 200 { answer.text().to_owned() } else { String::new() };
        trace.push((answer.status.as_u16(), held));
    }
    trace
}

/// Roles that the session itself gives, rather than a token.
#[tokio::test]
async fn who_made_it_owns_it() {
    let server = server().await;
    let ada = hs256("ada", "stream:read stream:write", json!({}));
    let bob = hs256("bob", "stream:read stream:write", json!({}));
    assert_eq!(send(&server, "PUT", MINE, &ada, "").await.status, 201);
    assert_eq!(send(&server, "POST", MINE, &ada, &chunk("1", "x")).await.status, 204);
    for (method, body) in [("GET", ""), ("POST", CHUNK), ("PUT", ""), ("DELETE", "")] {
        assert_eq!(send(&server, method, MINE, &bob, body).await.status, 403, "{method}");
    }
    // What the administrator makes is nobody's.
    let theirs = "/v1/stream/sessions/theirs";
    assert_eq!(send(&server, "PUT", theirs, ADMIN, "").await.status, 201);
    assert_eq!(send(&server, "GET", theirs, &ada, "").await.status, 403);
    let listed = async |token: &str| -> Vec<String> {
        let listed = send(&server, "GET", "/api/sessions", token, "").await.json();
        let rows = listed["data"]["sessions"].as_array().unwrap().iter();
        let mut ids: Vec<_> = rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(listed(&ada).await, ["mine"]);
    assert!(listed(&bob).await.is_empty());
    assert_eq!(listed(ADMIN).await, ["mine", "theirs"]);
    assert_eq!(send(&server, "DELETE", MINE, &ada, "").await.status, 204);
}

/// The same for sessions of the session API: the caller's, in the caller's project.
#[tokio::test]
async fn who_makes_it_by_the_session_api_owns_it() {
    let server = server().await;
    let scopes = "stream:read stream:write";
    let [ada, bob] = ["ada", "bob"].map(|subject| hs256(subject, scopes, json!({ "project": "p" })));
    let eve = hs256("ada", scopes, json!({ "project": "q" }));
    let new = |project: &str| json!({ "id": "mine", "projectId": project }).to_string();
    assert_eq!(send(&server, "POST", "/api/sessions", &ada, &new("q")).await.status, 403);
    assert_eq!(send(&server, "POST", "/api/sessions", &ada, &new("p")).await.status, 201);
    assert_eq!(send(&server, "POST", "/api/sessions", &ada, &new("p")).await.status, 200);
    assert_eq!(send(&server, "POST", "/api/sessions", &bob, &new("p")).await.status, 403);
    assert_eq!(send(&server, "POST", "/api/sessions", &eve, &new("q")).await.status, 403);
    for path in [MINE, "/api/sessions/mine", "/api/sessions/mine/events"] {
        assert_eq!(send(&server, "GET", path, &ada, "").await.status, 200, "{path}");
        assert_eq!(send(&server, "GET", path, &bob, "").await.status, 403, "{path}");
        // The same subject of another project is somebody else.
        assert_eq!(send(&server, "GET", path, &eve, "").await.status, 403, "{path}");
    }
    // A fork is its maker's, in the project of its source.
    let reader = hs256("bob", scopes, json!({ "project": "p", "roles": { "mine": "viewer" } }));
    let fork = [("stream-forked-from", MINE)];
    let forked = send_with(&server, "PUT", "/v1/stream/sessions/forked", &reader, &fork, "").await;
    assert_eq!(forked.status, 201, "{}", forked.text());
    assert_eq!(send(&server, "GET", "/api/sessions/forked", &ada, "").await.status, 403);
    let shown = send(&server, "GET", "/api/sessions/forked", &bob, "").await;
    assert_eq!((shown.status.as_u16(), &shown.json()["data"]["projectId"]), (200, &json!("p")));
    assert_eq!(send(&server, "DELETE", "/api/sessions/forked", &bob, "").await.status, 200);
    // Nobody can be called as the administrator, and so own what that one made.
    let made = send(&server, "PUT", "/v1/stream/sessions/theirs", ADMIN, "").await;
    assert_eq!(made.status, 201);
    let namesake = hs256("admin", scopes, json!({}));
    assert_eq!(send(&server, "GET", "/api/sessions/theirs", &namesake, "").await.status, 401);
}

/// A list goes on past what the caller may not see.
#[tokio::test]
async fn a_page_is_full_of_what_may_be_seen() {
    let server = server().await;
    let of = |project: &str| hs256("boss", "admin", json!({ "project": project }));
    for n in 0..10 {
        let project = if n % 3 == 0 { "p" } else { "q" };
        let path = format!("/v1/stream/sessions/run-{n}");
        assert_eq!(send(&server, "PUT", &path, &of(project), "").await.status, 201);
    }
    let mut seen = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let page = send(&server, "GET", &format!("/api/sessions?{query}"), &of("p"), "").await.json();
        let rows = page["data"]["sessions"].as_array().unwrap();
        assert!(rows.len() <= 2);
        seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        match page["data"]["nextCursor"].as_str() {
            Some(next) => query = format!("limit=2&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["run-0", "run-3", "run-6", "run-9"]);
}

/// A subscription with a pattern follows what its creator may read, and nothing that another project has or makes.
#[tokio::test]
async fn a_pattern_sees_one_project() {
    let server = server().await;
    let of = |project: &str| hs256("boss", "admin", json!({ "project": project }));
    let (p, q) = (of("p"), of("q"));
    send(&server, "PUT", "/v1/stream/sessions/p-old", &p, "").await;
    send(&server, "PUT", "/v1/stream/sessions/q-old", &q, "").await;
    let asked = json!({ "type": "pull-wake", "pattern": "sessions/*", "wake_stream": "wake/p" }).to_string();
    let subscription = "/v1/stream/__ds/subscriptions/all";
    assert_eq!(send(&server, "PUT", subscription, &p, &asked).await.status, 201);
    // Another project learns that the name is taken, and nothing else.
    assert_eq!(send(&server, "PUT", subscription, &q, &asked).await.status, 409);
    assert_eq!(send(&server, "GET", subscription, &q, "").await.status, 404);
    assert_eq!(send(&server, "DELETE", subscription, &q, "").await.status, 404);
    let claim = json!({ "worker": "w" }).to_string();
    assert_eq!(send(&server, "POST", &format!("{subscription}/claim"), &q, &claim).await.status, 404);
    for (path, token) in [("q-new", &q), ("p-new", &p)] {
        let path = format!("/v1/stream/sessions/{path}");
        send(&server, "PUT", &path, token, "").await;
        send(&server, "POST", &path, token, &chunk("1", "x")).await;
    }
    send(&server, "POST", "/v1/stream/sessions/q-old", &q, &chunk("1", "x")).await;
    let linked = async || -> Vec<String> {
        let seen = send(&server, "GET", subscription, &p, "").await.json();
        let links = seen["streams"].as_array().unwrap().iter();
        links.map(|link| link["path"].as_str().unwrap().to_owned()).collect()
    };
    common::within(async {
        while linked().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The append to p-new came after those of the other project, in the same inbox.
    assert_eq!(linked().await, ["sessions/p-new", "sessions/p-old"]);
    // By name neither.
    let by_name = |stream: &str| {
        json!({ "type": "pull-wake", "streams": [stream], "wake_stream": "wake/p" }).to_string()
    };
    let other = "/v1/stream/__ds/subscriptions/other";
    assert_eq!(send(&server, "PUT", other, &p, &by_name("sessions/q-old")).await.status, 404);
    let streams = json!({ "streams": ["sessions/q-old"] }).to_string();
    assert_eq!(send(&server, "POST", &format!("{subscription}/streams"), &p, &streams).await.status, 404);
    // Nor may wakes be written where the caller may not write.
    let wake: Value = json!({ "type": "pull-wake", "pattern": "sessions/*", "wake_stream": "wake/q" });
    send(&server, "PUT", "/v1/stream/wake/q", &q, "").await;
    assert_eq!(send(&server, "PUT", other, &p, &wake.to_string()).await.status, 404);
}

/// A fork needs the right to read its source, whatever the right to the new one.
#[tokio::test]
async fn a_fork_does_not_lead_into_another_project() {
    let server = server().await;
    let of = |project: &str| hs256("boss", "admin", json!({ "project": project }));
    send(&server, "PUT", "/v1/stream/sessions/theirs", &of("q"), "").await;
    send(&server, "POST", "/v1/stream/sessions/theirs", &of("q"), &chunk("1", "secret")).await;
    for source in ["/v1/stream/sessions/theirs", "sessions/theirs", "/v1/stream/sessions/%74heirs"] {
        let fork = [("stream-forked-from", source)];
        let answer = send_with(&server, "PUT", "/v1/stream/sessions/stolen", &of("p"), &fork, "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "SESSION_NOT_FOUND"), "{source}");
    }
    assert_eq!(send(&server, "GET", "/v1/stream/sessions/stolen", ADMIN, "").await.status, 404);
    let fork = [("stream-forked-from", "/v1/stream/sessions/theirs")];
    let own = send_with(&server, "PUT", "/v1/stream/sessions/again", &of("q"), &fork, "").await;
    assert_eq!(own.status, 201);
    // What is taken by another project cannot be created, nor confirmed.
    assert_eq!(send(&server, "PUT", "/v1/stream/sessions/theirs", &of("p"), "").await.status, 403);
}
