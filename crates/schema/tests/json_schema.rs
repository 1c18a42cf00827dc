//! The JSON Schema document says what the parser says, on generated good and bad events. The evaluator below knows
//! exactly the keywords that the document uses and fails on any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::sync::LazyLock;

use common::{Node, Style, any_event, any_json};
use durable_sessions_schema::{EVENTS, Event, Parser, RecordPlace, json_schema};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&json_schema()).unwrap());

fn accepts(schema: &Value, value: &Value) -> bool {
    let Value::Object(schema) = schema else { return schema == &json!(true) };
    let all = |schemas: &Value, value: &Value| {
        schemas.as_array().unwrap().iter().filter(|s| accepts(s, value)).count()
    };
    schema.iter().all(|(keyword, argument)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" | "deprecated" => true,
        "$ref" => {
            let pointer = argument.as_str().unwrap().strip_prefix('#').unwrap();
            accepts(DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}")), value)
        }
        "type" => match argument {
            Value::Array(types) => types.iter().any(|one| is_of(one.as_str().unwrap(), value)),
            one => is_of(one.as_str().unwrap(), value),
        },
        "const" => value == argument,
        "enum" => argument.as_array().unwrap().contains(value),
        "not" => !accepts(argument, value),
        "oneOf" => all(argument, value) == 1,
        "anyOf" => all(argument, value) >= 1,
        "allOf" => all(argument, value) == argument.as_array().unwrap().len(),
        "properties" => value.as_object().is_none_or(|object| {
            let properties = argument.as_object().unwrap();
            properties
                .iter()
                .all(|(name, schema)| object.get(name).is_none_or(|value| accepts(schema, value)))
        }),
        "required" => value.as_object().is_none_or(|object| {
            argument.as_array().unwrap().iter().all(|n| object.contains_key(n.as_str().unwrap()))
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| accepts(argument, item))),
        "minimum" => value.as_f64().is_none_or(|number| number >= argument.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= argument.as_f64().unwrap()),
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= argument.as_u64().unwrap())
        }
        "maxLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 <= argument.as_u64().unwrap())
        }
        "pattern" => value.as_str().is_none_or(|text| match argument.as_str().unwrap() {
            "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" => !text.chars().any(char::is_control),
            "^[A-Za-z0-9_-]{1,100}$" => {
                (1..=100).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
            other => panic!("pattern {other}"),
        }),
        other => panic!("keyword {other}"),
    })
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

/// Every object in the tree, the outermost first.
fn objects(node: &mut Node) -> Vec<&mut Vec<(String, Node)>> {
    // Only the levels that tables describe: the event, and what is directly in it.
    let Node::Object(fields) = node else { return Vec::new() };
    let mut found = Vec::new();
    for (_, value) in fields.iter_mut() {
        if let Node::Object(inner) = value {
            found.push(inner);
        }
    }
    found
}

/// A change that often, but not always, makes the event bad.
fn change(node: &mut Node, level: Index, which: Index, how: u8, other: Node) {
    let inner = objects(node).len();
    let level = level.index(inner + 1);
    let mut inner = objects(node);
    let fields = if level < inner.len() { inner.swap_remove(level) } else { node.fields() };
    if fields.is_empty() {
        return;
    }
    let at = which.index(fields.len());
    match how {
        0 => drop(fields.remove(at)),
        1 => fields[at].1 = other,
        2 => fields[at].1 = Node::Text(String::new()),
        _ => fields[at].1 = Node::Raw("-1".to_owned()),
    }
}

/// An integer written with a fraction or an exponent: the one difference that a value cannot show.
fn has_unusual_integer(node: &Node) -> bool {
    match node {
        Node::Raw(raw) => {
            raw.contains(['.', 'e', 'E', '-']) && raw.parse::<f64>().is_ok_and(|number| number.fract() == 0.0)
        }
        Node::Text(_) => false,
        Node::Array(items) => items.iter().any(has_unusual_integer),
        Node::Object(fields) => fields.iter().any(|(_, value)| has_unusual_integer(value)),
    }
}

proptest! {
    #![proptest_config(common::cases(300))]

    #[test]
    fn both_accept_good_events(node in any_event()) {
        let text = Style::plain().write(&node);
        prop_assert!(Parser::new().parse_event(text.as_bytes()).is_ok());
        prop_assert!(accepts(&DOCUMENT, &serde_json::from_str(&text).unwrap()), "{}", text);
    }

    #[test]
    fn both_say_the_same_of_changed_events(
        good in any_event(), level: Index, which: Index, how in 0..4_u8, other in any_json(),
    ) {
        let mut node = good;
        change(&mut node, level, which, how, other);
        prop_assume!(!has_unusual_integer(&node) || how == 3);
        let text = Style::plain().write(&node);
        let parsed = Parser::new().parse_event(text.as_bytes()).map(|_| ());
        let agreed = parsed.is_ok() == accepts(&DOCUMENT, &serde_json::from_str(&text).unwrap());
        prop_assert!(agreed, "{:?}\n{}", parsed, text);
    }

    #[test]
    fn records_are_as_the_document_says((spec, node) in common::known_event()) {
        let event = Event::from_json(Style::plain().write(&node).as_bytes()).unwrap();
        let (id, timestamp) = (event.id.to_string(), event.timestamp_ms);
        let place = RecordPlace { session_id: "s-1".parse().unwrap(), offset: 7, cursor: Some("c".to_owned()) };
        let record = serde_json::to_value(event.into_record(place)).unwrap();
        let schema = json!({ "$ref": format!("#/$defs/{}Record", spec.name) });
        prop_assert!(accepts(&schema, &record), "{}", record);
        prop_assert_eq!(&record["data"]["sessionId"], "s-1");
        prop_assert_eq!(record["data"]["timestamp"].as_u64(), Some(timestamp));
        prop_assert_eq!(record["id"].as_str(), Some(id.as_str()));
        prop_assert_eq!(record["type"].as_str(), Some(spec.event_type));
        prop_assert_eq!(&record["channel"], spec.channel.name());
    }
}

#[test]
fn the_document_defines_every_event_and_what_goes_with_it() {
    let defs = DOCUMENT["$defs"].as_object().unwrap();
    for event in EVENTS {
        for name in
            [format!("{}Event", event.name), format!("{}Record", event.name), event.payload.name.to_owned()]
        {
            assert!(defs.contains_key(&name), "{name}");
        }
    }
    for name in
        ["Meta", "Session", "SessionWithPresence", "SessionStatus", "ErrorCode", "UnknownEvent", "Record"]
    {
        assert!(defs.contains_key(name), "{name}");
    }
}
