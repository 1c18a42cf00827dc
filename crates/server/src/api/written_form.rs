//! What `POST /api/streams` takes: events in short forms, made into wire events. Must not know routes, nor what is valid:
//! the wire events are checked like all others.
//!
//! Two forms, alone or in an array:
//! - `{ type, data, id?, timestamp?, meta? }`: the event, of which the server fills in what is absent;
//! - `{ channel, data, id? }`: as consumers of a channel see it. `data` is the payload with what mapping added, which is
//!   taken out again: `sessionId`, `offset`, `cursor`, the timestamp, and the field that tells the channel's types apart.
//!
//! Values are copied as they came, byte by byte; `accumulated` of chunks is left out.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use durable_sessions_schema::{Channel, Discriminant, EVENTS, EventIndex, EventSpec};
use serde_json::json;
use serde_json::value::RawValue;

use crate::Code;
use crate::error::ApiError;
use crate::members::Members;
use crate::quota::Limit;
use crate::session::fresh_event_id;

/// Fields of a channel's `data` that mapping adds.
const ADDED: [&str; 4] = ["sessionId", "offset", "cursor", "timestamp"];

/// Events made of a body.
#[derive(Debug)]
pub(crate) struct Made {
    /// The wire events, as one array.
    pub(crate) events: Bytes,
    /// Ids that the caller gave, by position; the others are new by nature.
    pub(crate) given_ids: Vec<Option<String>>,
}

/// Makes wire events of a body.
pub(crate) fn wire_events(body: &[u8], now_ms: u64, max: usize) -> Result<Made, ApiError> {
    let text = std::str::from_utf8(body).map_err(|why| not_json(&why))?;
    let mut out = Vec::with_capacity(body.len() + 128);
    let mut given_ids = Vec::new();
    out.push(b'[');
    if text.trim_start().starts_with('[') {
        let forms: Vec<&RawValue> = serde_json::from_str(text).map_err(|why| not_json(&why))?;
        if forms.len() > max {
            let message = format!("more than {max} events in one request");
            return Err(ApiError::new(http::StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
                .limit(Limit::AppendMessages)
                .details(json!({ "limit": max, "messages": forms.len() })));
        }
        for (index, form) in forms.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            given_ids.push(write(&mut out, form.get(), now_ms, index)?);
        }
    } else {
        given_ids.push(write(&mut out, text, now_ms, 0)?);
    }
    out.push(b']');
    Ok(Made { events: Bytes::from(out), given_ids })
}

/// Writes one event; the id that was given.
fn write(out: &mut Vec<u8>, text: &str, now_ms: u64, index: usize) -> Result<Option<String>, ApiError> {
    let form: Members<'_> = serde_json::from_str(text)
        .map_err(|why| if why.is_data() { bad(index, "$", "an object") } else { not_json(&why) })?;
    form.once(&["channel", "type", "data", "id", "timestamp", "meta"])
        .map_err(|name| bad(index, &format!("$.{name}"), "a field that stands once"))?;
    let data = form.get("data").ok_or_else(|| bad(index, "$.data", "the payload"))?;
    let channel = form.text("channel", index)?;
    let event_type = form.text("type", index)?;
    let event = match (channel, event_type) {
        (None, None) => return Err(bad(index, "$.type", "a channel or a type")),
        (None, Some(event_type)) => Source { event_type, dropped: &[], added: "", timestamp: None, data },
        (Some(name), event_type) => of_channel(&name, event_type, data, index)?,
    };
    let given = form.text("id", index)?;
    let id = given.clone().map_or_else(|| fresh_event_id().to_string(), Cow::into_owned);
    let timestamp = form.get("timestamp").or(event.timestamp);
    out.extend_from_slice(b"{\"id\":");
    put_text(out, &id);
    out.extend_from_slice(b",\"type\":");
    put_text(out, &event.event_type);
    out.extend_from_slice(b",\"timestamp\":");
    match timestamp {
        Some(given) => out.extend_from_slice(given.get().as_bytes()),
        None => out.extend_from_slice(now_ms.to_string().as_bytes()),
    }
    out.extend_from_slice(b",\"data\":");
    event.put_data(out);
    if let Some(meta) = form.get("meta") {
        out.extend_from_slice(b",\"meta\":");
        out.extend_from_slice(meta.get().as_bytes());
    }
    out.push(b'}');
    Ok(given.map(Cow::into_owned))
}

