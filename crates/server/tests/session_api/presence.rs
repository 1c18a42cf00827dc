//! Presence over several tabs, silence and restarts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Item, Sse, TestServer, request, within};
use crate::support::{Source, call, embedded, get, new_session, ok, publish, stored, types};

async fn say(server: &TestServer, action: &str, user: &str, tab: &str, more: Value) -> Value {
    let mut body = json!({ "action": action, "userId": user, "connectionId": tab });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    ok(server, "POST", "/api/sessions/a/presence", &body).await
}

async fn present(server: &TestServer) -> Value {
    get(server, "/api/sessions/a/presence").await["presence"].clone()
}

async fn stored_types(server: &TestServer) -> Vec<String> {
    types(&stored(server, "a").await).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_first_tab_joins_and_the_last_one_leaves() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let heard = say(&server, "join", "ada", "1", json!({ "displayName": "Ada" })).await;
    assert_eq!((&heard["userId"], &heard["connectionId"]), (&json!("ada"), &json!("1")));
    assert!(heard["expiresAt"].as_i64().unwrap() > 1_600_000_000_000);
    say(&server, "join", "ada", "2", json!({})).await;
    say(&server, "join", "bob", "1", json!({})).await;
    say(&server, "update", "ada", "2", json!({ "cursor": { "x": 1.5, "y": 2 }, "activeFile": "a.rs" })).await;
    let there = present(&server).await;
    assert_eq!((there.as_array().unwrap().len(), &there[0]["connections"]), (2, &json!(2)));
    assert_eq!(
        (&there[0]["userId"], &there[0]["displayName"], &there[0]["cursor"], &there[0]["activeFile"]),
        (&json!("ada"), &json!("Ada"), &json!({ "x": 1.5, "y": 2.0 }), &json!("a.rs"))
    );
    assert!(there[0]["joinedAt"].is_number() && there[0]["lastSeenAt"].is_number());
    say(&server, "leave", "ada", "1", json!({})).await;
    assert_eq!(stored_types(&server).await, ["presence:joined", "presence:joined"]);
    say(&server, "leave", "ada", "2", json!({})).await;
    // Gone already: nothing more is said.
    say(&server, "leave", "ada", "2", json!({})).await;
    let events = stored(&server, "a").await;
    assert_eq!(types(&events), ["presence:joined", "presence:joined", "presence:left"]);
    assert_eq!(events[0]["data"], json!({ "userId": "ada", "displayName": "Ada" }));
    assert_eq!(events[2]["data"]["userId"], "ada");
    assert_eq!(present(&server).await.as_array().unwrap().len(), 1);
    // Who comes and goes is no work.
    assert_eq!(get(&server, "/api/sessions/a").await["status"], "idle");
}

#[tokio::test]
async fn silence_times_out_and_a_heartbeat_joins_again() {
    let server = TestServer::start_with(|config| config.presence_ttl = Duration::from_millis(300)).await;
    new_session(&server, "a").await;
    say(&server, "join", "ada", "1", json!({})).await;
    within(async {
        while stored_types(&server).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(stored_types(&server).await, ["presence:joined", "presence:timeout"]);
    assert_eq!(present(&server).await, json!([]));
    say(&server, "heartbeat", "ada", "1", json!({})).await;
    assert_eq!(present(&server).await[0]["userId"], "ada");
    assert_eq!(stored_types(&server).await[2], "presence:joined");
}

#[tokio::test]
async fn many_tabs_at_once_join_once_and_leave_once() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let tabs: Vec<_> = (0..12).map(|tab| tab.to_string()).collect();
    futures::future::join_all(tabs.iter().map(|tab| say(&server, "join", "ada", tab, json!({})))).await;
    assert_eq!(stored_types(&server).await, ["presence:joined"]);
    assert_eq!(present(&server).await[0]["connections"], 12);
    futures::future::join_all(tabs.iter().map(|tab| say(&server, "leave", "ada", tab, json!({})))).await;
    assert_eq!(stored_types(&server).await, ["presence:joined", "presence:left"]);
}

#[tokio::test]
async fn nobody_is_there_for_ever_because_a_server_died() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(embedded(&dir)).await;
    new_session(&server, "a").await;
    say(&server, "join", "ada", "1", json!({})).await;
    say(&server, "join", "bob", "1", json!({})).await;
    server.stopped().await;
    let store = embedded(&dir);
    let server = TestServer::start_with(|config| {
        store(config);
        config.presence_ttl = Duration::from_secs(2);
    })
    .await;
    // Ada is heard of in time and was never away; Bob is not.
    say(&server, "heartbeat", "ada", "1", json!({})).await;
    within(async {
        while stored_types(&server).await.len() < 3 {
            say(&server, "heartbeat", "ada", "1", json!({})).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let events = stored(&server, "a").await;
    assert_eq!(types(&events), ["presence:joined", "presence:joined", "presence:timeout"]);
    assert_eq!(events[2]["data"]["userId"], "bob");
    server.stopped().await;
}

#[tokio::test]
async fn a_closed_session_has_nobody_and_lets_nobody_in() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    say(&server, "join", "ada", "1", json!({})).await;
    server.send(request("POST", "/api/sessions/a/close")).await;
    let body = json!({ "action": "heartbeat", "userId": "ada", "connectionId": "1" });
    let refused = call(&server, "POST", "/api/sessions/a/presence", &body).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "SESSION_CLOSED"));
    say(&server, "leave", "ada", "1", json!({})).await;
    assert_eq!(present(&server).await, json!([]));
    assert_eq!(stored_types(&server).await, ["presence:joined"]);
}

