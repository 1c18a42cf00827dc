//! One fault at a known place: the rejection names its path, its cause and the event's type, and the neighbours of a
//! bad event are not touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::{Node, Style, known_event, raw, text};
use durable_sessions_schema::{
    ENVELOPE, EventSpec, FieldSpec, Kind, Parser, Rejection, RejectionCode, StructSpec, Verdict,
};
use proptest::prelude::*;
use proptest::sample::Index;

/// Something that this kind does not take, and why.
fn wrong(kind: Kind, pick: Index) -> Option<(Node, RejectionCode)> {
    use RejectionCode::{LoneSurrogate, MalformedId, NumberRange, SchemaVersion, UnknownValue, WrongType};
    let type_of = |node: Node| (node, WrongType);
    let lone = || (raw("\"a\\ud800b\""), LoneSurrogate);
    let long = || Node::Text("x".repeat(257));
    let choices = match kind {
        Kind::Any => vec![lone(), (raw("[1e308]"), NumberRange)],
        Kind::Text => vec![type_of(raw("1")), type_of(raw("null")), type_of(Node::Array(Vec::new())), lone()],
        Kind::Id | Kind::EventType => vec![
            type_of(raw("7")),
            (text(""), MalformedId),
            (text("a\u{1}"), MalformedId),
            (text("a\u{7f}"), MalformedId),
            (text("é\u{85}"), MalformedId),
            (long(), MalformedId),
        ],
        Kind::SessionId => vec![type_of(raw("true")), (text("a b"), MalformedId), (text("é"), MalformedId)],
        Kind::Integer => vec![
            type_of(text("1")),
            (raw("-1"), NumberRange),
            (raw("1.0"), NumberRange),
            (raw("1e3"), NumberRange),
            (raw("9007199254740992"), NumberRange),
            (raw("99999999999999999999999"), NumberRange),
        ],
        Kind::Number => vec![type_of(text("1")), (raw("1e308"), NumberRange), (raw("-10e307"), NumberRange)],
        Kind::Bool => vec![type_of(raw("0")), type_of(text("true")), type_of(raw("null"))],
        Kind::Enum(_) => vec![type_of(raw("1")), (text("nonsense"), UnknownValue), (text(""), UnknownValue)],
        Kind::Object | Kind::Struct(_) | Kind::Payload => {
            vec![type_of(raw("1")), type_of(Node::Array(Vec::new())), type_of(raw("null"))]
        }
        Kind::List(_) => vec![type_of(Node::Object(Vec::new()))],
        Kind::Nullable(inner) => return wrong(*inner, pick).filter(|(node, _)| *node != raw("null")),
        Kind::SchemaVersion => {
            vec![type_of(text("1")), (raw("2"), SchemaVersion), (raw("1.0"), SchemaVersion)]
        }
    };
    Some(choices[pick.index(choices.len())].clone())
}