/// Where an event's type and payload come from.
struct Source<'j> {
    event_type: Cow<'j, str>,
    /// Fields of `data` to leave out.
    dropped: &'static [&'static str],
    /// Text of a field to add to it.
    added: &'static str,
    timestamp: Option<&'j RawValue>,
    data: &'j RawValue,
}

impl Source<'_> {
    fn put_data(&self, out: &mut Vec<u8>) {
        let spec = EventIndex::of(&self.event_type).map(EventIndex::spec);
        let ignored = spec.map_or(&[][..], |spec| spec.payload.ignored);
        let Ok(members) = serde_json::from_str::<Members<'_>>(self.data.get()) else {
            // No object: as it is, for the parser to refuse or to keep.
            out.extend_from_slice(self.data.get().as_bytes());
            return;
        };
        let mapped = !self.dropped.is_empty();
        let leaves_out = |name: &str| {
            ignored.contains(&name)
                || self.dropped.contains(&name)
                || (mapped && ADDED.contains(&name) && !is_own_field(spec, name))
        };
        if self.added.is_empty() && !members.0.iter().any(|(name, _)| leaves_out(name)) {
            out.extend_from_slice(self.data.get().as_bytes());
            return;
        }
        out.push(b'{');
        out.extend_from_slice(self.added.as_bytes());
        let mut first = self.added.is_empty();
        for (name, value) in members.0.iter().filter(|(name, _)| !leaves_out(name)) {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            put_text(out, name);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
    }
}

/// `cursor` is where a user points in presence, and where a record stands in everything else.
fn is_own_field(spec: Option<&EventSpec>, name: &str) -> bool {
    spec.is_some_and(|spec| spec.payload.fields.iter().any(|field| field.name.as_str() == name))
}

/// The event of a channel's `data`.
fn of_channel<'j>(
    name: &str,
    event_type: Option<Cow<'j, str>>,
    data: &'j RawValue,
    index: usize,
) -> Result<Source<'j>, ApiError> {
    let invalid = || {
        ApiError::bad_request(
            Code::InvalidChannel,
            "there is no such channel, or nothing can be written to it",
        )
        .details(json!({ "channel": name, "index": index }))
    };
    let channel =
        Channel::from_name(name).filter(|channel| *channel != Channel::Unknown).ok_or_else(invalid)?;
    let members: Members<'_> =
        serde_json::from_str(data.get()).map_err(|_| bad(index, "$.data", "an object"))?;
    let timestamp =
        members.get("timestamp").filter(|raw| raw.get().bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(event_type) = event_type {
        // Both are given, as in a record: they must agree.
        let spec = EventIndex::of(&event_type).map(EventIndex::spec).filter(|spec| spec.channel == channel);
        let dropped = discriminators(spec.ok_or_else(invalid)?);
        return Ok(Source { event_type, dropped, added: "", timestamp, data });
    }
    let plain = |event_type: &'static str, dropped: &'static [&'static str], added: &'static str| Source {
        event_type: Cow::Borrowed(event_type),
        dropped,
        added,
        timestamp,
        data,
    };
    Ok(match channel {
        Channel::Chunks => plain("chunk", NOTHING, ""),
        Channel::AgentState => plain("state:update", NOTHING, ""),
        Channel::Presence => plain("presence:cursor", &["action"], ""),
        Channel::ToolCalls => match members.text("status", index)?.as_deref() {
            Some("running") => plain("tool:start", &["status"], ""),
            Some("error") if members.get("isError").is_none() => {
                plain("tool:result", &["status"], "\"isError\":true")
            }
            _ => plain("tool:result", &["status"], ""),
        },
        // What a terminal prints is what it does by default.
        Channel::Terminal if members.get("type").is_none() => plain("terminal:output", &["type"], ""),
        Channel::Terminal
        | Channel::Workflow
        | Channel::Agent
        | Channel::ContainerAgent
        | Channel::Topology => {
            let given = members.text("type", index)?.unwrap_or_default();
            let spec = EVENTS.iter().find(|spec| spec.channel == channel && is_told_by(spec, &given));
            let spec = spec.ok_or_else(|| bad(index, "$.data.type", "a type of this channel"))?;
            plain(spec.event_type, &["type"], "")
        }
        Channel::Unknown => return Err(invalid()),
    })
}

/// No field that tells types apart; what mapping adds is taken out all the same.
const NOTHING: &[&str] = &["sessionId"];

fn discriminators(spec: &EventSpec) -> &'static [&'static str] {
    match spec.discriminant {
        Discriminant::None => NOTHING,
        Discriminant::Fixed { field: "type", .. } => &["type"],
        Discriminant::Fixed { field: "action", .. } => &["action"],
        Discriminant::Fixed { .. } | Discriminant::ToolOutcome => &["status"],
    }
}

