//! What is generated into `pkg` is what the schema says today.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/generate/records.rs"]
mod records;
#[path = "../examples/generate/rejections.rs"]
mod rejections;

use std::fs;
use std::path::Path;

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkg").join(name);
    fs::read_to_string(&path).unwrap()
}

#[test]
fn constructors_are_up_to_date() {
    assert!(
        committed("src/generated/records.ts") == records::records(),
        "stale: run `npm run generate` in pkg"
    );
}

#[test]
fn types_are_up_to_date() {
    assert!(
        committed("src/generated/types.ts") == durable_sessions_schema::typescript(),
        "stale: run `npm run generate` in pkg"
    );
}

#[test]
fn rejections_are_up_to_date() {
    assert!(
        committed("test/generated/rejections.json") == rejections::rejections(),
        "stale: run `npm run generate` in pkg"
    );
}

#[test]
fn the_json_schema_is_up_to_date() {
    assert!(
        committed("src/generated/events.schema.json") == durable_sessions_schema::json_schema(),
        "stale: run `npm run generate` in pkg"
    );
}

#[test]
fn every_event_has_a_kind() {
    use durable_sessions_client_wasm::batch::word;
    use durable_sessions_schema::EVENTS;
    assert!(EVENTS.len() <= word::POSITION as usize);
}
