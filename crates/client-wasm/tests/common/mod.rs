//! Reads a batch the way `pkg/src/batch.ts` does, by the table of `batch`'s documentation, so that the layout is
//! checked from the outside.

use std::collections::HashMap;

use durable_sessions_client_wasm::batch::{Batch, word};
use durable_sessions_schema::{EVENTS, Kind};
use serde_json::{Map, Value, json};

/// An item of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// The wire event, put together again, and its offset.
    Event(Value, u64),
    /// code, event type, path, offset.
    Rejected(String, Option<String>, Option<String>, u64),
    /// cursor, offset, up to date, closed.
    Control(String, u64, bool, bool),
}

/// The items, counting offsets on from `offset`.
pub(crate) fn read(batch: &Batch<'_>, offset: &mut u64) -> Vec<Item> {
    let values: Vec<Value> = serde_json::from_slice(batch.text).unwrap();
    let mut values = values.into_iter();
    let mut next = move || values.next().expect("a value for every word");
    let mut items = Vec::new();
    let mut memory = Memory { timestamp: 0, ids: HashMap::new() };
    for &item in batch.words {
        match item & 0xff {
            word::POSITION => *offset = next().as_u64().unwrap(),
            word::CONTROL => {
                let cursor = next().as_str().unwrap().to_owned();
                if item & word::COUNT != 0 {
                    *offset = next().as_u64().unwrap();
                }
                items.push(Item::Control(
                    cursor,
                    *offset,
                    item & word::UP_TO_DATE != 0,
                    item & word::CLOSED != 0,
                ));
            }
            word::REJECTED => {
                let [code, _reason, event_type, path, _expected, _came] = [(); 6].map(|()| next());
                *offset = next().as_u64().unwrap();
                let text = |value: Value| value.as_str().map(str::to_owned);
                items.push(Item::Rejected(text(code).unwrap(), text(event_type), text(path), *offset));
            }
            kind => {
                *offset += 1;
                items.push(Item::Event(event(kind, item, &mut next, &mut memory), *offset));
            }
        }
    }
    items
}

/// What a batch refers back to.
struct Memory {
    timestamp: i64,
    ids: HashMap<(u32, usize), Value>,
}

fn event(kind: u32, item: u32, next: &mut dyn FnMut() -> Value, memory: &mut Memory) -> Value {
    let mut timestamp = |difference: Value| {
        memory.timestamp += difference.as_i64().unwrap();
        json!(memory.timestamp)
    };
    let mut event = Map::new();
    event.insert("id".into(), next());
    if kind == word::UNKNOWN {
        event.insert("type".into(), next());
        event.insert("timestamp".into(), timestamp(next()));
        event.insert("data".into(), next());
    } else {
        let spec = &EVENTS[kind as usize];
        event.insert("type".into(), json!(spec.event_type));
        event.insert("timestamp".into(), timestamp(next()));
        let mut data = Map::new();
        for (i, field) in spec.payload.fields.iter().enumerate() {
            if item & 1 << (word::ABSENT_SHIFT + i as u32) == 0 {
                let mut value = next();
                if field.kind == Kind::Id {
                    if value == json!(0) {
                        value = memory.ids[&(kind, i)].clone();
                    }
                    memory.ids.insert((kind, i), value.clone());
                }
                data.insert(field.name.into(), value);
            }
        }
        event.insert("data".into(), Value::Object(data));
    }
    if item & word::META != 0 {
        event.insert("meta".into(), next());
    }
    if kind != word::UNKNOWN && item & word::EXTRAS != 0 {
        let Value::Object(extras) = next() else { panic!("extras are an object") };
        event.get_mut("data").unwrap().as_object_mut().unwrap().extend(extras);
    }
    Value::Object(event)
}
