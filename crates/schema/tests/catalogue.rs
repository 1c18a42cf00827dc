//! Names on the wire are for ever: all of them are pinned in a file. To change it on purpose, run with
//! `UPDATE_SNAPSHOTS=1` and read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

use std::fmt::Write as _;
use std::path::Path;

use durable_sessions_schema::{
    Channel, Discriminant, ENVELOPE, EVENTS, ErrorCode, EventIndex, Kind, ObjectType, RejectionCode, Session,
    SessionWithPresence, StructSpec,
};

fn pinned(name: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    let before = std::fs::read_to_string(&path).unwrap();
    assert!(before == now, "{name} differs from what is pinned; now it is:\n{now}");
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Enum(spec) => spec.values.join("|"),
        Kind::Struct(spec) => spec.name.to_owned(),
        Kind::Nullable(inner) => format!("{}|null", self::kind(*inner)),
        Kind::List(inner) => format!("{}[]", self::kind(*inner)),
        other => format!("{other:?}"),
    }
}

fn object(out: &mut String, spec: &StructSpec) {
    for field in spec.fields {
        let optional = if field.required { "" } else { "?" };
        let aliases: String = field.aliases.iter().map(|alias| format!(" = {alias}")).collect();
        writeln!(out, "    {}{optional}{aliases}: {}", field.name, kind(field.kind)).unwrap();
    }
    for name in spec.ignored {
        writeln!(out, "    {name} is ignored").unwrap();
    }
}

#[test]
fn names_fields_and_channels_are_pinned() {
    let mut out = String::new();
    for spec in [
        &ENVELOPE,
        durable_sessions_schema::Meta::SPEC,
        durable_sessions_schema::CursorPosition::SPEC,
        Session::SPEC,
        SessionWithPresence::SPEC,
        durable_sessions_schema::PresenceEntry::SPEC,
    ] {
        writeln!(out, "{}", spec.name).unwrap();
        object(&mut out, spec);
    }
    for event in EVENTS {
        let added = match event.discriminant {
            Discriminant::None => String::new(),
            Discriminant::Fixed { field, value } => format!(" + {field}: {value}"),
            Discriminant::ToolOutcome => " + status: complete|error".to_owned(),
        };
        writeln!(out, "{} -> {}{added}", event.event_type, event.channel.name()).unwrap();
        object(&mut out, event.payload);
    }
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
    writeln!(out, "error codes: {}", codes.join(" ")).unwrap();
    let codes: Vec<&str> = RejectionCode::ALL.iter().map(|code| code.as_str()).collect();
    writeln!(out, "rejection codes: {}", codes.join(" ")).unwrap();
    pinned("catalogue.txt", &out);
}

#[test]
fn every_type_is_found_and_nothing_else() {
    for (position, event) in EVENTS.iter().enumerate() {
        assert_eq!(EventIndex::of(event.event_type).map(EventIndex::position), Some(position));
        let near = format!("{}x", event.event_type);
        assert_eq!(EventIndex::of(&near), None, "{near}");
    }
    for other in ["", "Chunk", "chunks", "tool", "connected"] {
        assert_eq!(EventIndex::of(other), None, "{other}");
    }
}

#[test]
fn no_two_fields_of_an_object_share_a_name() {
    for event in EVENTS {
        let fields = event.payload.fields.iter();
        let names = fields
            .flat_map(|field| std::iter::once(field.name.as_str()).chain(field.aliases.iter().copied()));
        let mut names: Vec<_> = names.chain(event.payload.ignored.iter().copied()).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", event.event_type);
    }
}

#[test]
fn channels_are_found_by_name() {
    for channel in Channel::ALL {
        assert_eq!(Channel::from_name(channel.name()), Some(*channel));
        assert_eq!(serde_json::to_value(channel).unwrap(), channel.name());
    }
    assert_eq!(Channel::from_name("Chunks"), None);
}
