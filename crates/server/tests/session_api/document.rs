//! The documents that are served.

use std::path::Path;

use serde_json::Value;

use crate::common::TestServer;

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

/// `UPDATE_OPENAPI=1` writes the file instead.
#[tokio::test]
async fn the_committed_document_is_what_the_code_says() {
    let server = TestServer::start().await;
    let served = server.get("/api/openapi.json").await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(committed(), &served.body).unwrap();
    }
    let committed = std::fs::read_to_string(committed()).unwrap();
    assert!(
        committed == served.text(),
        "docs/openapi.json is not what the code says: UPDATE_OPENAPI=1 writes it"
    );
}

#[tokio::test]
async fn every_route_is_described_and_every_described_route_is_there() {
    let server = TestServer::start().await;
    let document: Value = server.get("/api/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            assert!(operation["responses"]["401"].is_object(), "{method} {path} says nothing of 401");
            let path = path.replace("{id}", "not.an.id");
            let answer = server.send(crate::common::request(&method.to_uppercase(), &path)).await;
            assert_ne!(answer.status, 405, "{method} {path}");
            assert_ne!(answer.code(), "NOT_FOUND", "{method} {path}");
        }
    }
    assert_eq!(operations, 16);
}

#[tokio::test]
async fn the_schema_of_events_is_served() {
    let server = TestServer::start().await;
    let schema: Value = server.get("/api/schema.json").await.json();
    assert_eq!(schema["title"], "WireEvent");
}
