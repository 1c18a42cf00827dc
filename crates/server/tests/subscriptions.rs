//! Subscriptions as their callers and receivers see them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use common::{Answer, TestServer, request, request_with, within};
use durable_sessions_server::{AuthConfig, Secret, StoreConfig};
use durable_sessions_storage::ManualClock;
use http::{HeaderMap, StatusCode};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const JSON: (&str, &str) = ("content-type", "application/json");
const SUB: &str = "/v1/stream/__ds/subscriptions/s";

/// The status of a receiver that never answers.
const SILENCE: u16 = 0;

/// Somebody who is called, and answers as told.
struct Receiver {
    address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    answer: Arc<Mutex<(u16, String)>>,
}

struct Call {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

type Script = (mpsc::UnboundedSender<Call>, Arc<Mutex<(u16, String)>>);

impl Receiver {
    async fn start(status: u16, answer: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, calls) = mpsc::unbounded_channel();
        let answer = Arc::new(Mutex::new((status, answer.to_owned())));
        let app = axum::Router::new().fallback(receive).with_state((tell, answer.clone()));
        tokio::spawn(async move { axum_serve(listener, app).await });
        Self { address, calls, answer }
    }

    fn url(&self) -> String {
        format!("http://{}/hook?a=1", self.address)
    }

    fn answer_from_now_on(&self, status: u16, answer: &str) {
        *self.answer.lock().unwrap() = (status, answer.to_owned());
    }

    async fn call(&mut self) -> Call {
        within(self.calls.recv()).await.unwrap()
    }
}

async fn receive(
    State((tell, answer)): State<Script>,
    request: http::Request<axum::body::Body>,
) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let _ = tell.send(Call { path: parts.uri.to_string(), headers: parts.headers, body });
    let (status, answer) = answer.lock().unwrap().clone();
    if status == SILENCE {
        std::future::pending::<()>().await;
    }
    let mut headers = HeaderMap::new();
    if (300..400).contains(&status) {
        headers.insert("location", answer.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers, answer)
}

/// axum's own server is not among the features of the workspace.
async fn axum_serve(listener: tokio::net::TcpListener, app: axum::Router) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(socket), service),
        );
    }
}

