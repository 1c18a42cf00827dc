//! Joins chunks of text that follow one another into one event. Pure: it is given events in order, and must not know who
//! waits for them.
//!
//! Two events are joined when both are `chunk`s with nothing in their envelopes beside id, type, timestamp and data, when
//! their data are the same byte by byte but for the text (so they are of one agent, turn and message), when the second is
//! not older or younger than the first by more than the window, and when what comes of it is not too large. What comes of
//! it is the first event with the texts one behind the other, as they were escaped, and
//! `"joined":[…]` with the ids of the others, so far as they count: they are recognised when they are sent again.

use std::borrow::Cow;

use bytes::Bytes;
use durable_sessions_storage::Batch;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::members::Members;

/// Bytes of a joined event; one chunk may have more by itself.
pub(crate) const JOINED_BYTES_MAX: usize = 64 << 10;

/// Where the ids of joined events are.
const JOINED: &str = "joined";

/// A chunk that can be joined with others.
#[derive(Debug)]
pub(crate) struct Form<'j> {
    id: &'j str,
    timestamp_ms: u64,
    /// The members of `data` but the text.
    rest: Vec<(Cow<'j, str>, &'j str)>,
    /// Where among them the text stands, and under which of its names.
    text_at: usize,
    text_name: &'static str,
    /// Between the quotes.
    text: &'j str,
}

/// The envelope: anything beside these members keeps an event as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'j> {
    #[serde(borrow)]
    id: &'j RawValue,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'j, str>,
    timestamp: u64,
    #[serde(borrow)]
    data: &'j RawValue,
}

impl<'j> Form<'j> {
    /// The form of an event that is valid, unless it cannot be joined with any.
    pub(crate) fn of(event: &'j [u8]) -> Option<Self> {
        let envelope: Envelope<'j> = serde_json::from_slice(event).ok()?;
        if envelope.event_type != "chunk" {
            return None;
        }
        let members: Members<'j> = serde_json::from_str(envelope.data.get()).ok()?;
        let mut rest = Vec::with_capacity(members.0.len());
        let mut text = None;
        for (position, (name, value)) in members.0.into_iter().enumerate() {
            let text_name = match &*name {
                "text" => "text",
                "delta" => "delta",
                // Of a whole text there is one, which joining would make wrong.
                "accumulated" => return None,
                _ => {
                    rest.push((name, value.get()));
                    continue;
                }
            };
            let between = value.get().strip_prefix('"')?.strip_suffix('"')?;
            if text.replace((position, text_name, between)).is_some() {
                return None;
            }
        }
        let (text_at, text_name, text) = text?;
        Some(Self { id: envelope.id.get(), timestamp_ms: envelope.timestamp, rest, text_at, text_name, text })
    }
}

/// The event that is being joined.
struct Open {
    /// As it came, which is what it stays when nothing is joined to it.
    first: Bytes,
    id: String,
    timestamp_ms: u64,
    rest: Vec<(String, String)>,
    text_at: usize,
    text_name: &'static str,
    text: String,
    ids: Vec<String>,
    ids_bytes: usize,
    count: usize,
}

/// What events became.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) batch: Batch,
    /// Events that are in the message of another one.
    pub(crate) chunks: u64,
    /// Messages that hold more than one.
    pub(crate) messages: u64,
    pub(crate) bytes_saved: u64,
}

/// Takes events in order.
pub(crate) struct Joiner {
    window_ms: u64,
    open: Option<Open>,
    body: Vec<u8>,
    ends: Vec<u32>,
    taken_bytes: usize,
    chunks: u64,
    messages: u64,
}

