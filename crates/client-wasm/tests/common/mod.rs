//! Reads a batch the way `pkg/src/batch.ts` does, by the table of `batch`'s documentation, so that the layout is
//! checked from the outside.

use durable_sessions_client_wasm::batch::{Batch, word};
use durable_sessions_schema::{EVENTS, Kind};
use serde_json::{Map, Value, json};

/// An item of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// The wire event, put together again, and its offset.
    Event(Value, u64),
    /// The same, told in passing.
    Ephemeral(Value, u64),
    /// Code, the text before the place and behind it, offset.
    Rejected(String, String, String, u64),
    /// cursor, offset, up to date, closed.
    Control(String, u64, bool, bool),
}

/// What a reader remembers from one batch of a connection to the next.
#[derive(Default)]
pub(crate) struct Memory {
    offset: u64,
    timestamp: u64,
}

/// The parts of one batch, each as far as it has been taken.
struct Parts<'b> {
    ascii: &'b str,
    wide: Vec<u16>,
    open: std::vec::IntoIter<Value>,
    late: std::vec::IntoIter<Value>,
    words: &'b [u32],
}

/// The items of a connection's next batch. Panics unless every part is used up.
pub(crate) fn read(batch: &Batch<'_>, memory: &mut Memory) -> Vec<Item> {
    let mut parts = Parts {
        ascii: std::str::from_utf8(batch.ascii).unwrap(),
        wide: batch.wide.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect(),
        open: values(batch.open),
        late: values(batch.late),
        words: batch.words,
    };
    assert!(parts.ascii.is_ascii());
    memory.timestamp = 0;
    let mut items = Vec::new();
    while !parts.words.is_empty() {
        items.extend(parts.item(memory));
    }
    assert!(parts.ascii.is_empty() && parts.wide.is_empty() && parts.open.next().is_none());
    assert!(parts.late.next().is_none());
    items
}

/// Of an array, or of nothing at all.
fn values(json: &[u8]) -> std::vec::IntoIter<Value> {
    let values: Vec<Value> = if json.is_empty() { Vec::new() } else { serde_json::from_slice(json).unwrap() };
    values.into_iter()
}

impl Parts<'_> {
    fn word(&mut self) -> u32 {
        let (first, rest) = self.words.split_first().expect("a word");
        self.words = rest;
        *first
    }

    fn string(&mut self) -> String {
        let length = self.word();
        if length < 1 << 31 {
            let (string, rest) = self.ascii.split_at(length as usize);
            self.ascii = rest;
            return string.to_owned();
        }
        let rest = self.wide.split_off(!length as usize);
        String::from_utf16(&std::mem::replace(&mut self.wide, rest)).unwrap()
    }

    fn open(&mut self) -> Value {
        self.open.next().expect("an open value")
    }

    fn number(&mut self) -> Value {
        match self.word() {
            word::OPEN => self.open(),
            number => {
                assert!(number < 1 << 31);
                json!(number)
            }
        }
    }

    fn timestamp(&mut self, memory: &mut Memory) -> Value {
        memory.timestamp = match self.word() {
            word::OPEN => u64::from(self.word()) << 32 | u64::from(self.word()),
            difference => memory.timestamp + u64::from(difference),
        };
        json!(memory.timestamp)
    }

    fn item(&mut self, memory: &mut Memory) -> Option<Item> {
        let item = self.word();
        match item & 0xff {
            word::POSITION => {
                memory.offset = self.number().as_u64().unwrap();
                None
            }
            word::CONTROL => {
                let cursor = self.string();
                if item & word::COUNT != 0 {
                    memory.offset = self.number().as_u64().unwrap();
                }
                let (up_to_date, closed) = (item & word::UP_TO_DATE != 0, item & word::CLOSED != 0);
                Some(Item::Control(cursor, memory.offset, up_to_date, closed))
            }
            word::REJECTED => {
                let [code, _reason, _expected, before, behind] = [(); 5].map(|()| self.string());
                memory.offset = self.number().as_u64().unwrap();
                Some(Item::Rejected(code, before, behind, memory.offset))
            }
            kind if item & word::UNCOUNTED != 0 => {
                Some(Item::Ephemeral(self.event(kind, item, memory), memory.offset))
            }
            kind => {
                memory.offset += 1;
                Some(Item::Event(self.event(kind, item, memory), memory.offset))
            }
        }
    }

    fn event(&mut self, kind: u32, item: u32, memory: &mut Memory) -> Value {
        let mut event = Map::new();
        event.insert("id".into(), json!(self.string()));
        if kind == word::UNKNOWN {
            event.insert("type".into(), json!(self.string()));
            event.insert("timestamp".into(), self.timestamp(memory));
            event.insert("data".into(), self.open());
        } else {
            let spec = &EVENTS[kind as usize];
            event.insert("type".into(), json!(spec.event_type));
            event.insert("timestamp".into(), self.timestamp(memory));
            let mut data = Map::new();
            for field in spec.payload.fields {
                if let Some(value) = self.field(&field.kind) {
                    data.insert(field.name.to_string(), value);
                }
            }
            event.insert("data".into(), Value::Object(data));
        }
        if item & word::META != 0 {
            event.insert("meta".into(), self.open());
        }
        if kind != word::UNKNOWN && item & word::EXTRAS != 0 {
            let Value::Object(extras) = self.open() else { panic!("extras are an object") };
            event.get_mut("data").unwrap().as_object_mut().unwrap().extend(extras);
        }
        Value::Object(event)
    }

    fn field(&mut self, kind: &Kind) -> Option<Value> {
        if self.words.first() == Some(&word::ABSENT) {
            self.word();
            return None;
        }
        Some(match kind {
            Kind::Text | Kind::Enum(_) | Kind::Id | Kind::SessionId => json!(self.string()),
            Kind::Integer | Kind::Number => self.number(),
            Kind::Bool => json!(self.word() == 1),
            _ => match self.word() {
                word::OPEN => self.open(),
                late => {
                    assert_eq!(late, word::LATE);
                    self.late.next().expect("a late value")
                }
            },
        })
    }
}
