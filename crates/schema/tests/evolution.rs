//! Events outlive the version that wrote them. `fixtures/events-v1.jsonl` holds what the first version wrote, every
//! type with all of its fields and with the required ones only; it is never edited, only added to. Each line is read
//! as it stands. `fixtures/events-later.jsonl` holds what a later version may write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

use std::collections::BTreeSet;

use durable_sessions_schema::{EVENTS, Event, Kind, Parser, Payload, StructSpec};
use serde_json::{Map, Value, json};

const FIRST: &str = include_str!("fixtures/events-v1.jsonl");
const LATER: &str = include_str!("fixtures/events-later.jsonl");

#[test]
fn events_of_the_first_version_are_read() {
    for line in FIRST.lines() {
        let event = Event::from_json(line.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{line}"));
        assert!(!matches!(event.payload, Payload::Unknown { .. }), "{line}");
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), value, "{line}");
        let unknown_in_data = serde_json::to_value(&event.payload).unwrap().as_object().unwrap().len();
        let mut parser = Parser::new();
        let view = parser.parse_event(line.as_bytes()).unwrap();
        assert_eq!(view.extras().len(), 0, "a field of the first version is no longer known: {line}");
        assert_eq!(view.present_mask().count_ones() as usize, unknown_in_data);
    }
}

#[test]
fn the_first_version_is_all_there() {
    let types: BTreeSet<String> = FIRST
        .lines()
        .map(|line| Event::from_json(line.as_bytes()).unwrap().event_type().to_owned())
        .collect();
    assert_eq!(types.len(), 47);
    assert_eq!(FIRST.lines().count(), 2 * types.len());
}

#[test]
fn events_of_a_later_version_pass_through() {
    for line in LATER.lines() {
        let event = Event::from_json(line.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{line}"));
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), value, "{line}");
    }
    let unknown = LATER.lines().filter(|line| {
        matches!(Event::from_json(line.as_bytes()), Ok(Event { payload: Payload::Unknown { .. }, .. }))
    });
    assert_eq!(unknown.count(), 2);
}

/// How the first version's file was made; a new event type's lines come from here as well.
fn example(kind: Kind, name: &str) -> Value {
    match kind {
        Kind::Text => json!(format!("some {name}")),
        Kind::Id | Kind::EventType => json!(format!("{name}-1")),
        Kind::SessionId => json!("session_1"),
        Kind::Integer => json!(7),
        Kind::Number => json!(12.5),
        Kind::Bool => json!(false),
        Kind::Enum(spec) => json!(spec.values.last()),
        Kind::Any => json!({ "any": [1, "two", null, true] }),
        Kind::Object | Kind::Payload => json!({ "key": "value" }),
        Kind::Struct(spec) => object(spec, true),
        Kind::Nullable(inner) => example(*inner, name),
        Kind::List(inner) => json!([example(*inner, name)]),
        Kind::SchemaVersion => json!(1),
    }
}

fn object(spec: &StructSpec, whole: bool) -> Value {
    let fields = spec.fields.iter().filter(|field| whole || field.required);
    Value::Object(
        fields
            .map(|field| (field.name.to_string(), example(field.kind, field.name.as_str())))
            .collect::<Map<_, _>>(),
    )
}

#[test]
fn every_event_of_this_version_is_in_a_fixture() {
    let mut missing = String::new();
    for (i, event) in EVENTS.iter().enumerate() {
        for whole in [true, false] {
            let id = format!("e-{i}-{whole}");
            let mut line =
                json!({ "id": id, "type": event.event_type, "timestamp": 1_700_000_000_000_u64 + i as u64 });
            line["data"] = object(event.payload, whole);
            if whole {
                line["meta"] = object(durable_sessions_schema::Meta::SPEC, true);
            }
            let has = |line: &str| {
                let value: Value = serde_json::from_str(line).unwrap();
                value["type"] == event.event_type && value.get("meta").is_some() == whole
            };
            if !FIRST.lines().any(has) {
                missing.push_str(&format!("{line}\n"));
            }
        }
    }
    assert!(missing.is_empty(), "add these lines to the fixture:\n{missing}");
}

use durable_sessions_schema::ObjectType as _;
