use durable_sessions_schema::Parser;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn bytes(event: &Value) -> Bytes {
    Bytes::from(event.to_string())
}

fn chunk(id: &str, timestamp: u64, text: &str) -> Value {
    json!({ "id": id, "type": "chunk", "timestamp": timestamp, "data": { "text": text, "turn": 1 } })
}

/// Joins events whose ids all count.
fn join(window_ms: u64, events: &[Value]) -> Joined {
    let mut joiner = Joiner::new(window_ms);
    for event in events {
        joiner.push(&bytes(event), event["id"].as_str());
    }
    joiner.finish().unwrap()
}

fn values(joined: &Joined) -> Vec<Value> {
    joined.batch.messages().map(|message| serde_json::from_slice(&message).unwrap()).collect()
}

#[test]
fn chunks_of_a_window_become_one() {
    let joined = join(50, &[chunk("a", 100, "Hel"), chunk("b", 120, "lo\n"), chunk("c", 150, "\u{1f600}\"")]);
    let expected = json!({
        "id": "a", "type": "chunk", "timestamp": 100, "data": { "text": "Hello\n\u{1f600}\"", "turn": 1 }, "joined": ["b", "c"]
    });
    assert_eq!(values(&joined), [expected]);
    assert_eq!((joined.chunks, joined.messages), (2, 1));
    assert!(joined.bytes_saved > 50);
    // One alone is what it was, byte by byte.
    let alone =
        Bytes::from_static(br#"{ "id":"a","type":"chunk","timestamp":1,"data":{ "text" : "\u0041" } }"#);
    let mut joiner = Joiner::new(50);
    assert_eq!(joiner.push(&alone, None), 1);
    let joined = joiner.finish().unwrap();
    assert_eq!((joined.batch.body(), joined.bytes_saved), (&alone, 0));
}

#[test]
fn what_differs_in_anything_else_is_not_joined() {
    let first = chunk("a", 100, "x");
    let with = |change: fn(&mut Value)| {
        let mut event = chunk("b", 100, "y");
        change(&mut event);
        event
    };
    for other in [
        with(|event| event["timestamp"] = json!(151)),
        with(|event| event["timestamp"] = json!(49)),
        with(|event| event["data"]["turn"] = json!(2)),
        with(|event| event["data"]["turn"] = json!(1.0)),
        with(|event| event["data"]["agentId"] = json!("b")),
        with(|event| event["data"]["accumulated"] = json!("xy")),
        with(|event| event["data"]["delta"] = json!("xy")),
        with(|event| event["meta"] = json!({ "schemaVersion": 1, "eventId": "b" })),
        with(|event| event["own"] = json!(1)),
        with(|event| event["joined"] = json!([])),
        with(|event| event["type"] = json!("x-chunk")),
        with(|event| event["data"] = json!({ "delta": "y", "turn": 1 })),
        with(|event| event["data"]["text"] = json!("y".repeat(JOINED_BYTES_MAX))),
    ] {
        let events = [first.clone(), other, chunk("c", 100, "z")];
        let joined = join(50, &events);
        let found = values(&joined);
        assert_eq!((found, joined.chunks), (events.to_vec(), 0));
    }
}

#[test]
fn only_ids_that_count_are_kept() {
    let mut joiner = Joiner::new(50);
    for (id, counts) in [("a", None), ("b", Some("b")), ("c", None)] {
        assert_eq!(joiner.push(&bytes(&chunk(id, 1, id)), counts), 1);
    }
    assert_eq!(joiner.push(&bytes(&json!({ "id": "d", "type": "x", "timestamp": 1, "data": 1 })), None), 2);
    let joined = joiner.finish().unwrap();
    assert_eq!(values(&joined)[0]["joined"], json!(["b"]));
    assert_eq!(joined_ids(br#"["b","\u0063"]"#), ["b", "c"]);
    assert!(joined_ids(b"7").is_empty());
}

/// What somebody reads: text of the same agent, turn and message that follows one another is one text; everything else
/// is as it is. With the ids that stand for each part.
fn reading(events: &[Value]) -> Vec<(Value, Vec<String>)> {
    let mut read: Vec<(Value, Vec<String>)> = Vec::new();
    for event in events {
        let mut ids = vec![event["id"].as_str().unwrap().to_owned()];
        ids.extend(
            event["joined"].as_array().into_iter().flatten().map(|id| id.as_str().unwrap().to_owned()),
        );
        let mut said = json!({ "type": event["type"], "data": event["data"], "meta": event["meta"] });
        if event["type"] == "chunk" && event["meta"].is_null() {
            let text = said["data"]["text"].as_str().unwrap().to_owned();
            said["data"]["text"] = json!("");
            if let Some((last, last_ids)) = read.last_mut() {
                let last_text = last["data"]["text"].as_str().unwrap_or_default().to_owned();
                last["data"]["text"] = json!("");
                let same = *last == said;
                last["data"]["text"] = json!(if same { last_text.clone() + &text } else { last_text });
                if same {
                    last_ids.append(&mut ids);
                    continue;
                }
            }
            said["data"]["text"] = json!(text);
        } else {
            said["data"]["text"] = said["data"].get("text").cloned().unwrap_or(json!(""));
        }
        read.push((said, ids));
    }
    read
}

fn events() -> impl Strategy<Value = Vec<Value>> {
    let event = (0u8..10, 0u64..40, "[a\\\\\"\n\u{e9}\u{1f600}]{0,6}", 0u8..2, 0u8..3);
    prop::collection::vec(event, 1..60).prop_map(|events| {
        let mut now = 1_000;
        let made = events.into_iter().enumerate().map(|(index, (kind, pause, text, agent, turn))| {
            now += pause;
            let id = format!("e{index}");
            match kind {
                0 => json!({ "id": id, "type": "tool:start", "timestamp": now, "data": { "id": "1", "tool": text } }),
                1 => json!({
                    "id": id, "type": "chunk", "timestamp": now, "data": { "text": text },
                    "meta": { "schemaVersion": 1, "eventId": id }
                }),
                2 => json!({ "id": id, "type": "x-own", "timestamp": now, "data": { "text": text } }),
                3 => json!({
                    "id": id, "type": "chunk", "timestamp": now,
                    "data": { "agentId": format!("a{agent}"), "text": text, "turn": turn }
                }),
                _ => json!({ "id": id, "type": "chunk", "timestamp": now, "data": { "text": text, "turn": 1 } }),
            }
        });
        made.collect()
    })
}

proptest! {
    /// However events fall into windows, what is read is the same, every id is there once and in order, and everything is
    /// valid.
    #[test]
    fn joined_events_read_like_those_that_came(
        events in events(),
        window_ms in 1u64..100,
        cuts in prop::collection::vec(1usize..8, 1..20),
    ) {
        let mut stored: Vec<Value> = Vec::new();
        let mut rest = &events[..];
        let mut cuts = cuts.iter().cycle();
        let mut parser = Parser::new();
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            let mut joiner = Joiner::new(window_ms);
            let places: Vec<u64> =
                now.iter().map(|event| joiner.push(&bytes(event), event["id"].as_str())).collect();
            let joined = joiner.finish().unwrap();
            prop_assert_eq!(joined.batch.units() + joined.chunks, now.len() as u64);
            let messages = values(&joined);
            for (event, place) in now.iter().zip(places) {
                let message = &messages[usize::try_from(place).unwrap() - 1];
                let ids = message["joined"].as_array().cloned().unwrap_or_default();
                prop_assert!(message["id"] == event["id"] || ids.contains(&event["id"]));
            }
            for message in joined.batch.messages() {
                prop_assert!(parser.parse_event(&message).is_ok());
            }
            let taken: usize = now.iter().map(|event| bytes(event).len()).sum();
            let kept: usize = joined.batch.messages().map(|message| message.len()).sum();
            prop_assert_eq!(taken.saturating_sub(kept) as u64, joined.bytes_saved);
            stored.extend(messages);
            rest = later;
        }
        prop_assert_eq!(reading(&stored), reading(&events));
    }
}
