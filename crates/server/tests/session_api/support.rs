//! What the tests of the session API share.

use bytes::Bytes;
use durable_sessions_protocol::sse::{SseDecoder, SseItem};
use durable_sessions_server::{ServerConfig, StoreConfig};
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::common::{Answer, TestServer, request_with, within};

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) async fn call(server: &TestServer, method: &str, path: &str, body: &Value) -> Answer {
    server.send(request_with(method, path, &[JSON], &body.to_string())).await
}

/// The `data` of a success.
pub(crate) async fn ok(server: &TestServer, method: &str, path: &str, body: &Value) -> Value {
    let answer = call(server, method, path, body).await;
    let said = answer.json();
    assert!(answer.status.is_success() && said["ok"] == true, "{method} {path}: {} {said}", answer.status);
    said["data"].clone()
}

pub(crate) async fn get(server: &TestServer, path: &str) -> Value {
    ok(server, "GET", path, &Value::Null).await
}

pub(crate) async fn new_session(server: &TestServer, id: &str) -> Value {
    ok(server, "POST", "/api/sessions", &json!({ "id": id, "projectId": "p" })).await
}

/// Publishes, and what was answered.
pub(crate) async fn publish(server: &TestServer, id: &str, body: Value) -> Value {
    let answer = call(server, "POST", &format!("/api/streams?sessionId={id}"), &body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

/// What a session's stream holds.
pub(crate) async fn stored(server: &TestServer, id: &str) -> Vec<Value> {
    let answer = server.get(&format!("/v1/stream/sessions/{id}?offset=-1")).await;
    answer.json().as_array().unwrap().clone()
}

pub(crate) fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

pub(crate) fn embedded(dir: &tempfile::TempDir) -> impl FnOnce(&mut ServerConfig) + use<> {
    let dir = dir.path().to_owned();
    |config| config.store = StoreConfig::Embedded { dir }
}

/// Frames as a plain `EventSource` gets them.
pub(crate) struct Source {
    body: Incoming,
    decoder: SseDecoder,
    pub(crate) last_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Source {
    pub(crate) async fn open(server: &TestServer, path: &str, last_id: Option<&str>) -> Self {
        let mut request = Request::get(path);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = server.open(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body = response.into_body();
        Self { body, decoder: SseDecoder::new(1 << 20), last_id: last_id.map(str::to_owned) }
    }

    /// The next frame, `None` at the end; comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.decoder.next_item() {
                Some(SseItem::Frame(frame)) => {
                    let text = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().to_owned();
                    let id = frame.id.map(text);
                    if id.is_some() {
                        self.last_id.clone_from(&id);
                    }
                    let data = serde_json::from_slice(frame.data).unwrap();
                    return Some(Frame { event: text(frame.event), id, data });
                }
                Some(_) => {}
                None => {
                    let frame = within(self.body.frame()).await?;
                    self.decoder.push(frame.unwrap().data_ref().unwrap());
                }
            }
        }
    }

    /// The `data` of the next frame, which must be there.
    pub(crate) async fn data(&mut self) -> Value {
        self.next().await.expect("the stream ended").data
    }
}
