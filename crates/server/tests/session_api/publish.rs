//! `POST /api/streams`: forms, ids that count once, cursors that are not stored.

use serde_json::{Value, json};

use crate::common::{TestServer, chunk};
use crate::support::{call, embedded, get, new_session, publish, stored, types};

#[tokio::test]
async fn forms_become_wire_events_and_the_cursor_stands_behind_them() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let one =
        publish(&server, "a", json!({ "channel": "chunks", "data": { "text": "x", "accumulated": "x" } }))
            .await;
    assert_eq!((&one["ok"], &one["durable"]), (&json!(true), &json!(true)));
    assert_eq!(one["offset"], "00000000000000000001");
    let many = publish(
        &server,
        "a",
        json!([
            { "channel": "terminal", "data": { "type": "input", "data": "ls" } },
            { "type": "tool:start", "data": { "id": "1", "tool": "ls" }, "id": "mine" },
        ]),
    )
    .await;
    assert_eq!(many["offset"], "00000000000000000003");
    let events = stored(&server, "a").await;
    assert_eq!(types(&events), ["chunk", "terminal:input", "tool:start"]);
    assert_eq!(events[0]["data"], json!({ "text": "x" }));
    assert_eq!(events[2]["id"], "mine");
    assert!(events.iter().all(|event| event["timestamp"].as_u64().unwrap() > 1_600_000_000_000));
}

#[tokio::test]
async fn an_id_counts_once_within_its_session_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(embedded(&dir)).await;
    new_session(&server, "a").await;
    new_session(&server, "b").await;
    let event = |id: &str| json!({ "type": "chunk", "data": { "text": id }, "id": id });
    let first = publish(&server, "a", event("1")).await;
    publish(&server, "a", event("2")).await;
    let again = publish(&server, "a", event("1")).await;
    assert_eq!((&again["offset"], &again["duplicates"]), (&first["offset"], &json!(1)));
    // Another session has ids of its own.
    assert_eq!(publish(&server, "b", event("1")).await["duplicates"], 0);
    // What came by the protocol counts as well.
    server.post("/v1/stream/sessions/a", chunk("3", "raw")).await;
    assert_eq!(publish(&server, "a", event("3")).await["offset"], "00000000000000000003");
    server.stopped().await;

    let server = TestServer::start_with(embedded(&dir)).await;
    let mixed = publish(
        &server,
        "a",
        json!([event("2"), event("4"), event("4"), event("1"), { "type": "chunk", "data": { "text": "" } }]),
    )
    .await;
    assert_eq!((&mixed["offset"], &mixed["duplicates"]), (&json!("00000000000000000005"), &json!(3)));
    let ids: Vec<_> = stored(&server, "a").await.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids[..4], ["1", "2", "3", "4"]);
    assert_eq!(ids.len(), 5);
    server.stopped().await;
}

#[tokio::test]
async fn many_senders_of_the_same_id_write_it_once() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let event = json!({ "type": "chunk", "data": { "text": "x" }, "id": "same" });
    let answers = futures::future::join_all((0..16).map(|_| publish(&server, "a", event.clone()))).await;
    assert!(answers.iter().all(|answer| answer["offset"] == "00000000000000000001"));
    assert_eq!(answers.iter().filter(|answer| answer["duplicates"] == 0).count(), 1);
    assert_eq!(stored(&server, "a").await.len(), 1);
}

#[tokio::test]
async fn what_was_written_before_the_end_may_be_sent_again() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let event = json!({ "type": "chunk", "data": { "text": "x" }, "id": "1" });
    let first = publish(&server, "a", event.clone()).await;
    server.send(crate::common::request("POST", "/api/sessions/a/close")).await;
    let again = publish(&server, "a", event).await;
    assert_eq!((&again["offset"], &again["duplicates"]), (&first["offset"], &json!(1)));
    let other = json!({ "type": "chunk", "data": { "text": "x" }, "id": "2" });
    let refused = call(&server, "POST", "/api/streams?sessionId=a", &other).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "SESSION_CLOSED"));
}

#[tokio::test]
async fn beyond_the_window_an_id_is_new() {
    let server = TestServer::start_with(|config| config.limits.event_ids_max = 2).await;
    new_session(&server, "a").await;
    for id in ["1", "2", "3"] {
        publish(&server, "a", json!({ "type": "chunk", "data": { "text": "" }, "id": id })).await;
    }
    let again = |id: &'static str| {
        publish(&server, "a", json!({ "type": "chunk", "data": { "text": "" }, "id": id }))
    };
    assert_eq!(again("2").await["duplicates"], 1);
    assert_eq!(again("1").await["duplicates"], 0);
}

#[tokio::test]
async fn one_bad_event_refuses_all_of_them_with_its_path() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let body =
        json!([{ "type": "chunk", "data": { "text": "x" } }, { "type": "chunk", "data": { "text": 7 } }]);
    let answer = call(&server, "POST", "/api/streams?sessionId=a", &body).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "INVALID_EVENT"));
    let said = answer.json();
    assert_eq!(
        (&said["ok"], &said["error"]["details"]["path"], &said["error"]["details"]["index"]),
        (&json!(false), &json!("$.data.text"), &json!(1))
    );
    assert!(stored(&server, "a").await.is_empty());
    assert_eq!(get(&server, "/api/sessions/a").await["status"], "idle");
}

#[tokio::test]
async fn cursors_are_neither_stored_nor_counted() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    publish(&server, "a", json!({ "type": "chunk", "data": { "text": "x" } })).await;
    let cursor = json!({ "channel": "presence", "data": { "userId": "u", "cursor": { "x": 1, "y": 2 } } });
    let answer = publish(&server, "a", cursor.clone()).await;
    assert_eq!((&answer["offset"], &answer["durable"]), (&json!("00000000000000000001"), &json!(false)));
    let mixed =
        publish(&server, "a", json!([cursor, { "type": "chunk", "data": { "text": "y" }, "id": "2" }])).await;
    assert_eq!((&mixed["offset"], &mixed["durable"]), (&json!("00000000000000000002"), &json!(true)));
    assert_eq!(types(&stored(&server, "a").await), ["chunk", "chunk"]);
    // The same on the stream itself.
    let raw: Value =
        json!([{ "id": "c", "type": "presence:cursor", "timestamp": 1, "data": { "userId": "u" } }]);
    let answer = server.post("/v1/stream/sessions/a", raw.to_string()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("stream-next-offset")),
        (204, Some("00000000000000000002"))
    );
}

#[tokio::test]
async fn a_producer_whose_batch_is_not_stored_has_come_this_far() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let cursor = r#"{"id":"c","type":"presence:cursor","timestamp":1,"data":{"userId":"u"}}"#;
    let send = async |seq: &str, body: &str| {
        let headers =
            [crate::support::JSON, ("producer-id", "p"), ("producer-epoch", "0"), ("producer-seq", seq)];
        server
            .send(crate::common::request_with("POST", "/v1/stream/sessions/a", &headers, body))
            .await
            .status
            .as_u16()
    };
    assert_eq!(send("0", &chunk("1", "x")).await, 200);
    assert_eq!(send("1", cursor).await, 200);
    assert_eq!(send("2", &chunk("2", "y")).await, 200);
    assert_eq!(send("1", cursor).await, 204);
    assert_eq!(types(&stored(&server, "a").await), ["chunk", "chunk"]);
}
