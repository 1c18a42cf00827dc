//! The live answers as a document: AsyncAPI 3.0, made from the schema of events. Must not know how anything is sent.
//!
//! Two channels carry a session's events: the one for a plain `EventSource`, an event in each frame, and the protocol's
//! own, with batches and control events. Every message of either is named by what is in it.

use std::sync::LazyLock;

use durable_sessions_schema::{EVENTS, json_schema};
use serde_json::{Map, Value, json};

/// Where the document keeps schemas, instead of where they refer to each other in the schema of events.
const SCHEMAS: &str = "#/components/schemas/";
const DEFS: &str = "#/$defs/";
const EVENT_SOURCE: &str = "/api/sessions/{id}/stream";
const STREAM: &str = "/v1/stream/sessions/{id}";

/// The document, as it is served.
pub(super) fn asyncapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));
    &TEXT
}

fn document() -> Value {
    let (schemas, names) = schemas();
    let mut messages = Map::new();
    let mut frames = Map::new();
    for (name, event) in names.iter().zip(EVENTS) {
        let stored = event.event_type != "presence:cursor";
        let message = message(
            event.event_type,
            event.doc(),
            if stored { "stored" } else { "passedOn" },
            &json!({ "$ref": format!("{SCHEMAS}{name}") }),
        );
        messages.insert(name.clone(), message);
        frames.insert(name.clone(), component("messages", name));
    }
    for (name, message) in own_messages() {
        messages.insert(name.to_owned(), message);
    }
    for name in ["UnknownEvent", "Connected", "Closed"] {
        frames.insert(name.to_owned(), component("messages", name));
    }
    let batches: Map<_, _> = ["Batch", "Control", "Ephemeral"]
        .map(|name| (name.to_owned(), component("messages", name)))
        .into_iter()
        .collect();
    let security = ["bearer", "cookie", "streamToken"].map(|scheme| component("securitySchemes", scheme));
    let id = json!({ "id": { "description": "The session: 1 to 100 letters, digits, '-' or '_'." } });
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "durable-sessions",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a session sends to who follows it. Requests and other answers are in the OpenAPI document.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:4437",
                "protocol": "http",
                "description": "A server with its default address.",
                "security": security,
            },
        },
        "channels": {
            "eventSource": {
                "address": EVENT_SOURCE,
                "title": "A session's events for a plain EventSource",
                "description": "Server-sent events, one wire event in each `data`; `id` is the cursor behind it, which comes back as `Last-Event-ID`. `: ping` fills silence. Rotated about once a minute.",
                "parameters": id,
                "messages": frames,
            },
            "stream": {
                "address": STREAM,
                "title": "A session's stream",
                "description": "Server-sent events of the Durable Streams protocol, section 5.8: `event: data` with an array of wire events, each followed by `event: control`. Asked for with `live=sse` and an offset.",
                "parameters": id,
                "messages": batches,
            },
        },
        "operations": {
            "sendToEventSource": operation(
                "eventSource", "Sends the events from a cursor on, and what follows.", &frames,
                &json!({
                    "offset": { "type": "string", "description": "A cursor, a count of events already seen, or `now`. From the start when absent." },
                    "ephemeral": { "type": "boolean", "description": "Also what is not stored." },
                    "token": { "type": "string", "description": "A stream token." },
                }),
            ),
            "sendToStream": operation(
                "stream", "Sends the events from an offset on, and what follows.", &batches,
                &json!({
                    "offset": { "type": "string", "description": "An offset of this server, `-1` or `now`." },
                    "live": { "const": "sse" },
                    "ephemeral": { "type": "boolean", "description": "Also what is not stored." },
                    "token": { "type": "string", "description": "A stream token." },
                }),
            ),
        },
        "components": {
            "messages": messages,
            "messageTraits": traits(),
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "cookie": { "type": "httpApiKey", "in": "cookie", "name": crate::identity::COOKIE_SECURE },
                "streamToken": { "type": "httpApiKey", "in": "query", "name": "token" },
            },
        },
    })
}

/// The schemas of events with their references as this document needs them, and the names of the events' own, in the
/// order of the catalogue.
fn schemas() -> (Map<String, Value>, Vec<String>) {
    // It is made by a serializer, so that it can be read.
    let mut document: Value = serde_json::from_str(&json_schema()).unwrap_or_default();
    refer(&mut document);
    let names = document["oneOf"].as_array().into_iter().flatten().filter_map(|event| {
        event["$ref"].as_str().and_then(|name| name.strip_prefix(SCHEMAS)).map(str::to_owned)
    });
    let names = names.collect();
    let one_of = document["oneOf"].take();
    let mut schemas = match document["$defs"].take() {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    };
    // What a consumer's own code is given does not travel.
    schemas.retain(|name, _| {
        !name.ends_with("Record") && !["Session", "SessionWithPresence", "ErrorCode"].contains(&name.as_str())
    });
    schemas.insert("WireEvent".to_owned(), json!({ "description": "An event.", "oneOf": one_of }));
    (schemas, names)
}