#[tokio::test]
async fn cursors_reach_who_asked_for_them_and_nobody_else() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let mut old = Source::open(&server, "/api/sessions/a/stream", None).await;
    let mut new = Source::open(&server, "/api/sessions/a/stream?ephemeral=true", None).await;
    let path = "/v1/stream/sessions/a?offset=-1&live=sse&ephemeral=true";
    let mut protocol = Source::open(&server, path, None).await;
    for source in [&mut old, &mut new] {
        assert_eq!(source.data().await["type"], "connected");
    }
    assert_eq!(protocol.next().await.unwrap().event, "control");
    say(&server, "join", "ada", "1", json!({})).await;
    for source in [&mut old, &mut new] {
        assert_eq!(source.data().await["type"], "presence:joined");
    }
    assert_eq!(protocol.next().await.unwrap().event, "data");
    assert_eq!(protocol.next().await.unwrap().event, "control");
    say(&server, "update", "ada", "1", json!({ "cursor": { "x": 7, "y": 8 } })).await;
    for source in [&mut new, &mut protocol] {
        let frame = source.next().await.unwrap();
        assert_eq!((frame.event.as_str(), &frame.id), ("ephemeral", &None));
        assert_eq!(frame.data["type"], "presence:cursor");
        assert_eq!(frame.data["data"]["cursor"], json!({ "x": 7.0, "y": 8.0 }));
    }
    publish(&server, "a", json!({ "type": "chunk", "data": { "text": "x" } })).await;
    assert_eq!(old.data().await["type"], "chunk");
    assert_eq!(new.data().await["type"], "chunk");
}

#[tokio::test]
async fn a_storm_of_cursors_is_coalesced() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let mut source = Source::open(&server, "/api/sessions/a/stream?ephemeral=true", None).await;
    source.data().await;
    for n in 0..100 {
        let cursor =
            json!({ "channel": "presence", "data": { "userId": "u", "cursor": { "x": n, "y": 0 } } });
        publish(&server, "a", cursor).await;
    }
    let mut frames = 0;
    loop {
        let frame = source.next().await.unwrap();
        frames += 1;
        if frame.data["data"]["cursor"]["x"] == 99 {
            break;
        }
    }
    assert!(frames < 100, "{frames}");
}

#[tokio::test]
async fn rooms_are_bounded() {
    let server = TestServer::start_with(|config| {
        config.limits.presence_users_max = 2;
        config.limits.presence_connections_max = 4;
        config.limits.presence_connections_per_user_max = 2;
    })
    .await;
    new_session(&server, "a").await;
    let join = async |user: &str, tab: &str| {
        let body = json!({ "action": "join", "userId": user, "connectionId": tab });
        let answer = call(&server, "POST", "/api/sessions/a/presence", &body).await;
        (answer.status.as_u16(), answer.header("retry-after").is_some())
    };
    assert_eq!(join("ada", "1").await.0, 200);
    assert_eq!(join("bob", "1").await.0, 200);
    assert_eq!(join("cyd", "1").await, (429, true));
    assert_eq!(join("ada", "2").await.0, 200);
    // One user has a bound of its own, over all sessions.
    new_session(&server, "b").await;
    let elsewhere = async |user: &str, tab: &str| {
        let body = json!({ "action": "join", "userId": user, "connectionId": tab });
        call(&server, "POST", "/api/sessions/b/presence", &body).await.status.as_u16()
    };
    assert_eq!(join("ada", "3").await, (429, true));
    assert_eq!(elsewhere("ada", "3").await, 429);
    say(&server, "leave", "ada", "2", json!({})).await;
    assert_eq!(join("ada", "3").await.0, 200);
    assert_eq!(elsewhere("bob", "2").await, 200);
    assert_eq!(elsewhere("cyd", "1").await, 429, "all are bounded together");
    // Not a word of who was refused.
    assert_eq!(stored_types(&server).await.len(), 2);
}

#[tokio::test]
async fn protocol_readers_that_did_not_ask_see_no_ephemeral_frames() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let response = server.open(request("GET", "/v1/stream/sessions/a?offset=-1&live=sse")).await;
    let mut sse = Sse::of(response);
    sse.control().await;
    publish(&server, "a", json!({ "type": "presence:cursor", "data": { "userId": "u" } })).await;
    publish(&server, "a", json!({ "type": "chunk", "data": { "text": "x" } })).await;
    assert!(matches!(sse.next().await, Item::Data(_)));
}
