//! TypeScript declarations: tsify's of every Rust type, and from the tables the wire events and records over them.
//! Must not know any event by name.

use crate::catalogue::EVENTS;
use crate::channel::Channel;
use crate::spec::{Discriminant, EventSpec};
use crate::{catalogue, channel, enums, error_code, id, session};

const HEAD: &str = "\
// Generated from crates/schema; do not edit.

/** Any JSON value. */
export type Json = unknown;
/** Any JSON object. */
export type JsonObject = Record<string, unknown>;
/** A value that is always there but may be null. */
export type Nullable<T> = T | null;
/** `meta.schemaVersion`. */
export type SchemaVersion = 1;

/** What surrounds every payload on the wire. Fields that this version does not know are kept. */
export interface WireEventOf<T extends string, D> {
    /** Unique within the session. */
    id: EventId;
    /** Selects the shape of `data`. */
    type: T;
    /** Unix milliseconds. */
    timestamp: number;
    /** The payload. */
    data: D;
    /** How the event relates to others. */
    meta?: Meta;
}

/** What a record's `data` has beside the payload, from the stream and the envelope. */
export interface RecordStamp {
    sessionId: SessionId;
    /** Unix milliseconds. */
    timestamp: number;
}

/** What surrounds the `data` of every channel record. */
export interface RecordOf<C extends Channel, T extends string, D> {
    channel: C;
    /** The event's type. */
    type: T;
    /** The event's id. */
    id: EventId;
    data: D & RecordStamp;
    /** How many events stand up to and including this one, from the start of the stream. */
    offset: number;
    /** The last cursor known when the event arrived. */
    cursor: string | null;
    /** How the event relates to others. */
    meta?: Meta;
}

/** An event type that is not in the catalogue, passed through. */
export type UnknownEvent = WireEventOf<string, Json>;
";

/// The declarations of every event, record, enum, id, session and error code, as the text of one `.d.ts` module.
#[must_use]
pub fn typescript() -> String {
    let mut text = String::from(HEAD);
    let declarations = id::DECLARATIONS
        .iter()
        .chain(enums::DECLARATIONS)
        .chain(error_code::DECLARATIONS)
        .chain(channel::DECLARATIONS)
        .copied()
        .chain(catalogue::declarations())
        .chain(session::DECLARATIONS.iter().copied());
    for declaration in declarations {
        text.push('\n');
        // Unknown fields are kept in the values; an index signature would let every misspelt name compile.
        text.push_str(&declaration.replacen(" extends JsonObject {", " {", 1));
        text.push('\n');
    }
    for event in EVENTS {
        wire_event(&mut text, event);
    }
    union(&mut text, "An event of the catalogue, told apart by `type`.", "WireEvent", |_| true, "Event");
    for channel in Channel::ALL {
        record(&mut text, *channel);
    }
    records(&mut text);
    text
}

fn doc(text: &mut String, words: &str) {
    text.push_str("\n/** ");
    text.push_str(words);
    text.push_str(" */\n");
}

fn wire_event(text: &mut String, event: &EventSpec) {
    doc(text, event.doc());
    let EventSpec { name, event_type, payload, .. } = event;
    text.push_str(&format!(
        "export interface {name}Event extends WireEventOf<\"{event_type}\", {}> {{}}\n",
        payload.name
    ));
}

fn union(text: &mut String, words: &str, name: &str, keep: impl Fn(&EventSpec) -> bool, suffix: &str) {
    doc(text, words);
    text.push_str(&format!("export type {name} ="));
    for event in EVENTS.iter().filter(|event| keep(event)) {
        text.push_str(&format!("\n    | {}{suffix}", event.name));
    }
    text.push_str(";\n");
}

/// `toolCalls` -> `ToolCallsRecord`.
fn record_name(channel: Channel) -> String {
    let name = channel.name();
    let (first, rest) = name.split_at(1);
    format!("{}{rest}Record", first.to_ascii_uppercase())
}

fn record(text: &mut String, channel: Channel) {
    let name = record_name(channel);
    doc(text, &format!("A record of channel `{}`.", channel.name()));
    if channel == Channel::Unknown {
        text.push_str(&format!(
            "export type {name} = RecordOf<\"unknown\", string, JsonObject & {{ type: string }}>;\n"
        ));
        return;
    }
    text.push_str(&format!("export type {name} ="));
    for event in EVENTS.iter().filter(|event| event.channel == channel) {
        let payload = event.payload.name;
        let added = match event.discriminant {
            Discriminant::None => String::new(),
            Discriminant::Fixed { field, value } => format!(" & {{ {field}: \"{value}\" }}"),
            Discriminant::ToolOutcome => " & { status: \"complete\" | \"error\" }".to_owned(),
        };
        text.push_str(&format!(
            "\n    | RecordOf<\"{}\", \"{}\", {payload}{added}>",
            channel.name(),
            event.event_type
        ));
    }
    text.push_str(";\n");
}

fn records(text: &mut String) {
    doc(text, "An event as a consumer gets it, told apart by `channel`.");
    text.push_str("export type ChannelRecord =");
    for channel in Channel::ALL {
        text.push_str(&format!("\n    | {}", record_name(*channel)));
    }
    text.push_str(";\n");
}
