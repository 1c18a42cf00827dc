//! Which events either write route takes.

use durable_sessions_server::UnknownEvents;
use serde_json::json;

use crate::common::TestServer;
use crate::support::{call, new_session};

#[tokio::test]
async fn unknown_types_are_taken_by_policy_on_both_routes() {
    for (policy, taken) in [
        (UnknownEvents::Accept, ["x-a", "acme:b", "other"].as_slice()),
        (UnknownEvents::AcceptRegistered, &["x-a", "acme:b"]),
        (UnknownEvents::Reject, &[]),
    ] {
        let server = TestServer::start_with(|config| {
            config.unknown_events = policy;
            config.event_types = vec!["acme:*".to_owned()];
        })
        .await;
        new_session(&server, "a").await;
        for event_type in ["x-a", "acme:b", "other"] {
            let wire = json!({ "id": "1", "type": event_type, "timestamp": 1, "data": {} });
            for answer in [
                server.post("/v1/stream/sessions/a", wire.to_string()).await,
                call(&server, "POST", "/api/streams?sessionId=a", &json!({ "type": event_type, "data": {} }))
                    .await,
            ] {
                assert_eq!(
                    answer.status.is_success(),
                    taken.contains(&event_type),
                    "{policy:?} {event_type}"
                );
                if !answer.status.is_success() {
                    let details = &answer.json()["error"]["details"];
                    assert_eq!(
                        (answer.code().as_str(), &details["path"]),
                        ("INVALID_EVENT", &json!("$.type"))
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn accepted_bytes_are_stored_as_they_came() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let odd = r#"{ "id":"2", "type":"chunk", "timestamp":1, "data":{"text":"\u00e9","n":1.50} }"#;
    server.post("/v1/stream/sessions/a", odd).await;
    assert_eq!(server.get("/v1/stream/sessions/a").await.text(), format!("[{odd}]"));
    let history = server.get("/api/sessions/a/events").await;
    assert!(history.text().contains(odd));
}