impl Call {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn put(server: &TestServer, path: &str, body: &Value) -> Answer {
    server.send(request_with("PUT", path, &[JSON], &body.to_string())).await
}

async fn subscribe(server: &TestServer, body: &Value) -> Value {
    let answer = put(server, SUB, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

fn webhook(url: &str) -> Value {
    json!({ "type": "webhook", "pattern": "events/*", "webhook": { "url": url }, "lease_ttl_ms": 60_000 })
}

fn pull() -> Value {
    json!({ "type": "pull-wake", "pattern": "events/*", "wake_stream": "wake", "lease_ttl_ms": 60_000 })
}

/// Creates a stream with one message.
async fn event(server: &TestServer, path: &str) {
    let path = format!("/v1/stream/{path}");
    let created = put(server, &path, &json!({ "n": 1 })).await;
    assert_eq!(created.status, StatusCode::CREATED);
}

async fn post_as(server: &TestServer, token: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    server.send(request_with("POST", path, &[JSON, ("authorization", &bearer)], &body.to_string())).await
}

/// The streams of a subscription once they fit.
async fn when(server: &TestServer, fits: impl Fn(&Value) -> bool) -> Value {
    within(async {
        loop {
            let seen = server.get(SUB).await.json();
            if fits(&seen) {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn acked<'v>(subscription: &'v Value, path: &str) -> Option<&'v str> {
    let streams = subscription["streams"].as_array()?;
    streams.iter().find(|stream| stream["path"] == path)?["acked_offset"].as_str()
}

fn offset(position: u64) -> String {
    format!("{position:020}")
}

/// As a receiver verifies: from the header and the public key set alone.
fn verifies(jwks: &Value, call: &Call) -> bool {
    let header = call.headers["webhook-signature"].to_str().unwrap();
    let field = |name: &str| header.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == field("kid=")).unwrap();
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(field("ed25519=")).unwrap();
    let signed = [field("t=").as_bytes(), b".", &call.body].concat();
    UnparsedPublicKey::new(&ED25519, public).verify(&signed, &signature).is_ok()
}

#[tokio::test]
async fn a_webhook_that_answers_done_has_processed_what_it_was_sent() {
    let server = TestServer::start().await;
    let mut receiver = Receiver::start(200, r#"{"done":true}"#).await;
    subscribe(&server, &webhook(&receiver.url())).await;
    event(&server, "events/a").await;
    let call = receiver.call().await;
    assert_eq!(call.path, "/hook?a=1");
    let jwks = server.get("/v1/stream/__ds/jwks.json").await;
    assert_eq!(jwks.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(jwks.header("cache-control"), Some("public, max-age=300"));
    assert!(verifies(&jwks.json(), &call));
    let stream = &call.json()["streams"][0];
    assert_eq!(
        *stream,
        json!({ "path": "events/a", "link_type": "glob", "acked_offset": offset(0),
                "tail_offset": offset(1), "has_pending": true })
    );
    when(&server, |seen| acked(seen, "events/a") == Some(&offset(1))).await;
    server.post("/v1/stream/events/a", "[2,3]").await;
    let call = receiver.call().await;
    assert_eq!(call.json()["generation"], 2);
    when(&server, |seen| acked(seen, "events/a") == Some(&offset(3))).await;
    server.stopped().await;
}

#[tokio::test]
async fn a_callback_needs_the_token_of_its_wake_even_where_nothing_else_needs_one() {
    let server = TestServer::start().await;
    let mut receiver = Receiver::start(200, "").await;
    subscribe(&server, &webhook(&receiver.url())).await;
    event(&server, "events/a").await;
    let call = receiver.call().await.json();
    let url = call["callback_url"].as_str().unwrap();
    assert_eq!(url, format!("http://{}{SUB}/callback", server.address));
    let callback = format!("{SUB}/callback");
    let token = call["callback_token"].as_str().unwrap();
    let body = json!({ "wake_id": call["wake_id"], "generation": call["generation"], "done": true,
                       "acks": [{ "stream": "events/a", "offset": offset(1) }] });
    let bare = server.send(request_with("POST", &callback, &[JSON], &body.to_string())).await;
    assert_eq!((bare.status.as_u16(), bare.code().as_str()), (401, "UNAUTHORIZED"));
    for wrong in ["x", &format!("{token}x"), ""] {
        assert_eq!(post_as(&server, wrong, &callback, &body).await.status.as_u16(), 401, "{wrong}");
    }
    for other in [format!("{SUB}/ack"), format!("{SUB}/release"), format!("{SUB}2/callback")] {
        assert_eq!(post_as(&server, token, &other, &body).await.status.as_u16(), 401, "{other}");
    }
    let beyond = json!({ "wake_id": call["wake_id"], "generation": call["generation"],
                         "acks": [{ "stream": "events/a", "offset": offset(2) }] });
    assert_eq!(post_as(&server, token, &callback, &beyond).await.code(), "INVALID_OFFSET");
    let mut stale = body.clone();
    stale["generation"] = json!(0);
    assert_eq!(post_as(&server, token, &callback, &stale).await.code(), "FENCED");
    let good = post_as(&server, token, &callback, &body).await;
    assert_eq!((good.status.as_u16(), good.json()), (200, json!({ "ok": true, "next_wake": false })));
    let again = post_as(&server, token, &callback, &body).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (409, "FENCED"));
    // The next one with this id is another one, whatever its generation is.
    assert_eq!(server.send(request("DELETE", SUB)).await.status.as_u16(), 204);
    assert_eq!(post_as(&server, token, &callback, &body).await.code(), "SUBSCRIPTION_NOT_FOUND");
    subscribe(&server, &webhook(&receiver.url())).await;
    server.post("/v1/stream/events/a", "2").await;
    let next = receiver.call().await.json();
    assert_eq!(next["generation"], 1);
    let mut replayed = body.clone();
    replayed["wake_id"] = next["wake_id"].clone();
    assert_eq!(post_as(&server, token, &callback, &replayed).await.code(), "FENCED");
    server.stopped().await;
}

#[tokio::test]
async fn workers_race_for_a_wake_and_one_gets_it() {
    let server = TestServer::start().await;
    put(&server, "/v1/stream/wake", &json!([])).await;
    subscribe(&server, &pull()).await;
    let claim = format!("{SUB}/claim");
    let worker = |name: &str| json!({ "worker": name }).to_string();
    assert_eq!(server.post(&claim, worker("w1")).await.code(), "NO_PENDING_WORK");
    event(&server, "events/a").await;
    let woken = server.open(request("GET", "/v1/stream/wake?offset=-1&live=sse")).await;
    let event_text = common::Sse::of(woken).messages(1).await.remove(0);
    let wake: Value = serde_json::from_str(&event_text).unwrap();
    assert_eq!(
        (&wake["type"], &wake["subscription_id"], &wake["stream"], &wake["generation"]),
        (&json!("wake"), &json!("s"), &json!("events/a"), &json!(1))
    );
    let claimed = server.post(&claim, worker("w1")).await.json();
    assert_eq!((&claimed["generation"], &claimed["lease_ttl_ms"]), (&json!(1), &json!(60_000)));
    let busy = server.post(&claim, worker("w2")).await;
    assert_eq!(busy.status.as_u16(), 409);
    let error = &busy.json()["error"];
    assert_eq!(
        (&error["code"], &error["current_holder"], &error["generation"]),
        (&json!("ALREADY_CLAIMED"), &json!("w1"), &json!(1))
    );
    let token = claimed["token"].as_str().unwrap();
    let held = json!({ "wake_id": claimed["wake_id"], "generation": 1 });
    assert_eq!(post_as(&server, token, &format!("{SUB}/release"), &held).await.status.as_u16(), 204);
    assert_eq!(post_as(&server, token, &format!("{SUB}/ack"), &held).await.code(), "FENCED");
    let claimed = server.post(&claim, worker("w2")).await.json();
    assert_eq!(claimed["generation"], 2);
    let token = claimed["token"].as_str().unwrap();
    server.post("/v1/stream/events/a", "2").await;
    let ack = json!({ "wake_id": claimed["wake_id"], "generation": 2, "done": true,
                      "acks": [{ "stream": "events/a", "offset": offset(1) }] });
    let acked = post_as(&server, token, &format!("{SUB}/ack"), &ack).await;
    assert_eq!(acked.json(), json!({ "ok": true, "next_wake": true }));
    server.stopped().await;
}

#[tokio::test]
async fn a_wake_stream_that_is_not_there_is_written_to_when_it_is() {
    let server = TestServer::start().await;
    subscribe(&server, &pull()).await;
    event(&server, "events/a").await;
    when(&server, |seen| seen["status"] == "failed").await;
    put(&server, "/v1/stream/wake", &json!([])).await;
    let woken = server.open(request("GET", "/v1/stream/wake?offset=-1&live=sse")).await;
    common::Sse::of(woken).messages(1).await;
    when(&server, |seen| seen["status"] == "active").await;
    server.stopped().await;
}

#[tokio::test]
async fn retries_leases_and_keys_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().to_owned() };
    let server = TestServer::start_with(|config| config.store = store.clone()).await;
    let mut receiver = Receiver::start(500, "").await;
    subscribe(&server, &webhook(&receiver.url())).await;
    let claims = "/v1/stream/__ds/subscriptions/p";
    put(&server, "/v1/stream/wake", &json!([])).await;
    assert_eq!(put(&server, claims, &pull()).await.status.as_u16(), 201);
    event(&server, "events/a").await;
    let worker = json!({ "worker": "w1" }).to_string();
    let claimed = server.post(&format!("{claims}/claim"), worker.clone()).await.json();
    let first = receiver.call().await.json();
    when(&server, |seen| seen["status"] == "failed").await;
    let jwks = server.get("/v1/stream/__ds/jwks.json").await.json();
    server.stopped().await;

    receiver.answer_from_now_on(200, r#"{"done":true}"#);
    let server = TestServer::start_with(|config| config.store = store).await;
    assert_eq!(server.get("/v1/stream/__ds/jwks.json").await.json(), jwks);
    let busy = server.post(&format!("{claims}/claim"), worker).await;
    assert_eq!(busy.code(), "ALREADY_CLAIMED");
    let ack = json!({ "wake_id": claimed["wake_id"], "generation": claimed["generation"], "done": true,
                      "acks": [{ "stream": "events/a", "offset": offset(1) }] });
    let token = claimed["token"].as_str().unwrap();
    let acked_answer = post_as(&server, token, &format!("{claims}/ack"), &ack).await;
    assert_eq!(acked_answer.json(), json!({ "ok": true, "next_wake": false }));
    let seen = when(&server, |seen| acked(seen, "events/a") == Some(&offset(1))).await;
    assert_eq!(seen["status"], "active");
    let mut last = first["generation"].as_u64().unwrap();
    while let Ok(call) = receiver.calls.try_recv() {
        let generation = call.json()["generation"].as_u64().unwrap();
        assert!(generation > last && verifies(&jwks, &call));
        last = generation;
    }
    assert!(last >= 2);
    // Confirmed, not created: the configuration is remembered too.
    assert_eq!(put(&server, SUB, &webhook(&receiver.url())).await.status.as_u16(), 200);
    server.stopped().await;
}

#[tokio::test]
async fn what_was_appended_before_a_restart_wakes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().to_owned() };
    let server = TestServer::start_with(|config| config.store = store.clone()).await;
    // Nobody answers before the restart, so nothing is delivered.
    let mut receiver = Receiver::start(503, "").await;
    subscribe(&server, &webhook(&receiver.url())).await;
    event(&server, "events/a").await;
    receiver.call().await;
    event(&server, "events/b").await;
    server.stopped().await;
    receiver.answer_from_now_on(200, r#"{"done":true}"#);
    let server = TestServer::start_with(|config| config.store = store).await;
    when(&server, |seen| {
        acked(seen, "events/a") == Some(&offset(1)) && acked(seen, "events/b") == Some(&offset(1))
    })
    .await;
    server.stopped().await;
}

#[tokio::test]
async fn a_call_that_a_restart_cut_off_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().to_owned() };
    let server = TestServer::start_with(|config| config.store = store.clone()).await;
    let mut receiver = Receiver::start(SILENCE, "").await;
    subscribe(&server, &webhook(&receiver.url())).await;
    event(&server, "events/a").await;
    let cut = receiver.call().await.json();
    server.stopped().await;
    receiver.answer_from_now_on(200, r#"{"done":true}"#);
    let server = TestServer::start_with(|config| config.store = store).await;
    let again = receiver.call().await.json();
    for same in ["wake_id", "generation", "streams"] {
        assert_eq!(again[same], cut[same], "{same}");
    }
    when(&server, |seen| acked(seen, "events/a") == Some(&offset(1))).await;
    server.stopped().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let server = TestServer::start().await;
    let mut elsewhere = Receiver::start(200, r#"{"done":true}"#).await;
    let mut receiver = Receiver::start(307, &elsewhere.url()).await;
    subscribe(&server, &webhook(&receiver.url())).await;
    event(&server, "events/a").await;
    receiver.call().await;
    when(&server, |seen| seen["status"] == "failed").await;
    receiver.call().await;
    assert!(elsewhere.calls.try_recv().is_err());
    server.stopped().await;
}

#[tokio::test]
async fn credentials_are_asked_for_but_where_a_token_of_a_wake_is() {
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new("admin"));
        config.public_url = Some("https://streams.example/base/".into());
    })
    .await;
    assert_eq!(server.get("/v1/stream/__ds/jwks.json").await.status.as_u16(), 200);
    for (method, path) in [
        ("PUT", SUB.to_owned()),
        ("GET", SUB.to_owned()),
        ("DELETE", SUB.to_owned()),
        ("POST", format!("{SUB}/claim")),
        ("POST", format!("{SUB}/streams")),
        ("GET", format!("{SUB}/ack")),
    ] {
        assert_eq!(server.send(request(method, &path)).await.status.as_u16(), 401, "{method} {path}");
    }
    // The token of the server is none of a wake.
    for path in ["callback", "ack", "release"] {
        let answer = post_as(&server, "admin", &format!("{SUB}/{path}"), &json!({})).await;
        assert_eq!(answer.status.as_u16(), 401, "{path}");
    }
    let admin = [JSON, ("authorization", "Bearer admin")];
    let local = webhook("http://127.0.0.1:9/");
    let refused = server.send(request_with("PUT", SUB, &admin, &local.to_string())).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "WEBHOOK_URL_REJECTED"));
    let good = webhook("https://worker.example/hook").to_string();
    let made = server.send(request_with("PUT", SUB, &admin, &good)).await;
    assert_eq!(made.status.as_u16(), 201);
    assert_eq!(
        made.json()["webhook"]["signing"]["jwks_url"],
        "https://streams.example/base/v1/stream/__ds/jwks.json"
    );
    let claims = "/v1/stream/__ds/subscriptions/p";
    for (path, body) in [("/v1/stream/wake", json!([])), (claims, pull()), ("/v1/stream/events/a", json!(1))]
    {
        server.send(request_with("PUT", path, &admin, &body.to_string())).await;
    }
    let claim = request_with("POST", &format!("{claims}/claim"), &admin, r#"{"worker":"w"}"#);
    let claimed = server.send(claim).await.json();
    let held = json!({ "wake_id": claimed["wake_id"], "generation": claimed["generation"] });
    let token = claimed["token"].as_str().unwrap();
    assert_eq!(post_as(&server, token, &format!("{claims}/ack"), &held).await.status.as_u16(), 200);
    assert_eq!(post_as(&server, token, "/v1/stream/events/a", &held).await.status.as_u16(), 401);
    server.stopped().await;
}

