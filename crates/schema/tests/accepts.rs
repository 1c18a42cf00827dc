//! What the parser accepts, the Rust types read: the same fields with the same values, however it is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::{Style, any_event, canonical, floats, known_event};
use durable_sessions_schema::{
    ENVELOPE, Event, EventIndex, EventKind, EventView, FieldSpec, Kind, Parser, StringView, StructSpec,
    Verdict,
};
use proptest::prelude::*;
use serde_json::Value;

/// What the event should say, by a reader that knows neither tables nor types.
fn reference(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let spec = value["type"].as_str().and_then(EventIndex::of).map(|index| index.spec().payload);
    canonical(&mut value, &ENVELOPE, spec);
    value
}

/// A string is what serde reads, and plain if its text is its value in ASCII.
fn check_string(string: StringView<'_>, raw: &[u8]) -> Result<(), TestCaseError> {
    let expected: String = serde_json::from_slice(raw).unwrap();
    prop_assert_eq!(&*string.decode(), expected.as_bytes());
    let is_plain = raw.is_ascii() && !raw.contains(&b'\\');
    prop_assert_eq!(string.plain(), is_plain.then_some(expected.as_bytes()));
    let mut pushed = String::new();
    string.push_to(&mut pushed);
    prop_assert_eq!(pushed, expected);
    Ok(())
}

fn check_view(view: &EventView<'_, '_>, text: &str) -> Result<(), TestCaseError> {
    let expected = reference(text);
    prop_assert_eq!(&*view.id(), expected["id"].as_str().unwrap());
    prop_assert_eq!(&*view.event_type(), expected["type"].as_str().unwrap());
    prop_assert_eq!(view.timestamp_ms(), expected["timestamp"].as_u64().unwrap());
    prop_assert_eq!(view.meta().is_some(), expected.get("meta").is_some());
    let read = |raw: &[u8]| serde_json::from_slice::<Value>(raw).unwrap();
    check_string(view.id_string(), view.id_raw())?;
    check_string(view.event_type_string(), view.event_type_raw())?;
    let data = &expected["data"];
    if let Some(spec) = view.spec() {
        let mut known = 0;
        for (i, field) in spec.payload.fields.iter().enumerate() {
            let mut value = view.field(i).map(read);
            if let (Kind::Text | Kind::Id | Kind::SessionId | Kind::Enum(_), Some(raw)) =
                (field.kind, view.field(i))
            {
                check_string(view.string(i, raw), raw)?;
            }
            known += usize::from(value.is_some());
            prop_assert_eq!(value.is_some(), view.present_mask() & 1 << i != 0);
            prop_assert_eq!(value.is_none(), view.absent_mask() & 1 << i != 0);
            if let (Kind::Struct(inner), Some(value)) = (field.kind, &mut value) {
                canonical(value, inner, None);
            }
            prop_assert_eq!(value.as_ref(), data.get(field.name.as_str()));
        }
        for (key, value) in view.extras() {
            let key: String = serde_json::from_slice(key).unwrap();
            prop_assert_eq!(Some(&read(value)), data.get(&key));
        }
        prop_assert_eq!(known + view.extras().len(), data.as_object().unwrap().len());
    } else {
        prop_assert_eq!(view.kind(), EventKind::Unknown);
        prop_assert_eq!(&read(view.data()), data);
    }
    let event = view.to_event().unwrap();
    prop_assert_eq!(event.channel(), view.channel());
    prop_assert_eq!(floats(serde_json::to_value(&event).unwrap()), floats(expected));
    Ok(())
}

proptest! {
    #![proptest_config(common::cases(400))]

    #[test]
    fn good_events_are_accepted_and_read_the_same(node in any_event(), seed: u64) {
        let text = Style::of(seed).write(&node);
        let mut parser = Parser::new();
        match parser.parse_event(text.as_bytes()) {
            Ok(view) => check_view(&view, &text)?,
            Err(rejection) => prop_assert!(false, "{rejection}\n{text}"),
        }
    }

    #[test]
    fn arrays_are_read_event_by_event(nodes in prop::collection::vec(any_event(), 0..4), seed: u64) {
        let text = Style::of(seed).write(&common::Node::Array(nodes.clone()));
        let mut seen = Vec::new();
        let mut checked = Ok(());
        let count = Parser::new().parse_messages(text.as_bytes(), &mut |verdict| match verdict {
            Verdict::Event(view) => {
                let one = std::str::from_utf8(view.raw()).unwrap();
                checked = std::mem::replace(&mut checked, Ok(())).and_then(|()| check_view(&view, one));
                seen.push(view.raw());
            }
            Verdict::Rejected { rejection, .. } => panic!("{rejection}\n{text}"),
        });
        checked?;
        prop_assert_eq!(count, Ok(nodes.len() as u32));
        prop_assert_eq!(seen.len(), nodes.len());
        let mut parser = Parser::new();
        for raw in seen {
            let one = std::str::from_utf8(raw).unwrap();
            check_view(&parser.parse_event(raw).unwrap(), one)?;
        }
    }

    #[test]
    fn what_is_written_is_read_back((_, node) in known_event()) {
        let first = Event::from_json(Style::plain().write(&node).as_bytes()).unwrap();
        let second = Event::from_json(first.to_json().as_bytes()).unwrap();
        prop_assert_eq!(&first, &second);
        let third: Event = serde_json::from_str(&first.to_json()).unwrap();
        prop_assert_eq!(first, third);
    }

}

