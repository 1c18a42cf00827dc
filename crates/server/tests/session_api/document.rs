//! The documents that are served.

use std::path::Path;

use serde_json::Value;

use crate::common::TestServer;

/// `UPDATE_OPENAPI=1` writes the files instead.
#[tokio::test]
async fn the_committed_documents_are_what_the_code_says() {
    let server = TestServer::start().await;
    for name in ["openapi.json", "asyncapi.json"] {
        let served = server.get(&format!("/api/{name}")).await;
        assert_eq!(served.header("content-type"), Some("application/json"));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&file, &served.body).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap();
        assert!(
            committed == served.text(),
            "docs/{name} is not what the code says: UPDATE_OPENAPI=1 writes it"
        );
    }
}

#[tokio::test]
async fn every_route_is_described_and_every_described_route_is_there() {
    let server = TestServer::start().await;
    let document: Value = server.get("/api/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let named = path.replace("{id}", "not.an.id").replace("{subject}", "ada").replace("{path}", "logs/a");
        let methods = methods.as_object().unwrap();
        for (method, operation) in methods {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            let is_public = matches!(path.as_str(), "/healthz" | "/readyz");
            let responses = &operation["responses"];
            for status in ["401", "403", "429", "503"] {
                let is_said = responses[status].is_object();
                assert!(is_said || is_public, "{method} {path} says nothing of {status}");
            }
            assert_eq!(operation["security"].as_array().unwrap().is_empty(), is_public, "{method} {path}");
        }
        // What is described is there, and what is there is described, method by method.
        for method in ["get", "put", "post", "delete", "patch"] {
            let mut request = crate::common::request(&method.to_uppercase(), &named);
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            let answer = server.send(request).await;
            let is_known = answer.status != 405;
            assert_eq!(is_known, methods.contains_key(method), "{method} {path}: {}", answer.status);
            assert_ne!(answer.code(), "NOT_FOUND", "{method} {path}");
        }
    }
    for expected in ["backup", "setMember", "listDeadLetters", "createKey", "metrics", "appendToStream"] {
        assert!(ids.contains(expected), "{expected}");
    }
}

/// What all answers have in common is said of each.
#[tokio::test]
async fn the_document_says_how_much_and_when_to_come_again() {
    let server = TestServer::start().await;
    let document: Value = server.get("/api/openapi.json").await.json();
    let resolved = |of: &Value| match of["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => of.clone(),
    };
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = resolved(response);
                let has = |name: &str| resolved(&response["headers"][name])["schema"].is_object();
                let is_public = matches!(path.as_str(), "/healthz" | "/readyz");
                if matches!(status.as_str(), "429" | "503" | "507") && !is_public {
                    assert!(has("Retry-After"), "{method} {path} {status}");
                }
                if matches!(status.as_str(), "200" | "201" | "204" | "429") && !is_public {
                    assert!(has("RateLimit-Remaining"), "{method} {path} {status}");
                }
            }
        }
    }
    let schemes = |path: &str, method: &str| -> Vec<String> {
        let accepted = document["paths"][path][method]["security"].as_array().unwrap().iter();
        accepted.map(|one| one.as_object().unwrap().keys().next().unwrap().clone()).collect()
    };
    assert_eq!(schemes("/api/sessions/{id}/stream", "get"), ["bearer", "cookie", "streamToken"]);
    assert_eq!(schemes("/v1/stream/{path}", "get"), ["bearer", "cookie", "streamToken"]);
    assert_eq!(schemes("/v1/stream/{path}", "post"), ["bearer"]);
    assert_eq!(schemes("/api/sessions", "get"), ["bearer", "cookie"]);
    for scheme in ["bearer", "cookie", "streamToken"] {
        assert!(document["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
    }
}

#[tokio::test]
async fn the_schema_of_events_is_served() {
    let server = TestServer::start().await;
    let schema: Value = server.get("/api/schema.json").await.json();
    assert_eq!(schema["title"], "WireEvent");
}
