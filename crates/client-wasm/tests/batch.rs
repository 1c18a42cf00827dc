//! From bytes of a stream to batches, without a browser: nothing lost, doubled or changed, however the bytes are cut.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking"
)]

mod common;

use common::Item;
use durable_sessions_client_core::{Input, Millis, ResponseHead, Subscription, SubscriptionConfig};
use durable_sessions_client_wasm::batch::BatchEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

fn frame(name: &str, data: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

fn streaming() -> Subscription {
    let mut subscription = Subscription::new(SubscriptionConfig::default(), 1);
    subscription.handle(Millis(0), Input::Subscribe);
    let head = ResponseHead {
        status: 200,
        content_type: Some("text/event-stream".to_owned()),
        ..ResponseHead::default()
    };
    subscription.handle(Millis(0), Input::Response(head));
    subscription
}

/// What comes out when the bytes arrive in these pieces.
fn deliver<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Item> {
    deliver_counting(pieces).0
}

/// The same, and how long the payloads were that are not parsed before somebody looks.
fn deliver_counting<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Item>, usize) {
    let mut subscription = streaming();
    let mut encoder = BatchEncoder::new();
    let (mut items, mut late, mut memory) = (Vec::new(), 0, common::Memory::default());
    for piece in pieces {
        encoder.clear();
        subscription.push(piece);
        subscription.drain(Millis(1), &mut encoder);
        let batch = encoder.finish();
        late += batch.late.len();
        items.extend(common::read(&batch, &mut memory));
    }
    (items, late)
}

fn event(id: u64, data: Value) -> Value {
    json!({ "id": format!("e{id}"), "type": "chunk", "timestamp": 5, "data": data })
}

fn short_stream() -> Vec<u8> {
    let mut bytes = b": ping\n\n".to_vec();
    bytes.extend(frame(
        "data",
        &json!([event(1, json!({ "text": "h\u{e9} \u{1f600}" })), event(2, json!({}))]),
    ));
    bytes.extend(frame("control", &json!({ "streamNextOffset": "2", "streamMessageCount": 2 })));
    bytes.extend(b"event: data\ndata: [{\"id\":\"e3\", oops\n\n");
    bytes
        .extend(frame("data", &json!([{ "id": "e4", "type": "app:own", "timestamp": 1, "data": [1, "x"] }])));
    bytes.extend(frame(
        "control",
        &json!({ "streamNextOffset": "3", "streamMessageCount": 3, "streamClosed": true }),
    ));
    bytes
}

