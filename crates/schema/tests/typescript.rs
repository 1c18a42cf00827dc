//! The declarations name everything the catalogue has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]
#![cfg(feature = "typescript")]

use durable_sessions_schema::{Channel, EVENTS, ErrorCode, Kind, SessionStatus, typescript};

/// The body of an interface.
fn interface<'t>(text: &'t str, name: &str) -> &'t str {
    let head = format!("export interface {name} {{");
    let start = text.find(&head).unwrap_or_else(|| panic!("no {head}")) + head.len();
    &text[start..start + text[start..].find("\n}").unwrap()]
}

fn type_of(kind: Kind) -> String {
    match kind {
        Kind::Text => "string".to_owned(),
        Kind::Integer | Kind::Number => "number".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Any => "Json".to_owned(),
        Kind::Object => "JsonObject".to_owned(),
        Kind::SchemaVersion => "SchemaVersion".to_owned(),
        Kind::Enum(spec) => spec.name.to_owned(),
        Kind::Struct(spec) => spec.name.to_owned(),
        // Ids have names of their own, which the tables do not keep.
        _ => String::new(),
    }
}

#[test]
fn every_payload_has_its_fields_with_their_types() {
    let text = typescript();
    for event in EVENTS {
        let body = interface(&text, event.payload.name);
        let declared = body.lines().filter(|line| line.ends_with(';')).count();
        assert_eq!(declared, event.payload.fields.len(), "{}: {body}", event.payload.name);
        for field in event.payload.fields {
            let mark = if field.required { "" } else { "?" };
            let line = format!("    {}{mark}: {}", field.name, type_of(field.kind));
            assert!(body.contains(&line), "{}: no {line:?} in {body}", event.payload.name);
        }
    }
}

#[test]
fn every_event_record_channel_and_code_is_declared() {
    let text = typescript();
    for event in EVENTS {
        let name = event.name;
        let wire = format!(
            "export interface {name}Event extends WireEventOf<\"{}\", {}> {{}}",
            event.event_type, event.payload.name
        );
        assert!(text.contains(&wire), "{wire}");
        assert!(text.contains(&format!("\n    | {name}Event")), "{name} is not in the union");
        let record = format!(
            "RecordOf<\"{}\", \"{}\", {}",
            event.channel.name(),
            event.event_type,
            event.payload.name
        );
        assert!(text.contains(&record), "{record}");
    }
    let strings = Channel::ALL.iter().map(|channel| channel.name());
    let strings = strings.chain(ErrorCode::ALL.iter().map(|code| code.code()));
    for string in strings.chain(SessionStatus::ALL.iter().map(|status| status.as_str())) {
        assert!(text.contains(&format!("\"{string}\"")), "{string}");
    }
    for name in ["SessionWithPresence", "Session", "PresenceEntry", "Meta", "CursorPosition"] {
        interface(&text, name);
    }
    assert!(!text.contains("extends JsonObject"));
}
