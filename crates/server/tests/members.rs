//! Roles that a session gives: set, changed and taken away by its owners, and what a later version wrote there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::tokens::{SECRET, hs256};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_protocol::ContentType;
use durable_sessions_server::{AuthConfig, JwtConfig, JwtKey, Secret, ServerConfig, StoreConfig};
use durable_sessions_storage::{CreateStream, EmbeddedStore, StoreOptions, StreamStore as _};
use serde_json::{Value, json};

const ADMIN: &str = "s3cret";
const RUN: &str = "/v1/stream/sessions/run-1";
const MEMBERS: &str = "/api/sessions/run-1/members";
const SCOPES: &str = "stream:read stream:write presence";

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

/// The status and the code of a failure.
async fn refused(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    let answer = send(server, method, path, token, body).await;
    (answer.status.as_u16(), answer.code())
}

fn role(role: &str) -> String {
    json!({ "role": role }).to_string()
}

async fn listed(server: &TestServer, token: &str) -> Value {
    let answer = send(server, "GET", MEMBERS, token, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

#[tokio::test]
async fn an_owner_says_who_is_what() {
    let server = server(|_| {}).await;
    let [ada, bob] = ["ada", "auth0|bob/1"].map(|subject| hs256(subject, SCOPES, json!({ "project": "p" })));
    assert_eq!(send(&server, "PUT", RUN, &ada, "").await.status, 201);
    assert_eq!(listed(&server, &ada).await, json!({ "owner": "ada", "members": [] }));
    let of_bob = format!("{MEMBERS}/auth0%7Cbob%2F1");
    assert_eq!(send(&server, "GET", RUN, &bob, "").await.status, 403);
    for (given, reads, writes, closes) in
        [("viewer", 200, 403, 403), ("participant", 200, 204, 403), ("operator", 200, 204, 403)]
    {
        let answer = send(&server, "PUT", &of_bob, &ada, &role(given)).await;
        assert_eq!(answer.json()["data"], json!({ "subject": "auth0|bob/1", "role": given }));
        assert_eq!(send(&server, "GET", RUN, &bob, "").await.status, reads, "{given}");
        assert_eq!(send(&server, "POST", RUN, &bob, &chunk("1", "x")).await.status, writes, "{given}");
        assert_eq!(send(&server, "GET", MEMBERS, &bob, "").await.status, closes, "{given}");
        assert_eq!(refused(&server, "PUT", &of_bob, &bob, &role("owner")).await.0, 403, "{given}");
    }
    assert_eq!(send(&server, "PUT", &of_bob, &ada, &role("owner")).await.status, 200);
    assert_eq!(send(&server, "PUT", &format!("{MEMBERS}/eve"), &bob, &role("viewer")).await.status, 200);
    // The same again changes nothing, nor does the list depend on the order in which it was made.
    assert_eq!(send(&server, "PUT", &format!("{MEMBERS}/eve"), &ada, &role("viewer")).await.status, 200);
    let members =
        json!([{ "subject": "auth0|bob/1", "role": "owner" }, { "subject": "eve", "role": "viewer" }]);
    assert_eq!(listed(&server, &bob).await, json!({ "owner": "ada", "members": members }));
    // Who made it stays its owner.
    let of_ada = format!("{MEMBERS}/ada");
    let conflict = (409, "CONFLICT".to_owned());
    assert_eq!(refused(&server, "PUT", &of_ada, &bob, &role("viewer")).await, conflict);
    assert_eq!(refused(&server, "DELETE", &of_ada, &bob, "").await, conflict);
    // A closed session is still somebody's.
    assert_eq!(send(&server, "POST", "/api/sessions/run-1/close", &ada, "").await.status, 200);
    assert_eq!(send(&server, "DELETE", &of_bob, &ada, "").await.status, 200);
    assert_eq!(send(&server, "GET", RUN, &bob, "").await.status, 403);
    assert_eq!(refused(&server, "DELETE", &of_bob, &ada, "").await, (404, "MEMBER_NOT_FOUND".to_owned()));
    assert_eq!(listed(&server, ADMIN).await["members"], json!([{ "subject": "eve", "role": "viewer" }]));
}

#[tokio::test]
async fn what_is_no_role_or_no_subject_is_refused() {
    let server = server(|config| config.limits.session_members_max = 2).await;
    assert_eq!(send(&server, "PUT", RUN, ADMIN, "").await.status, 201);
    let eve = format!("{MEMBERS}/eve");
    for (body, code) in [
        ("{", "INVALID_JSON"),
        ("{}", "INVALID_REQUEST"),
        (r#"{"role":"king"}"#, "INVALID_REQUEST"),
        (r#"{"role":"viewer","more":1}"#, "INVALID_REQUEST"),
    ] {
        assert_eq!(refused(&server, "PUT", &eve, ADMIN, body).await, (400, code.to_owned()), "{body}");
    }
    let long = format!("{MEMBERS}/{}", "x".repeat(257));
    for path in [&format!("{MEMBERS}/a%00b"), &format!("{MEMBERS}/a%0Ab"), &long] {
        let found = refused(&server, "PUT", path, ADMIN, &role("viewer")).await;
        assert_eq!(found, (400, "INVALID_REQUEST".to_owned()), "{path}");
    }
    assert_eq!(refused(&server, "PUT", &format!("{MEMBERS}/%FF"), ADMIN, &role("viewer")).await.0, 400);
    for name in ["a", "b"] {
        let path = format!("{MEMBERS}/{name}");
        assert_eq!(send(&server, "PUT", &path, ADMIN, &role("viewer")).await.status, 200);
    }
    let full = send(&server, "PUT", &eve, ADMIN, &role("viewer")).await;
    assert_eq!((full.status.as_u16(), full.code().as_str()), (409, "TOO_MANY_MEMBERS"));
    assert_eq!(full.json()["error"]["details"], json!({ "limit": 2 }));
    // Who is there may still become something else.
    assert_eq!(send(&server, "PUT", &format!("{MEMBERS}/a"), ADMIN, &role("owner")).await.status, 200);
    let missing = "/api/sessions/none/members/eve";
    assert_eq!(
        refused(&server, "PUT", missing, ADMIN, &role("viewer")).await,
        (404, "SESSION_NOT_FOUND".to_owned())
    );
}

/// Changes at once by several owners all count.
#[tokio::test]
async fn changes_at_once_do_not_undo_each_other() {
    let server = server(|_| {}).await;
    assert_eq!(send(&server, "PUT", RUN, ADMIN, "").await.status, 201);
    let set = (0..20).map(|n| {
        let (server, path) = (&server, format!("{MEMBERS}/user-{n}"));
        async move { send(server, "PUT", &path, ADMIN, &role("viewer")).await.status }
    });
    assert!(futures::future::join_all(set).await.into_iter().all(|status| status == 200));
    assert_eq!(listed(&server, ADMIN).await["members"].as_array().unwrap().len(), 20);
}

/// A session that a later version has written to stays what it is.
#[tokio::test]
async fn roles_of_a_later_version_give_nothing_and_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let stored = json!({
        "projectId": null,
        "status": "active",
        "owner": "ada",
        "members": { "bob": "king", "dan": { "role": "viewer", "until": 1 }, "eve": "viewer" },
        "later": [1],
    });
    {
        let store = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
        let attributes = Some(stored.to_string().into());
        let create = CreateStream { attributes, ..CreateStream::of(ContentType::json()) };
        store.create(&"sessions/run-1".parse().unwrap(), create).await.unwrap();
        store.shutdown().await;
    }
    let embedded = StoreConfig::Embedded { dir: dir.path().to_owned() };
    let server = server(|config| config.store = embedded).await;
    let of = |subject: &str| hs256(subject, SCOPES, json!({}));
    for (subject, expected) in [("ada", 200), ("eve", 200), ("bob", 403), ("dan", 403)] {
        for path in [RUN, "/api/sessions/run-1", "/api/sessions/run-1/events"] {
            assert_eq!(
                send(&server, "GET", path, &of(subject), "").await.status,
                expected,
                "{subject} {path}"
            );
        }
    }
    let all = send(&server, "GET", "/api/sessions", &of("eve"), "").await.json();
    assert_eq!(all["data"]["sessions"].as_array().unwrap().len(), 1);
    // A change of the row keeps what this version does not know.
    let eve = format!("{MEMBERS}/eve");
    assert_eq!(send(&server, "PUT", &eve, &of("ada"), &role("participant")).await.status, 200);
    let members = json!([
        { "subject": "bob", "role": "king" },
        { "subject": "dan", "role": null },
        { "subject": "eve", "role": "participant" },
    ]);
    assert_eq!(listed(&server, &of("ada")).await["members"], members);
    server.stopped().await;
    let store = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
    let head = store.head(&"sessions/run-1".parse().unwrap()).await.unwrap();
    let kept: Value = serde_json::from_slice(&head.attributes.unwrap()).unwrap();
    assert_eq!(kept["members"]["dan"], stored["members"]["dan"]);
    assert_eq!((&kept["members"]["bob"], &kept["later"]), (&stored["members"]["bob"], &stored["later"]));
}

/// Presence said by its own route is held to the same policy as the events it stands for.
#[tokio::test]
async fn presence_follows_what_a_role_may_write() {
    let join = |action: &str| {
        json!({ "action": action, "userId": "eve", "connectionId": "c", "cursor": { "x": 1, "y": 1 } })
            .to_string()
    };
    for (viewer, permitted) in [
        (vec!["presence:*"], vec!["join", "update", "heartbeat", "leave"]),
        (vec!["presence:joined", "presence:left"], vec!["join", "heartbeat", "leave"]),
        (vec!["presence:cursor"], vec![]),
        (vec![], vec![]),
    ] {
        let policy = viewer.iter().map(|&kind| kind.to_owned()).collect();
        let server = server(|config| config.event_policy.viewer = policy).await;
        assert_eq!(send(&server, "PUT", RUN, ADMIN, "").await.status, 201);
        assert_eq!(send(&server, "PUT", &format!("{MEMBERS}/eve"), ADMIN, &role("viewer")).await.status, 200);
        let eve = hs256("eve", SCOPES, json!({}));
        for action in ["join", "update", "heartbeat", "leave"] {
            let answer = send(&server, "POST", "/api/sessions/run-1/presence", &eve, &join(action)).await;
            let expected = if permitted.contains(&action) { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{viewer:?} {action}: {}", answer.text());
            if expected == 403 {
                assert_eq!(answer.code(), "FORBIDDEN");
            }
        }
        let held = send(&server, "GET", RUN, ADMIN, "").await.json();
        assert_eq!(held.as_array().unwrap().is_empty(), permitted.is_empty(), "{viewer:?}");
    }
}