#[test]
fn every_split_gives_the_same_items() {
    let bytes = short_stream();
    let whole = deliver([&bytes[..]]);
    assert_eq!(
        whole,
        [
            Item::Event(event(1, json!({ "text": "h\u{e9} \u{1f600}" })), 1),
            Item::Rejected(
                "INVALID_EVENT".into(),
                r#"{"data":"#.into(),
                r#"{},"id":"e2","timestamp":5,"type":"chunk"}"#.into(),
                2
            ),
            Item::Control("2".into(), 2, false, false),
            Item::Rejected("INVALID_JSON".into(), String::new(), "oops".into(), 2),
            Item::Event(json!({ "id": "e4", "type": "app:own", "timestamp": 1, "data": [1, "x"] }), 3),
            Item::Control("3".into(), 3, true, true),
        ]
    );
    for cut in 0..=bytes.len() {
        assert_eq!(deliver([&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    assert_eq!(deliver(bytes.chunks(1)), whole);
}

#[test]
fn what_is_ephemeral_counts_nothing() {
    let ephemeral = |id: u64| frame("ephemeral", &event(id, json!({ "text": "p" })));
    let bytes = [
        ephemeral(7),
        frame("data", &json!([event(1, json!({ "text": "x" })), event(2, json!({ "text": "x" }))])),
        ephemeral(8),
        frame("ephemeral", &event(9, json!({}))),
        frame("data", &json!([event(3, json!({ "text": "x" }))])),
    ]
    .concat();
    let at = |id: u64, offset: u64| Item::Event(event(id, json!({ "text": "x" })), offset);
    let passing = |id: u64, offset: u64| Item::Ephemeral(event(id, json!({ "text": "p" })), offset);
    let whole = deliver([&bytes[..]]);
    assert!(matches!(&whole[4], Item::Rejected(code, .., 2) if code == "INVALID_EVENT"), "{whole:?}");
    assert_eq!(whole[..4], [passing(7, 0), at(1, 1), at(2, 2), passing(8, 2)]);
    assert_eq!(whole[5..], [at(3, 3)]);
    assert_eq!(deliver(bytes.chunks(1)), whole);
}

#[test]
fn aliases_unknown_fields_and_meta_arrive() {
    let meta = json!({ "schemaVersion": 1, "eventId": "e1", "sequence": 4 });
    let mut sent =
        event(1, json!({ "delta": "x", "accumulated": "dropped", "zoom": { "a": [1, 2] }, "q\"": null }));
    sent["meta"] = meta.clone();
    let mut expected = event(1, json!({ "text": "x", "zoom": { "a": [1, 2] }, "q\"": null }));
    expected["meta"] = meta;
    assert_eq!(deliver([&frame("data", &json!([sent]))[..]]), [Item::Event(expected, 1)]);
}

#[test]
fn a_frame_that_is_no_json_takes_its_first_messages_back() {
    let mut bytes = format!("event: data\ndata: [{},\n\n", event(1, json!({ "text": "never" }))).into_bytes();
    bytes.extend(frame("data", &json!([event(2, json!({ "text": "x" }))])));
    let items = deliver([&bytes[..]]);
    assert!(matches!(&items[0], Item::Rejected(code, ..) if code == "INVALID_JSON"), "{items:?}");
    assert_eq!(items.len(), 2);
    assert!(matches!(&items[1], Item::Event(event, _) if event["id"] == "e2"));
}

#[test]
fn a_frame_over_the_cap_is_reported_and_reading_goes_on() {
    let config = SubscriptionConfig { frame_bytes_max: 1024, ..SubscriptionConfig::default() };
    let mut subscription = Subscription::new(config, 1);
    subscription.handle(Millis(0), Input::Subscribe);
    let head = ResponseHead {
        status: 200,
        content_type: Some("text/event-stream".to_owned()),
        ..ResponseHead::default()
    };
    subscription.handle(Millis(0), Input::Response(head));
    subscription.push(&frame("data", &json!([event(1, json!({ "text": "x".repeat(5000) }))])));
    subscription.push(&frame("data", &json!([event(2, json!({ "text": "x" }))])));
    let mut encoder = BatchEncoder::new();
    subscription.drain(Millis(1), &mut encoder);
    let items = common::read(&encoder.finish(), &mut common::Memory::default());
    assert!(matches!(&items[0], Item::Rejected(code, ..) if code == "FRAME_TOO_LARGE"), "{items:?}");
    assert!(matches!(&items[1], Item::Event(event, _) if event["id"] == "e2"));
}

fn tool_result(id: u64, output: Value) -> Value {
    let data = json!({ "id": "call", "tool": "read", "input": { "path": "a" }, "output": output });
    json!({ "id": format!("e{id}"), "type": "tool:result", "timestamp": 5, "data": data })
}

#[test]
fn a_long_payload_is_handed_over_unread_and_is_the_same_however_it_came() {
    let long = json!({ "lines": ["\u{6f22}\u{5b57} \"x\"".repeat(40)], "more": [1, 2, null] });
    let events = [tool_result(1, long.clone()), tool_result(2, json!("short")), tool_result(3, long.clone())];
    let expected = [1, 2, 3].map(|n: usize| Item::Event(events[n - 1].clone(), n as u64));
    let length = format!("[{long},{long}]").len();
    let bytes = frame("data", &json!(events));
    for cut in 1..bytes.len() {
        assert_eq!(
            deliver_counting([&bytes[..cut], &bytes[cut..]]),
            (expected.to_vec(), length),
            "cut at {cut}"
        );
    }
    let lines = serde_json::to_string_pretty(&json!(events)).unwrap().replace('\n', "\ndata: ");
    assert_eq!(deliver([format!("event: data\ndata: {lines}\n\n").as_bytes()]), expected);
}

#[test]
fn a_long_payload_of_a_frame_that_is_no_json_is_forgotten() {
    let output = json!("x".repeat(1000));
    let long = tool_result(1, output.clone());
    let mut bytes = format!("event: data\ndata: [{long},\n\n").into_bytes();
    bytes.extend(frame("data", &json!([long])));
    let (items, late) = deliver_counting([&bytes[..]]);
    assert!(matches!(&items[0], Item::Rejected(code, ..) if code == "INVALID_JSON"), "{items:?}");
    let length = format!("[{output}]").len();
    assert_eq!((items[1..].to_vec(), late), (vec![Item::Event(long, 1)], length));
}

#[test]
fn ids_are_decoded() {
    let ids = [r"a\u0041", "aA", "x", r"\u00e9", "x", "x", "\u{e9}", r"a\/b", "a/b"];
    let events: Vec<String> = ids
        .iter()
        .zip(1..)
        .map(|(id, n)| {
            format!(r#"{{"id":"e{n}","type":"chunk","timestamp":5,"data":{{"text":"","agentId":"{id}"}}}}"#)
        })
        .collect();
    let bytes = format!("event: data\ndata: [{}]\n\n", events.join(","));
    let expected: Vec<Item> = events
        .iter()
        .zip(1..)
        .map(|(event, n)| Item::Event(serde_json::from_str(event).unwrap(), n))
        .collect();
    assert_eq!(deliver([bytes.as_bytes()]), expected);
}

#[test]
fn every_number_arrives_as_it_is() {
    let numbers = [
        "0",
        "-0",
        "7",
        "999999999",
        "1000000000",
        "2147483648",
        "9007199254740991",
        "-3",
        "0.5",
        "1e2",
        "1.0",
    ];
    let events: Vec<String> = numbers
        .iter()
        .zip(1..)
        .map(|(number, n)| {
            format!(r#"{{"id":"e{n}","type":"tool:result","timestamp":5,"data":{{"id":"t","tool":"x","isError":{},"duration":{number}}}}}"#, n % 2 == 0)
        })
        .collect();
    let bytes = format!("event: data\ndata: [{}]\n\n", events.join(","));
    let arrived = deliver([bytes.as_bytes()]);
    for ((item, event), number) in arrived.iter().zip(&events).zip(numbers) {
        let Item::Event(came, _) = item else { panic!("{item:?}") };
        let sent: Value = serde_json::from_str(event).unwrap();
        assert_eq!(came["data"]["duration"].as_f64(), number.parse().ok(), "{number}");
        assert_eq!(came["data"]["isError"], sent["data"]["isError"]);
    }
    assert_eq!(arrived.len(), numbers.len());
}

#[test]
fn timestamps_may_go_back() {
    let at = |id: u64, timestamp: u64| {
        let mut event = event(id, json!({ "text": "x" }));
        event["timestamp"] = json!(timestamp);
        event
    };
    let events = [at(1, (1 << 53) - 1), at(2, 0), at(3, 1_790_000_000_000), at(4, 1_790_000_000_000)];
    let expected: Vec<Item> =
        events.iter().cloned().zip(1..).map(|(event, n)| Item::Event(event, n)).collect();
    assert_eq!(deliver([&frame("data", &json!(events))[..]]), expected);
}

prop_compose! {
    fn chunk()(text in prop_oneof![".{0,80}", "[ -~\n\r\t]{0,200}", "[a-z]{0,80}"], agent in proptest::option::of("[a-z]{40}|[ab]"), turn in proptest::option::of(0u32..99),
        extra in proptest::option::of(any::<i32>())) -> Value {
        let mut data = json!({ "text": text });
        if let Some(agent) = agent { data["agentId"] = json!(agent); }
        if let Some(turn) = turn { data["turn"] = json!(turn); }
        if let Some(extra) = extra { data["extra"] = json!(extra); }
        data
    }
}

proptest! {
    #[test]
    fn any_chunks_in_any_pieces_arrive_equal(
        payloads in proptest::collection::vec(chunk(), 1..40), per_frame in 1usize..8, piece in 1usize..400,
    ) {
        let events: Vec<Value> = payloads.into_iter().enumerate().map(|(i, data)| event(i as u64, data)).collect();
        let mut bytes = Vec::new();
        for messages in events.chunks(per_frame) {
            bytes.extend(frame("data", &json!(messages)));
        }
        let expected: Vec<Item> =
            events.into_iter().zip(1..).map(|(event, offset)| Item::Event(event, offset)).collect();
        prop_assert_eq!(deliver(bytes.chunks(piece)), expected);
    }
}