#[test]
fn nothing_of_one_event_is_said_of_the_next() {
    let messages = [
        r#"{"id":"1","type":"chunk","timestamp":1,"data":{"text":"plain","agentId":"a"}}"#,
        r#"{"id":"\u0061","type":"\u0063hunk","timestamp":1,"data":{"text":"\u0041","agentId":"\u0041"}}"#,
        r#"{"id":"中","type":"chunk","timestamp":1,"data":{"text":"中文","agentId":"字","turn":1}}"#,
        r#"{"data":{"agentId":"\u0041","text":"x"},"timestamp":1,"type":"chunk","id":"2"}"#,
        r#"{"id":"3","type":"zz","timestamp":1,"data":{"text":"\u0041"},"extra":"\u0041"}"#,
        r#"{"id":"4","type":"tool:start","timestamp":1,"data":{"toolCallId":"a\"","toolName":"é","input":"\n"}}"#,
        // Refused half way through its payload, behind strings of each kind.
        r#"{"id":"\u0061","type":"chunk","timestamp":1,"data":{"text":"\u0041","agentId":"中","turn":-1}}"#,
        "5",
    ];
    let mut parser = Parser::new();
    let mut accepted = 0;
    for first in messages {
        for second in messages {
            let text = format!("[{first},{second},{first}]");
            let count = parser.parse_messages(text.as_bytes(), &mut |verdict| {
                if let Verdict::Event(view) = verdict {
                    accepted += 1;
                    check_view(&view, std::str::from_utf8(view.raw()).unwrap()).unwrap();
                }
            });
            assert_eq!(count, Ok(3));
        }
    }
    assert_eq!(accepted, 6 * 8 * 3);
}

#[test]
fn a_name_comes_before_an_alias_however_it_is_written() {
    static FIELDS: [FieldSpec; 2] = [
        FieldSpec::required("a", Kind::Integer).with_aliases(&["b"]),
        FieldSpec::required("b", Kind::Integer),
    ];
    static SPEC: StructSpec = StructSpec::new("Ambiguous", &FIELDS);
    for text in [r#"{"a":1,"b":2}"#, r#"{"a":1,"b" :2}"#, r#"{"a":1,"\u0062":2}"#, r#"{"b":2, "a":1}"#] {
        let mut parser = Parser::new();
        let object = parser.parse_object(text.as_bytes(), &SPEC).unwrap();
        assert_eq!([object.field(0), object.field(1)], [Some(&b"1"[..]), Some(&b"2"[..])], "{text}");
    }
}

proptest! {
    #![proptest_config(common::cases(60))]

    #[test]
    fn no_part_of_an_event_is_an_event(node in any_event(), seed: u64) {
        let text = Style::of(seed).write(&node);
        let whole = text.trim_end().len();
        let mut parser = Parser::new();
        for end in 0..whole {
            let cut = &text.as_bytes()[..end];
            let verdict = parser.parse_messages(cut, &mut |_| {});
            prop_assert!(verdict.is_err(), "accepted {:?}", String::from_utf8_lossy(cut));
        }
    }
}

#[test]
fn null_where_anything_may_stand_is_a_value() {
    let text = r#"{"id":"1","type":"tool:result","timestamp":1,"data":{"id":"c","tool":"t","input":null,"result":null}}"#;
    let event = Event::from_json(text.as_bytes()).unwrap();
    assert_eq!(event.to_json(), text.replace("result\":null", "output\":null"));
    let optional = r#"{"id":"1","type":"chunk","timestamp":1,"data":{"text":"","turn":null}}"#;
    assert!(Parser::new().parse_event(optional.as_bytes()).is_err(), "null is not absence");
}