fn is_told_by(spec: &EventSpec, given: &str) -> bool {
    spec.event_type == given
        || matches!(spec.discriminant, Discriminant::Fixed { field: "type", value } if value == given)
}

impl<'j> Members<'j> {
    fn text(&self, name: &str, index: usize) -> Result<Option<Cow<'j, str>>, ApiError> {
        // Absent and null are the same to applications in JavaScript.
        let Some(raw) = self.get(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
        serde_json::from_str::<String>(raw.get())
            .map(|text| Some(Cow::Owned(text)))
            .map_err(|_| bad(index, &format!("$.{name}"), "a string"))
    }

    /// Names that stand at most once; the first that does not.
    fn once<'n>(&self, names: &[&'n str]) -> Result<(), &'n str> {
        names.iter().copied().try_for_each(|name| {
            if self.0.iter().filter(|(given, _)| given == name).count() > 1 { Err(name) } else { Ok(()) }
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // A string always has a JSON form.
    out.extend_from_slice(serde_json::to_string(text).unwrap_or_default().as_bytes());
}

fn bad(index: usize, path: &str, expected: &str) -> ApiError {
    ApiError::bad_request(Code::InvalidEvent, format!("{path}: expected {expected}"))
        .details(json!({ "path": path, "expected": expected, "index": index }))
}

fn not_json(why: &dyn fmt::Display) -> ApiError {
    ApiError::bad_request(Code::InvalidJson, format!("the body is not JSON: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: &str) -> Result<String, ApiError> {
        wire_events(body.as_bytes(), 7, 10).map(|made| String::from_utf8(made.events.to_vec()).unwrap())
    }

    /// The only event of a form, without its id.
    fn one(body: &str) -> String {
        let text = made(body).unwrap();
        let (_, rest) = text.split_once(",\"type\":").unwrap();
        rest.trim_end_matches("}]").to_owned()
    }

    #[test]
    fn channels_become_the_events_of_the_contract() {
        for (form, event) in [
            (
                r#"{"channel":"terminal","data":{"type":"input","data":"ls"}}"#,
                r#""terminal:input","timestamp":7,"data":{"data":"ls"}"#,
            ),
            (
                r#"{"channel":"terminal","data":{"type":"output","data":"a","source":"agent"}}"#,
                r#""terminal:output","timestamp":7,"data":{"data":"a","source":"agent"}"#,
            ),
            (
                r#"{"channel":"terminal","data":{"data":"a"}}"#,
                r#""terminal:output","timestamp":7,"data":{"data":"a"}"#,
            ),
            (
                r#"{"channel":"presence","data":{"userId":"u","cursor":{"x":1,"y":2},"timestamp":3}}"#,
                r#""presence:cursor","timestamp":3,"data":{"userId":"u","cursor":{"x":1,"y":2}}"#,
            ),
            (
                r#"{"channel":"chunks","data":{"text":"a","accumulated":"aa","sessionId":"s","offset":1,"cursor":"c"}}"#,
                r#""chunk","timestamp":7,"data":{"text":"a"}"#,
            ),
            (
                r#"{"channel":"toolCalls","data":{"id":"1","tool":"t","status":"running"}}"#,
                r#""tool:start","timestamp":7,"data":{"id":"1","tool":"t"}"#,
            ),
            (
                r#"{"channel":"toolCalls","data":{"id":"1","tool":"t","status":"complete","output":1.50}}"#,
                r#""tool:result","timestamp":7,"data":{"id":"1","tool":"t","output":1.50}"#,
            ),
            (
                r#"{"channel":"toolCalls","data":{"id":"1","tool":"t","status":"error"}}"#,
                r#""tool:result","timestamp":7,"data":{"isError":true,"id":"1","tool":"t"}"#,
            ),
            (
                r#"{"channel":"agentState","data":{"status":"running"}}"#,
                r#""state:update","timestamp":7,"data":{"status":"running"}"#,
            ),
            (
                r#"{"channel":"workflow","data":{"type":"approval:requested","payload":{}}}"#,
                r#""approval:requested","timestamp":7,"data":{"payload":{}}"#,
            ),
            (
                r#"{"channel":"agent","data":{"type":"agent:warning","agentId":"a"}}"#,
                r#""agent:warning","timestamp":7,"data":{"agentId":"a"}"#,
            ),
            (
                r#"{"type":"chunk","data":{"text":"a","accumulated":"aa"},"timestamp":9}"#,
                r#""chunk","timestamp":9,"data":{"text":"a"}"#,
            ),
            (
                r#"{"type":"my:own","data":{ "n":1.50 },"meta":{}}"#,
                r#""my:own","timestamp":7,"data":{ "n":1.50 },"meta":{}"#,
            ),
        ] {
            assert_eq!(one(form), event, "{form}");
        }
    }

    #[test]
    fn ids_are_kept_or_filled_in() {
        let body = r#"[{"type":"chunk","data":{},"id":"a\"b"},{"type":"chunk","data":{}}]"#;
        let made = wire_events(body.as_bytes(), 7, 10).unwrap();
        assert_eq!(made.given_ids, [Some("a\"b".to_owned()), None]);
        let events: serde_json::Value = serde_json::from_slice(&made.events).unwrap();
        assert_eq!(events[0]["id"], "a\"b");
        assert_eq!(events[1]["id"].as_str().unwrap().len(), 32);
        assert_eq!(wire_events(b"[]", 7, 10).unwrap().events, "[]");
    }

    #[test]
    fn bad_forms_are_told_apart() {
        for (form, code) in [
            ("", Code::InvalidJson),
            ("{", Code::InvalidJson),
            ("[{},", Code::InvalidJson),
            ("7", Code::InvalidEvent),
            ("[7]", Code::InvalidEvent),
            ("{}", Code::InvalidEvent),
            (r#"{"data":{}}"#, Code::InvalidEvent),
            (r#"{"type":7,"data":{}}"#, Code::InvalidEvent),
            (r#"{"type":"chunk","type":"chunk","data":{}}"#, Code::InvalidEvent),
            (r#"{"channel":"nope","data":{}}"#, Code::InvalidChannel),
            (r#"{"channel":"unknown","data":{}}"#, Code::InvalidChannel),
            (r#"{"channel":"chunks","type":"tool:start","data":{}}"#, Code::InvalidChannel),
            (r#"{"channel":"chunks","data":7}"#, Code::InvalidEvent),
            (r#"{"channel":"workflow","data":{"type":"chunk"}}"#, Code::InvalidEvent),
            (r#"{"channel":"workflow","data":{}}"#, Code::InvalidEvent),
        ] {
            assert_eq!(made(form).unwrap_err().code(), code, "{form}");
        }
        assert_eq!(wire_events(b"[1,2]", 7, 1).unwrap_err().code(), Code::PayloadTooLarge);
    }
}
