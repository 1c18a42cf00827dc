//! `POST /api/streams?durability=queued`: taken at once, each id once, in the session's own order.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{TestServer, chunk, request, request_with, within};
use crate::support::{JSON, call, embedded, get, new_session, publish, stored, types};

async fn queue(server: &TestServer, id: &str, body: &Value) -> (u16, Value) {
    let answer = call(server, "POST", &format!("/api/streams?sessionId={id}&durability=queued"), body).await;
    let queued = answer.header("stream-durability") == Some("queued");
    assert_eq!(queued, answer.status == 202, "{}", answer.text());
    (answer.status.as_u16(), answer.json())
}

fn event(id: &str) -> Value {
    json!({ "type": "chunk", "data": { "text": id }, "id": id })
}

async fn ids(server: &TestServer, id: &str) -> Vec<String> {
    let events = stored(server, id).await;
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

async fn until_ids(server: &TestServer, id: &str, expected: &[&str]) {
    within(async {
        while ids(server, id).await != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn letters(server: &TestServer) -> Vec<Value> {
    server.get("/api/dead-letters").await.json()["data"]["deadLetters"].as_array().unwrap().clone()
}

async fn until_letters(server: &TestServer, count: usize) -> Vec<Value> {
    within(async {
        loop {
            let found = letters(server).await;
            if found.len() == count {
                break found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Makes the queue of a session stand still: what is at its head can neither be delivered nor be kept as a dead letter,
/// since these are full. `dead_letters_max` must be 1.
async fn hold_up(server: &TestServer, id: &str) {
    server.send(request_with("PUT", "/v1/stream/plain", &[JSON], "")).await;
    let claim = [JSON, ("producer-id", "p"), ("producer-epoch", "0"), ("producer-seq", "7")];
    for path in ["plain".to_owned(), format!("sessions/{id}")] {
        let path = format!("/v1/stream/{path}?durability=queued");
        assert_eq!(server.send(request_with("POST", &path, &claim, &chunk("p", "x"))).await.status, 202);
        until_letters(server, 1).await;
    }
}

async fn let_go(server: &TestServer) {
    let letter = letters(server).await[0]["id"].as_str().unwrap().to_owned();
    server.send(request("DELETE", &format!("/api/dead-letters/{letter}"))).await;
}

#[tokio::test]
async fn all_forms_are_taken_and_come_in_order() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let (status, said) =
        queue(&server, "a", &json!({ "channel": "chunks", "data": { "text": "x", "accumulated": "x" } }))
            .await;
    assert_eq!(status, 202);
    assert_eq!((&said["ok"], &said["queued"], &said["durable"]), (&json!(true), &json!(true), &json!(false)));
    assert_eq!((&said["offset"], &said["duplicates"]), (&json!("00000000000000000000"), &json!(0)));
    assert!(said["id"].is_string());
    let many = json!([{ "channel": "terminal", "data": { "type": "input", "data": "ls" } }, event("2")]);
    assert_eq!(queue(&server, "a", &many).await.0, 202);
    assert_eq!(
        queue(&server, "a", &json!({ "type": "tool:start", "data": { "id": "1", "tool": "ls" } })).await.0,
        202
    );
    // What is not queued comes behind what is.
    publish(&server, "a", event("3")).await;
    let events = stored(&server, "a").await;
    assert_eq!(types(&events), ["chunk", "terminal:input", "chunk", "tool:start", "chunk"]);
    assert_eq!(events[0]["data"], json!({ "text": "x" }));
    assert_eq!(get(&server, "/api/sessions/a").await["status"], "active");
}

#[tokio::test]
async fn the_row_changes_when_the_event_is_written() {
    let server = TestServer::start_with(|config| config.limits.dead_letters_max = 1).await;
    new_session(&server, "a").await;
    hold_up(&server, "a").await;
    queue(&server, "a", &event("1")).await;
    assert_eq!(get(&server, "/api/sessions/a").await["status"], "idle");
    let_go(&server).await;
    until_ids(&server, "a", &["1"]).await;
    assert_eq!(get(&server, "/api/sessions/a").await["status"], "active");
    // Somebody who comes is no work, queued or not.
    new_session(&server, "b").await;
    let joined = json!({ "type": "presence:joined", "data": { "userId": "u" }, "id": "j" });
    queue(&server, "b", &joined).await;
    until_ids(&server, "b", &["j"]).await;
    assert_eq!(get(&server, "/api/sessions/b").await["status"], "idle");
}

#[tokio::test]
async fn what_can_be_refused_at_once_is() {
    let server =
        TestServer::start_with(|config| config.limits.events_per_session = "3/m,burst:3".parse().ok()).await;
    new_session(&server, "a").await;
    for (path, body, status, code) in [
        ("sessionId=a&durability=fast", event("1"), 400, "INVALID_PARAMETER"),
        ("durability=queued", event("1"), 400, "MISSING_SESSION_ID"),
        ("sessionId=none&durability=queued", event("1"), 404, "SESSION_NOT_FOUND"),
        ("sessionId=a&durability=queued", json!({ "type": "chunk", "data": {} }), 400, "INVALID_EVENT"),
        ("sessionId=a&durability=queued", json!({ "channel": "no", "data": {} }), 400, "INVALID_CHANNEL"),
        ("sessionId=a&durability=queued", json!([]), 400, "EMPTY_APPEND"),
    ] {
        let answer = call(&server, "POST", &format!("/api/streams?{path}"), &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{path} {body}");
    }
    assert_eq!(queue(&server, "a", &event("1")).await.0, 202);
    let (status, said) = queue(&server, "a", &json!([event("2"), event("3"), event("4")])).await;
    assert_eq!((status, said["error"]["code"].as_str()), (429, Some("RATE_LIMITED")));
    server.send(request("POST", "/api/sessions/a/close")).await;
    let (status, said) = queue(&server, "a", &event("5")).await;
    assert_eq!((status, said["error"]["code"].as_str()), (409, Some("SESSION_CLOSED")));
    // It was written before the end, and what moves is only passed on.
    let (status, said) = queue(&server, "a", &event("1")).await;
    assert_eq!((status, &said["durable"], &said["duplicates"]), (200, &json!(true), &json!(1)));
    assert_eq!(said["offset"], "00000000000000000001");
    new_session(&server, "b").await;
    let cursor = json!({ "channel": "presence", "data": { "userId": "u", "cursor": { "x": 1, "y": 2 } } });
    let (status, said) = queue(&server, "b", &cursor).await;
    assert_eq!((status, &said["durable"]), (200, &json!(false)));
}

#[tokio::test]
async fn an_id_counts_once_in_queue_and_session_together_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let place = embedded(&dir);
    let server = TestServer::start_with(|config| {
        place(config);
        config.limits.dead_letters_max = 1;
    })
    .await;
    new_session(&server, "a").await;
    publish(&server, "a", event("0")).await;
    hold_up(&server, "a").await;
    let (_, first) = queue(&server, "a", &json!([event("1"), event("2"), event("2")])).await;
    assert_eq!(first["duplicates"], 1);
    let (status, again) = queue(&server, "a", &json!([event("1"), event("0")])).await;
    assert_eq!((status, &again["duplicates"], &again["id"]), (202, &json!(2), &first["id"]));
    let (status, mixed) = queue(&server, "a", &json!([event("2"), event("3")])).await;
    assert_eq!((status, &mixed["duplicates"]), (202, &json!(1)));
    server.stopped().await;

    let place = embedded(&dir);
    let server = TestServer::start_with(|config| {
        place(config);
        config.limits.dead_letters_max = 1;
    })
    .await;
    let (status, again) = queue(&server, "a", &event("3")).await;
    assert_eq!((status, &again["duplicates"], &again["id"]), (202, &json!(1), &mixed["id"]));
    let_go(&server).await;
    until_ids(&server, "a", &["0", "1", "2", "3"]).await;
    let (status, written) = queue(&server, "a", &event("2")).await;
    assert_eq!((status, &written["durable"], &written["duplicates"]), (200, &json!(true), &json!(1)));
    assert_eq!(written["offset"], "00000000000000000003");
    server.stopped().await;
}

#[tokio::test]
async fn what_is_not_queued_waits_for_its_turn_but_not_for_ever() {
    let server = TestServer::start_with(|config| {
        config.limits.dead_letters_max = 1;
        config.queued_wait_max = Duration::from_millis(150);
    })
    .await;
    for id in ["a", "other"] {
        new_session(&server, id).await;
    }
    hold_up(&server, "a").await;
    queue(&server, "a", &event("1")).await;
    for refused in [
        call(&server, "POST", "/api/streams?sessionId=a", &event("2")).await,
        server.post("/v1/stream/sessions/a", chunk("3", "x")).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "STREAM_UNAVAILABLE"));
        assert!(refused.header("retry-after").is_some());
    }
    // Others do not wait.
    publish(&server, "other", event("1")).await;
    let_go(&server).await;
    until_ids(&server, "a", &["1"]).await;
    publish(&server, "a", event("2")).await;
    assert_eq!(ids(&server, "a").await, ["1", "2"]);
}

#[tokio::test]
async fn whoever_waits_comes_behind_what_was_queued() {
    let server = TestServer::start_with(|config| {
        config.limits.dead_letters_max = 1;
        config.queued_wait_max = Duration::from_secs(60);
    })
    .await;
    new_session(&server, "a").await;
    hold_up(&server, "a").await;
    queue(&server, "a", &event("1")).await;
    queue(&server, "a", &event("2")).await;
    let later = async {
        // Both are waiting, or not even there yet: they come behind in either case.
        tokio::task::yield_now().await;
        let_go(&server).await;
    };
    let raw = server.post("/v1/stream/sessions/a", chunk("3", "x"));
    let (direct, raw, ()) = tokio::join!(publish(&server, "a", event("2")), raw, later);
    assert_eq!((&direct["offset"], &direct["duplicates"]), (&json!("00000000000000000002"), &json!(1)));
    assert_eq!(raw.status, 204);
    assert_eq!(ids(&server, "a").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn the_end_of_a_session_leaves_nothing_without_a_trace() {
    let server = TestServer::start_with(|config| {
        config.limits.dead_letters_max = 1;
        config.queued_wait_max = Duration::from_millis(50);
    })
    .await;
    for id in ["a", "b"] {
        new_session(&server, id).await;
    }
    hold_up(&server, "a").await;
    queue(&server, "a", &event("1")).await;
    // The queue does not move, and closes all the same.
    assert_eq!(server.send(request("POST", "/api/sessions/a/close")).await.status, 200);
    let_go(&server).await;
    // The one at the head, then the event.
    let held_up = until_letters(&server, 1).await;
    assert_eq!(held_up[0]["reason"]["code"], "SESSION_CLOSED");
    let_go(&server).await;
    let letter = until_letters(&server, 1).await;
    assert_eq!(
        (&letter[0]["path"], &letter[0]["reason"]["code"]),
        (&json!("sessions/a"), &json!("SESSION_CLOSED"))
    );
    let_go(&server).await;

    // Made anew under the same name, it is another session.
    hold_up(&server, "b").await;
    queue(&server, "b", &event("1")).await;
    server.send(request("DELETE", "/api/sessions/b")).await;
    new_session(&server, "b").await;
    assert_eq!(queue(&server, "b", &event("1")).await.1["duplicates"], 0);
    for _ in 0..2 {
        let_go(&server).await;
        let letter = until_letters(&server, 1).await;
        if letter[0]["path"] == "sessions/b" {
            assert_eq!(letter[0]["reason"]["code"], "SESSION_NOT_FOUND");
        }
    }
    let_go(&server).await;
    until_ids(&server, "b", &["1"]).await;
}

#[tokio::test]
async fn what_waits_in_the_queue_of_a_coalescing_session_is_joined() {
    let server = TestServer::start_with(|config| config.limits.dead_letters_max = 1).await;
    let body = json!({ "id": "a", "projectId": "p", "coalesceMs": 20 });
    assert_eq!(call(&server, "POST", "/api/sessions", &body).await.status, 201);
    hold_up(&server, "a").await;
    for id in ["1", "2", "3"] {
        queue(&server, "a", &json!({ "type": "chunk", "data": { "text": id }, "id": id, "timestamp": 1 }))
            .await;
    }
    queue(&server, "a", &json!({ "type": "x-end", "data": {}, "id": "4" })).await;
    let_go(&server).await;
    until_ids(&server, "a", &["1", "4"]).await;
    let events = stored(&server, "a").await;
    assert_eq!((&events[0]["data"]["text"], &events[0]["joined"]), (&json!("123"), &json!(["2", "3"])));
    let (status, again) = queue(&server, "a", &event("3")).await;
    assert_eq!(
        (status, &again["duplicates"], &again["offset"]),
        (200, &json!(1), &json!("00000000000000000001"))
    );
}