impl Joiner {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self {
            window_ms,
            open: None,
            body: Vec::new(),
            ends: Vec::new(),
            taken_bytes: 0,
            chunks: 0,
            messages: 0,
        }
    }

    /// Takes an event, and its id if that counts; how many messages there are up to the one that it is in.
    pub(crate) fn push(&mut self, event: &Bytes, id: Option<&str>) -> u64 {
        self.taken_bytes += event.len();
        let form = Form::of(event);
        match (&mut self.open, &form) {
            (Some(open), Some(form)) if open.takes(form, id, self.window_ms) => {
                open.join(form, id);
                self.chunks += 1;
            }
            _ => {
                self.close();
                match form {
                    Some(form) => self.open = Some(Open::new(event, &form)),
                    None => self.put(event),
                }
            }
        }
        self.ends.len() as u64 + u64::from(self.open.is_some())
    }

    /// The messages; `None` when nothing was taken, or it is more than a batch may hold.
    pub(crate) fn finish(mut self) -> Option<Joined> {
        self.close();
        let bytes = self.body.len() + 1 - self.ends.len().min(self.body.len() + 1);
        Some(Joined {
            batch: Batch::joined_messages(Bytes::from(self.body), self.ends).ok()?,
            chunks: self.chunks,
            messages: self.messages,
            bytes_saved: self.taken_bytes.saturating_sub(bytes) as u64,
        })
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.messages += u64::from(open.count > 1);
            self.put(&open.event());
        }
    }

    fn put(&mut self, message: &[u8]) {
        if !self.body.is_empty() {
            self.body.push(b',');
        }
        self.body.extend_from_slice(message);
        // More than a batch can hold is refused when that is made.
        self.ends.push(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
    }
}

impl Open {
    fn new(first: &Bytes, form: &Form<'_>) -> Self {
        Self {
            first: first.clone(),
            id: form.id.to_owned(),
            timestamp_ms: form.timestamp_ms,
            rest: form.rest.iter().map(|(name, value)| (name.to_string(), (*value).to_owned())).collect(),
            text_at: form.text_at,
            text_name: form.text_name,
            text: form.text.to_owned(),
            ids: Vec::new(),
            ids_bytes: 0,
            count: 1,
        }
    }

    fn takes(&self, form: &Form<'_>, id: Option<&str>, window_ms: u64) -> bool {
        let more = form.text.len() + id.map_or(0, |id| id.len() + 3);
        self.text_name == form.text_name
            && self.rest.len() == form.rest.len()
            && self.rest.iter().zip(&form.rest).all(|(own, other)| own.0 == other.0 && own.1 == other.1)
            && self.timestamp_ms.abs_diff(form.timestamp_ms) <= window_ms
            && self.ids.len() < super::WINDOW_EVENTS_MAX
            && self.first.len() + self.text.len() + self.ids_bytes + more <= JOINED_BYTES_MAX
    }

    fn join(&mut self, form: &Form<'_>, id: Option<&str>) {
        self.text.push_str(form.text);
        if let Some(id) = id {
            self.ids_bytes += id.len() + 3;
            self.ids.push(id.to_owned());
        }
        self.count += 1;
    }

    fn event(self) -> Bytes {
        if self.count == 1 {
            return self.first;
        }
        let mut text =
            format!(r#"{{"id":{},"type":"chunk","timestamp":{},"data":{{"#, self.id, self.timestamp_ms);
        let mut rest = self.rest.iter();
        for position in 0..=self.rest.len() {
            if position > 0 {
                text.push(',');
            }
            if position == self.text_at {
                text.push_str(&format!(r#""{}":"{}""#, self.text_name, self.text));
            } else if let Some((name, value)) = rest.next() {
                text.push_str(&json_text(name));
                text.push(':');
                text.push_str(value);
            }
        }
        text.push('}');
        if !self.ids.is_empty() {
            let ids: Vec<_> = self.ids.iter().map(|id| json_text(id)).collect();
            text.push_str(&format!(r#","{JOINED}":[{}]"#, ids.join(",")));
        }
        text.push('}');
        Bytes::from(text)
    }
}

/// The ids of what was joined to an event, as its member [`JOINED`] has them.
pub(crate) fn joined_ids(value: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = serde_json::from_slice(value).unwrap_or_default();
    // No joiner writes more, so whatever wrote this was none.
    ids.truncate(super::WINDOW_EVENTS_MAX);
    ids
}

fn json_text(text: &str) -> String {
    // A string always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
