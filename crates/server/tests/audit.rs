//! What is left for whoever asks later: refused writes and administrators' changes, with stable ids and no secrets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock};

use common::tokens::{SECRET, hs256};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_server::{AUDIT_TARGET, AuthConfig, JwtConfig, JwtKey, Secret};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const ADMIN: &str = "s3cret";

/// Keeps the records of the target as lines.
struct Keeper;

static RECORDS: OnceLock<Mutex<Vec<String>>> = OnceLock::new();

fn records() -> &'static Mutex<Vec<String>> {
    RECORDS.get_or_init(Mutex::default)
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == AUDIT_TARGET
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        records().lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

async fn send(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    server.send(request_with(method, path, &headers, body)).await
}

#[tokio::test]
async fn refused_writes_and_changes_of_administrators_are_recorded() {
    tracing::subscriber::set_global_default(Keeper).unwrap();
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new(ADMIN));
        config.identity.jwt =
            Some(JwtConfig { keys: vec![JwtKey::secret(SECRET).unwrap()], ..JwtConfig::default() });
    })
    .await;
    let path = "/v1/stream/sessions/run-1";
    let eve = hs256("eve", "stream:read stream:write", json!({ "roles": { "run-1": "viewer" } }));
    let spoofed = r#"{"id":"1","type":"presence:joined","timestamp":1,"data":{"userId":"a-payload"}}"#;
    let created = async |ids: &[&str]| {
        let taken = std::mem::take(&mut *records().lock().unwrap());
        let told: Vec<_> = taken
            .iter()
            .map(|line| line.split("audit_id=\"").nth(1).unwrap().split('"').next().unwrap().to_owned())
            .collect();
        assert_eq!(told, ids);
        let all = taken.join("\n");
        for secret in [ADMIN, eve.as_str(), "a-payload", "guess", "dsk_", "dss1."] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        all
    };
    send(&server, "PUT", path, ADMIN, "").await;
    send(&server, "GET", "/v1/stream/sessions/other", &eve, "").await;
    created(&[]).await;
    send(&server, "GET", path, "guess", "").await;
    assert!(created(&["authentication-refused"]).await.contains("sessions/run-1"));
    send(&server, "DELETE", path, &eve, "").await;
    let all = created(&["write-refused"]).await;
    assert!(all.contains("subject=\"eve\"") && all.contains("action=\"delete\""), "{all}");
    send(&server, "POST", path, &eve, &chunk("1", "x")).await;
    send(&server, "POST", path, &eve, spoofed).await;
    created(&["event-refused", "event-refused"]).await;
    let member = "/api/sessions/run-1/members/bob";
    send(&server, "PUT", member, ADMIN, r#"{"role":"viewer"}"#).await;
    send(&server, "DELETE", member, ADMIN, "").await;
    let all = created(&["member-set", "member-removed"]).await;
    assert!(all.contains("member=\"bob\"") && all.contains("role=\"viewer\""), "{all}");
    assert!(all.contains("object=\"sessions/run-1\""), "{all}");
    let key = json!({ "subject": "ci", "scope": "stream:read" }).to_string();
    let made = send(&server, "POST", "/api/auth/keys", ADMIN, &key).await.json();
    let id = made["data"]["id"].as_str().unwrap();
    send(&server, "DELETE", &format!("/api/auth/keys/{id}"), ADMIN, "").await;
    assert!(created(&["key-created", "key-revoked"]).await.contains(id));
    send(&server, "POST", "/api/auth/stream-token", ADMIN, r#"{"sessionId":"run-1"}"#).await;
    send(&server, "POST", "/api/auth/cookie", ADMIN, "").await;
    created(&["token-issued", "token-issued"]).await;
    let subscription = "/v1/stream/__ds/subscriptions/s";
    let asked = json!({ "type": "pull-wake", "pattern": "a/*", "wake_stream": "wake" }).to_string();
    send(&server, "PUT", subscription, ADMIN, &asked).await;
    send(&server, "DELETE", subscription, ADMIN, "").await;
    send(&server, "DELETE", path, ADMIN, "").await;
    created(&["subscription-created", "subscription-deleted", "stream-deleted"]).await;
}