#[tokio::test]
async fn what_exists_is_linked_at_its_tail_and_membership_changes() {
    let server = TestServer::start().await;
    for path in ["events/old", "named/a", "named/b", "other"] {
        event(&server, path).await;
    }
    put(&server, "/v1/stream/events/wake", &json!([])).await;
    let mut body = pull();
    body["wake_stream"] = json!("events/wake");
    body["streams"] = json!(["named/a", "named/none"]);
    let made = subscribe(&server, &body).await;
    assert_eq!(
        made["streams"],
        json!([
            { "path": "events/old", "link_type": "glob", "acked_offset": offset(1) },
            { "path": "named/a", "link_type": "explicit", "acked_offset": offset(1) },
            { "path": "named/none", "link_type": "explicit", "acked_offset": offset(0) },
        ])
    );
    let streams = format!("{SUB}/streams");
    let added = server.post(&streams, r#"{"streams":["named/b","events/old"]}"#).await;
    assert_eq!(added.status.as_u16(), 204);
    let seen = server.get(SUB).await.json();
    assert_eq!(
        (acked(&seen, "named/b"), &seen["streams"][0]["link_type"]),
        (Some(offset(1).as_str()), &json!("explicit"))
    );
    for path in ["named%2Fb", "named/a", "events%2fold", "absent"] {
        let removed = server.send(request("DELETE", &format!("{streams}/{path}"))).await;
        assert_eq!(removed.status.as_u16(), 204, "{path}");
    }
    // The configuration is what was asked for, however the links have changed.
    assert_eq!(put(&server, SUB, &body).await.status.as_u16(), 200);
    let seen = server.get(SUB).await.json();
    assert_eq!(acked(&seen, "named/a"), None);
    assert_eq!(seen["streams"][0]["link_type"], "glob");
    server.post("/v1/stream/named/b", "2").await;
    let claim = format!("{SUB}/claim");
    assert_eq!(server.post(&claim, r#"{"worker":"w"}"#).await.code(), "NO_PENDING_WORK");
    event(&server, "named/none").await;
    let claimed = server.post(&claim, r#"{"worker":"w"}"#).await.json();
    assert_eq!(claimed["streams"][1]["path"], "named/none");
    assert_eq!(claimed["streams"][1]["has_pending"], true);
    server.send(request("DELETE", "/v1/stream/events/old")).await;
    assert_eq!(acked(&server.get(SUB).await.json(), "events/old"), None);
    body["description"] = json!("another");
    assert_eq!(put(&server, SUB, &body).await.code(), "SUBSCRIPTION_ALREADY_EXISTS");
    server.stopped().await;
}

#[tokio::test]
async fn limits_have_answers() {
    let server = TestServer::start_with(|config| {
        config.limits.subscriptions_max = 1;
        config.limits.subscription_streams_max = 2;
    })
    .await;
    for path in ["events/a", "events/b", "events/c"] {
        event(&server, path).await;
    }
    let many = put(&server, SUB, &pull()).await;
    assert_eq!((many.status.as_u16(), many.code().as_str()), (507, "SUBSCRIPTION_LIMIT"));
    assert_eq!(server.get(SUB).await.code(), "SUBSCRIPTION_NOT_FOUND");
    server.send(request("DELETE", "/v1/stream/events/c")).await;
    subscribe(&server, &pull()).await;
    let second = put(&server, &format!("{SUB}2"), &pull()).await;
    assert_eq!((second.status.as_u16(), second.code().as_str()), (507, "SUBSCRIPTION_LIMIT"));
    let third = server.post(&format!("{SUB}/streams"), r#"{"streams":["x"]}"#).await;
    assert_eq!((third.status.as_u16(), third.code().as_str()), (507, "SUBSCRIPTION_LIMIT"));
    event(&server, "events/d").await;
    assert_eq!(server.get(SUB).await.json()["streams"].as_array().unwrap().len(), 2);
    server.stopped().await;
}

#[tokio::test]
async fn streams_that_expired_make_room_for_others() {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let server = TestServer::start_with(|config| {
        config.limits.subscription_streams_max = 1;
        config.store_options.clock = clock.clone();
        // So that nothing but the subscription finds out.
        config.store_options.sweep_interval = std::time::Duration::from_secs(3600);
    })
    .await;
    subscribe(&server, &pull()).await;
    let short = [JSON, ("stream-ttl", "5")];
    server.send(request_with("PUT", "/v1/stream/events/a", &short, "1")).await;
    when(&server, |seen| acked(seen, "events/a").is_some()).await;
    clock.advance(std::time::Duration::from_secs(6));
    event(&server, "events/b").await;
    when(&server, |seen| acked(seen, "events/b") == Some(&offset(0))).await;
    assert_eq!(server.post(&format!("{SUB}/claim"), r#"{"worker":"w"}"#).await.status.as_u16(), 200);
    server.stopped().await;
}

#[tokio::test]
async fn clients_cannot_reach_where_subscriptions_are_kept() {
    let server = TestServer::start().await;
    server.get("/v1/stream/__ds/jwks.json").await;
    subscribe(&server, &webhook("http://127.0.0.1:9/")).await;
    for path in ["__ds", "__ds/keys", "%5f_ds/keys", "__ds%2Fkeys", "%5F%5Fds/subscriptions/s"] {
        for method in ["GET", "PUT", "POST", "HEAD", "DELETE"] {
            let answer = server.send(request(method, &format!("/v1/stream/{path}"))).await;
            assert_eq!(answer.status.as_u16(), 404, "{method} {path}");
        }
    }
    for source in ["/v1/stream/__ds/keys", "__ds/subscriptions/s"] {
        let fork = request_with("PUT", "/v1/stream/f", &[("stream-forked-from", source)], "");
        assert_eq!(server.send(fork).await.status.as_u16(), 404, "{source}");
    }
    let mut all = pull();
    all["pattern"] = json!("**");
    put(&server, &format!("{SUB}2"), &all).await;
    assert_eq!(server.get(&format!("{SUB}2")).await.json()["streams"], json!([]));
    for bad in ["a%2Fb", "%2e%2e", &"x".repeat(129)] {
        let answer = put(&server, &format!("/v1/stream/__ds/subscriptions/{bad}"), &all).await;
        assert_eq!(answer.status.as_u16(), 400, "{bad}");
    }
    server.stopped().await;
}