fn refer(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => *text = text.replacen(DEFS, SCHEMAS, 1),
                    member => refer(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}

/// What is sent beside the events of the catalogue.
fn own_messages() -> [(&'static str, Value); 6] {
    let cursor = json!({ "type": "string", "pattern": "^[0-9]{20}$", "description": "The cursor there." });
    let any_event = json!({ "$ref": format!("{SCHEMAS}WireEvent") });
    [
        (
            "UnknownEvent",
            message(
                "unknown",
                "An event type that is not in the catalogue, passed through.",
                "stored",
                &json!({ "$ref": format!("{SCHEMAS}UnknownEvent") }),
            ),
        ),
        (
            "Connected",
            message(
                "connected",
                "The first frame: where the connection begins.",
                "frame",
                &json!({
                    "type": "object",
                    "required": ["type", "sessionId", "offset", "cursor", "timestamp"],
                    "properties": {
                        "type": { "const": "connected" },
                        "sessionId": { "type": "string" },
                        "offset": { "type": "integer", "minimum": 0, "description": "How many events stand before." },
                        "cursor": cursor,
                        "timestamp": { "type": "integer", "description": "Unix milliseconds." },
                        "missed": { "type": "integer", "minimum": 1, "description": "So many events before it were given up by retention." },
                    },
                }),
            ),
        ),
        (
            "Closed",
            message(
                "closed",
                "The last frame of a closed session. Who comes back gets 204.",
                "frame",
                &json!({
                    "type": "object",
                    "required": ["type"],
                    "properties": { "type": { "const": "closed" } },
                }),
            ),
        ),
        (
            "Batch",
            message(
                "data",
                "Events that follow each other.",
                "data",
                &json!({ "type": "array", "minItems": 1, "items": any_event }),
            ),
        ),
        (
            "Control",
            message(
                "control",
                "Where the reader stands after what was sent.",
                "control",
                &json!({
                    "type": "object",
                    "required": ["streamNextOffset"],
                    "properties": {
                        "streamNextOffset": { "type": "string", "description": "Where to go on." },
                        "streamCursor": { "type": "string", "description": "To be sent back as `cursor`." },
                        "upToDate": { "type": "boolean", "description": "Whether that is the end now." },
                        "streamClosed": { "type": "boolean", "description": "Whether that is the end for good." },
                        "streamMessageCount": { "type": "integer", "minimum": 0, "description": "How many events stand before the end of what was sent." },
                    },
                }),
            ),
        ),
        (
            "Ephemeral",
            message(
                "ephemeral",
                "An event that is not stored: a cursor that moved.",
                "passedOn",
                &json!({ "$ref": format!("{SCHEMAS}PresenceCursorEvent") }),
            ),
        ),
    ]
}

fn message(name: &str, summary: &str, kind: &str, payload: &Value) -> Value {
    json!({
        "name": name,
        "summary": summary,
        "contentType": "application/json",
        "traits": [component("messageTraits", kind)],
        "payload": payload,
    })
}

/// The fields of a frame beside its data.
fn traits() -> Value {
    let named = |description: &str, name: Option<&str>, id: bool| {
        let mut fields = Map::new();
        if let Some(name) = name {
            fields.insert("event".to_owned(), json!({ "const": name }));
        }
        if id {
            let cursor =
                json!({ "type": "string", "pattern": "^[0-9]{20}$", "description": "The cursor behind it." });
            fields.insert("id".to_owned(), cursor);
        }
        let required: Vec<&String> = fields.keys().collect();
        let headers = json!({ "type": "object", "description": description, "required": required, "properties": fields });
        json!({ "headers": headers })
    };
    json!({
        "stored": named("The fields of an unnamed frame.", None, true),
        "frame": named("The fields of an unnamed frame.", None, false),
        "passedOn": named("The fields of a frame without id: it has no place in the stream.", Some("ephemeral"), false),
        "data": named("The fields of a frame.", Some("data"), false),
        "control": named("The fields of a frame.", Some("control"), false),
    })
}

fn operation(channel: &str, summary: &str, messages: &Map<String, Value>, query: &Value) -> Value {
    let of_channel = |name: &String| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "messages": messages.keys().map(of_channel).collect::<Vec<_>>(),
        "bindings": {
            "http": {
                "method": "GET",
                "query": { "type": "object", "properties": query },
                "bindingVersion": "0.3.0",
            },
        },
    })
}

fn component(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_a_message_and_every_reference_leads_somewhere() {
        let document = document();
        let messages = document["components"]["messages"].as_object().unwrap();
        for event in EVENTS {
            let named = messages.values().filter(|message| message["name"] == event.event_type);
            assert_eq!(named.count(), 1, "{}", event.event_type);
        }
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|member| walk(member, document));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, document)),
                _ => {}
            }
        }
        walk(&document, &document);
        assert!(document["components"]["schemas"].as_object().unwrap().len() > EVENTS.len());
    }
}
