//! The JSON Schema document, from the tables. Must not know any event by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::catalogue::{ENVELOPE, EVENTS, Meta};
use crate::error_code::ErrorCode;
use crate::limits::{ID_CHARS_MAX, INTEGER_MAX, SCHEMA_VERSION};
use crate::session::{Session, SessionWithPresence};
use crate::spec::{Discriminant, EventSpec, FieldSpec, FieldType, Kind, StructSpec};

/// The JSON Schema (draft 2020-12) of a wire event; channel records, sessions and error codes are in its `$defs`.
///
/// It accepts what the parser accepts. What it cannot express, the parser alone refuses: the depth limit, repeated
/// fields, half surrogate pairs, numbers of 1e308 and more in magnitude, and integers that are written with a
/// fraction or an exponent.
#[must_use]
pub fn json_schema() -> String {
    let mut defs = BTreeMap::new();
    let wire: Vec<Value> = EVENTS.iter().map(|event| wire_event(event, &mut defs)).collect();
    let records: Vec<Value> = EVENTS.iter().map(|event| record(event, &mut defs)).collect();
    let known: Vec<&str> = EVENTS.iter().map(|event| event.event_type).collect();
    let mut unknown = envelope(&json!({ "not": { "enum": known } }), &json!(true), &mut defs);
    unknown
        .insert("description".into(), "An event type that is not in the catalogue, passed through.".into());
    define(&mut defs, "UnknownEvent", Value::Object(unknown));
    let mut one_of = wire;
    one_of.push(reference("UnknownEvent"));
    for kind in [
        <Meta as FieldType>::KIND,
        <Session as FieldType>::KIND,
        <SessionWithPresence as FieldType>::KIND,
        <ErrorCode as FieldType>::KIND,
    ] {
        value(&kind, &mut defs);
    }
    define(
        &mut defs,
        "Record",
        json!({ "description": "An event as a consumer of its channel gets it.", "oneOf": records }),
    );
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": ENVELOPE.name,
        "description": ENVELOPE.doc(),
        "oneOf": one_of,
        "$defs": defs,
    });
    let mut text = format!("{document:#}");
    text.push('\n');
    text
}

type Defs = BTreeMap<String, Value>;

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn define(defs: &mut Defs, name: &str, schema: Value) -> Value {
    defs.insert(name.to_owned(), schema);
    reference(name)
}

fn wire_event(event: &EventSpec, defs: &mut Defs) -> Value {
    let data = value(&Kind::Struct(event.payload), defs);
    let mut schema = envelope(&json!({ "const": event.event_type }), &data, defs);
    schema.insert("description".into(), event.doc().into());
    define(defs, &format!("{}Event", event.name), Value::Object(schema))
}

/// The envelope's table with these schemas for `type` and `data`.
fn envelope(event_type: &Value, data: &Value, defs: &mut Defs) -> Map<String, Value> {
    object(&ENVELOPE, defs, &mut |field, defs| match field.kind {
        Kind::EventType => {
            let mut schema = json!({ "allOf": [value(&Kind::EventType, defs), event_type] });
            if event_type.get("const").is_some() {
                schema = event_type.clone();
            }
            schema
        }
        Kind::Payload => data.clone(),
        _ => value(&field.kind, defs),
    })
}

fn record(event: &EventSpec, defs: &mut Defs) -> Value {
    let mut added = json!({
        "sessionId": value(&Kind::SessionId, defs),
        "timestamp": value(&Kind::Integer, defs),
    });
    match event.discriminant {
        Discriminant::None => {}
        Discriminant::Fixed { field, value } => added[field] = json!({ "const": value }),
        Discriminant::ToolOutcome => added["status"] = json!({ "enum": ["complete", "error"] }),
    }
    let names: Vec<&String> = added.as_object().map(|added| added.keys().collect()).unwrap_or_default();
    let payload = value(&Kind::Struct(event.payload), defs);
    let schema = json!({
        "description": event.doc(),
        "type": "object",
        "properties": {
            "channel": { "const": event.channel.name() },
            "type": { "const": event.event_type },
            "id": value(&Kind::Id, defs),
            "data": { "allOf": [payload, { "properties": added, "required": names }] },
            "offset": value(&Kind::Integer, defs),
            "cursor": { "type": ["string", "null"] },
            "meta": value(&<Meta as FieldType>::KIND, defs),
        },
        "required": ["channel", "type", "id", "data", "offset", "cursor"],
    });
    define(defs, &format!("{}Record", event.name), schema)
}

/// An object's schema. A field with aliases is a property under each of its names, of which at most (if required:
/// exactly) one may be there.
fn object(
    spec: &StructSpec,
    defs: &mut Defs,
    of_field: &mut dyn FnMut(&FieldSpec, &mut Defs) -> Value,
) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut rules = Vec::new();
    for field in spec.fields {
        let mut schema = of_field(field, defs);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".into(), field.doc().into());
        }
        properties.insert(field.name.to_string(), schema.clone());
        for alias in field.aliases {
            properties.insert((*alias).into(), schema.clone());
        }
        let names: Vec<&str> =
            core::iter::once(field.name.as_str()).chain(field.aliases.iter().copied()).collect();
        if names.len() == 1 {
            if field.required {
                required.push(field.name.as_str());
            }
            continue;
        }
        let mut one_of: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
        if !field.required {
            let any: Vec<Value> = one_of.clone();
            one_of.push(json!({ "not": { "anyOf": any } }));
        }
        rules.push(json!({ "oneOf": one_of }));
    }
    for ignored in spec.ignored {
        properties.insert((*ignored).into(), json!({ "description": "Ignored.", "deprecated": true }));
    }
    let mut schema = Map::new();
    schema.insert("description".into(), spec.doc().into());
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    if !rules.is_empty() {
        schema.insert("allOf".into(), rules.into());
    }
    schema
}

fn value(kind: &Kind, defs: &mut Defs) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Id | Kind::EventType => define(
            defs,
            "Id",
            json!({
                "type": "string",
                "minLength": 1,
                "maxLength": ID_CHARS_MAX,
                "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
            }),
        ),
        Kind::SessionId => {
            define(defs, "SessionId", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$" }))
        }
        Kind::Integer => json!({ "type": "integer", "minimum": 0, "maximum": INTEGER_MAX }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Any | Kind::Payload => json!({}),
        Kind::Object => json!({ "type": "object" }),
        Kind::Enum(spec) => define(defs, spec.name, json!({ "type": "string", "enum": spec.values })),
        Kind::Struct(spec) => {
            if !defs.contains_key(spec.name) {
                let schema = object(spec, defs, &mut |field, defs| value(&field.kind, defs));
                define(defs, spec.name, Value::Object(schema));
            }
            reference(spec.name)
        }
        Kind::Nullable(inner) => json!({ "anyOf": [{ "type": "null" }, value(inner, defs)] }),
        Kind::List(inner) => json!({ "type": "array", "items": value(inner, defs) }),
        Kind::SchemaVersion => json!({ "const": SCHEMA_VERSION }),
    }
}