/// Puts one fault into an object; returns what the rejection should say.
fn damage(
    object: &mut Node,
    spec: &'static StructSpec,
    path: &str,
    how: u8,
    which: Index,
    pick: Index,
) -> Option<(RejectionCode, String)> {
    let present: Vec<(usize, &'static FieldSpec)> = object
        .fields()
        .iter()
        .enumerate()
        .filter_map(|(at, (name, _))| {
            let named =
                |field: &&FieldSpec| field.name.as_str() == name || field.aliases.contains(&name.as_str());
            spec.fields.iter().find(named).map(|field| (at, field))
        })
        .collect();
    if present.is_empty() {
        return None;
    }
    let (at, field) = present[which.index(present.len())];
    let fields = object.fields();
    let name = fields[at].0.clone();
    match how {
        0 if field.required => {
            fields.remove(at);
            Some((RejectionCode::MissingField, format!("{path}.{}", field.name)))
        }
        1 => {
            // The second of the two is the one too many.
            let again = field.aliases.first().map_or(field.name.as_str(), |alias| alias);
            let value = fields[at].1.clone();
            fields.push((again.to_owned(), value));
            Some((RejectionCode::DuplicateField, format!("{path}.{again}")))
        }
        _ => {
            let (value, code) = wrong(field.kind, pick)?;
            let inner = if value == raw("[1e308]") { "[0]" } else { "" };
            fields[at].1 = value;
            Some((code, format!("{path}.{name}{inner}")))
        }
    }
}

fn only_rejection(text: &str, good: &str) -> Rejection {
    let mut parser = Parser::new();
    let alone = parser.parse_event(text.as_bytes()).expect_err("a fault was put in");
    // The same between two good ones.
    let array = format!("[{good},{text},{good}]");
    let mut verdicts = Vec::new();
    let count = parser.parse_messages(array.as_bytes(), &mut |verdict| {
        verdicts.push(match verdict {
            Verdict::Event(view) => {
                assert_eq!(view.raw(), good.trim().as_bytes());
                None
            }
            Verdict::Rejected { rejection, raw } => {
                assert_eq!(raw, text.trim().as_bytes());
                Some(rejection)
            }
        });
    });
    assert_eq!(count, Ok(3));
    assert!(verdicts[0].is_none() && verdicts[2].is_none());
    let between = verdicts[1].clone().expect("the middle one is bad");
    let shift = good.len() + 2;
    let shifted = Rejection { at: alone.at + shift, message_at: alone.message_at + shift, ..alone.clone() };
    assert_eq!(between, shifted);
    alone
}

proptest! {
    #![proptest_config(common::cases(1000))]

    #[test]
    fn one_fault_is_found_where_it_is(
        (spec, good) in known_event(),
        place in 0..3_u8,
        how in 0..4_u8,
        which: Index,
        pick: Index,
        seed: u64,
    ) {
        let spec: &'static EventSpec = spec;
        let mut bad = good.clone();
        let expected = match place {
            0 => damage(&mut bad, &ENVELOPE, "$", how, which, pick),
            1 => bad.entry("meta").and_then(|meta| {
                let Kind::Struct(spec) = ENVELOPE.fields[4].kind else { panic!("meta is an object") };
                damage(meta, spec, "$.meta", how, which, pick)
            }),
            _ => bad.entry("data").and_then(|data| damage(data, spec.payload, "$.data", how, which, pick)),
        };
        prop_assume!(expected.is_some());
        let (code, path) = expected.unwrap();
        // A type that is wrong or absent leaves the payload unchecked, and a wrong one is shown if it is a string.
        let typed = path != "$.type";
        let text = Style::of(seed).write(&bad);
        let rejection = only_rejection(&text, &Style::plain().write(&good));
        prop_assert_eq!((rejection.code, &rejection.path), (code, &path), "{}\n{}", rejection, text);
        if typed {
            prop_assert_eq!(rejection.event_type.as_deref(), Some(spec.event_type));
        }
        prop_assert!(rejection.at <= text.len());
        if code != RejectionCode::MissingField {
            let shown = rejection.came.trim_end_matches('…');
            prop_assert!(text[rejection.at..].starts_with(shown), "{:?}", rejection.came);
        }
    }
}

fn reject(text: &str) -> Rejection {
    Parser::new().parse_event(text.as_bytes()).expect_err(text)
}

#[test]
fn a_rejection_says_everything() {
    let rejection = reject(r#"{"id":"1","timestamp":5,"data":{"status":"asleep"},"type":"state:update"}"#);
    assert_eq!(
        rejection.message(),
        "state:update: $.data.status: expected one of idle, starting, running, paused, error, completed, \
         came \"asleep\" at byte 41"
    );
    let rejection = reject(r#"{"id":"1","type":"chunk","timestamp":5,"data":{}}"#);
    assert_eq!(rejection.message(), "chunk: $.data.text: expected field text, came nothing at byte 46");
    let rejection = reject(
        r#"{"id":"1","type":"presence:joined","timestamp":5,"data":{"userId":"u","cursor":{"x":1,"y":"2"}}}"#,
    );
    assert_eq!(rejection.path, "$.data.cursor.y");
    let rejection = reject(r#"{"id":"1","type":"chunk""#);
    assert_eq!(rejection.message(), "$: expected a comma or the end of the object, came nothing at byte 24");
    let rejection = reject(
        r#"{"id":"1","type":"tool:start","timestamp":5,"data":{"id":"1","tool":"t","input":{"a b":[0,{"c":1e999}]}}}"#,
    );
    assert_eq!(rejection.path, "$.data.input[\"a b\"][1].c");
    assert_eq!(rejection.came, "1e999");
}

#[test]
fn excerpts_and_paths_are_short_and_whole_characters() {
    for padding in 0..4 {
        let long = format!("{}{}", "x".repeat(padding), "é😀".repeat(4000));
        let rejection =
            reject(&format!(r#"{{"id":"{long}","type":"chunk","timestamp":5,"data":{{"text":""}}}}"#));
        assert_eq!(rejection.code, RejectionCode::MalformedId);
        assert!(rejection.came.len() <= 64 + 3 && rejection.came.ends_with('…'), "{}", rejection.came);
        assert!(!rejection.came.contains('\u{fffd}'));
        let rejection =
            reject(&format!(r#"{{"id":"1","type":"zz","timestamp":5,"data":{{"{long}":1e999}}}}"#));
        assert!(rejection.path.len() <= 256 + 3 && rejection.path.ends_with('…'), "{}", rejection.path);
    }
}

#[test]
fn escapes_hide_neither_keys_nor_types_nor_values() {
    let text =
        r#"{"\u0069d":"1","t\u0079pe":"state\u003aupdate","timestamp":5,"data":{"stat\u0075s":"idl\u0065"}}"#;
    let mut parser = Parser::new();
    let view = parser.parse_event(text.as_bytes()).unwrap();
    assert_eq!(view.event_type(), "state:update");
    assert_eq!(view.field(1), Some(&br#""idl\u0065""#[..]));
    let twice = r#"{"id":"1","type":"chunk","timestamp":5,"data":{"text":"","te\u0078t":""}}"#;
    assert_eq!(reject(twice).code, RejectionCode::DuplicateField);
    assert_eq!(
        reject(r#"{"id":"\u0000","type":"chunk","timestamp":5,"data":{"text":""}}"#).code,
        RejectionCode::MalformedId
    );
}
