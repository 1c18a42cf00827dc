//! A body of session events: checked against the schema and split into messages in one pass. Accepted bytes are never
//! serialised again. Must not know routes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{BufMut as _, Bytes, BytesMut};
use durable_sessions_protocol::json;
use durable_sessions_schema::{CustomEvents, EVENTS, EventKind, EventView, Parser, Rejection, Verdict};
use durable_sessions_storage::Batch;
use http::StatusCode;
use serde_json::json;

use crate::error::ApiError;
use crate::{Code, UnknownEvents};

/// Largest event that is passed on without being stored.
pub(crate) const EPHEMERAL_BYTES_MAX: usize = 4096;
/// The one event type that is never stored.
const CURSOR: &str = "presence:cursor";

const _: () = assert!(EVENTS.len() <= u128::BITS as usize, "the set of known types is one number");

/// Which events may be written.
#[derive(Debug)]
pub(crate) struct EventRules {
    /// Tells the parsers of one server from those of another in the same process.
    id: u64,
    custom: CustomEvents,
    unknown: UnknownEvents,
    registered: Vec<String>,
}

/// What a body holds.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// What is to be stored, if anything is.
    pub(crate) batch: Option<Batch>,
    /// What is only passed on.
    pub(crate) ephemeral: Vec<EphemeralEvent>,
    pub(crate) written: Written,
}

/// A cursor that moved: passed on to who is there, not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EphemeralEvent {
    pub(crate) user_id: String,
    /// The wire event.
    pub(crate) event: Bytes,
}

/// What access has to know of the events in a body.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// One bit per type of the catalogue.
    known: u128,
    other: BTreeSet<String>,
    users: BTreeSet<String>,
}

thread_local! {
    // The parser keeps its scratch memory from event to event; nothing here waits while it is borrowed.
    static PARSER: RefCell<(u64, Parser)> = RefCell::new((0, Parser::new()));
}

impl EventRules {
    pub(crate) fn new(custom: CustomEvents, unknown: UnknownEvents, registered: Vec<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), custom, unknown, registered }
    }

    fn accepts_unknown(&self, event_type: &str) -> bool {
        match self.unknown {
            UnknownEvents::Accept => true,
            UnknownEvents::Reject => false,
            UnknownEvents::AcceptRegistered => {
                event_type.starts_with("x-")
                    || self.registered.iter().any(|name| match name.strip_suffix('*') {
                        Some(prefix) => event_type.starts_with(prefix),
                        None => name == event_type,
                    })
            }
        }
    }

    /// Reads a body that is one event or an array of them; the first bad one refuses all. With `ephemeral`, cursors
    /// are set apart from what is stored.
    pub(crate) fn read(
        &self,
        body: &Bytes,
        messages_max: usize,
        ephemeral: bool,
    ) -> Result<Content, ApiError> {
        let mut reading = Reading {
            rules: self,
            ephemeral,
            index: 0,
            refused: None,
            spans: Vec::new(),
            content: Content::default(),
        };
        let parsed = PARSER.with_borrow_mut(|(id, parser)| {
            if *id != self.id {
                *parser = Parser::with_custom(self.custom.clone());
                *id = self.id;
            }
            parser.parse_messages(body, &mut |verdict| reading.visit(&verdict))
        });
        let Reading { refused, spans, mut content, .. } = reading;
        let count = parsed.map_err(|rejection| not_json(body, &rejection))?;
        if let Some(error) = refused {
            return Err(error);
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > messages_max {
            let message = format!("more than {messages_max} messages in one append");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
                .details(json!({ "limit": messages_max, "messages": count })));
        }
        content.batch = join(body, &spans)?;
        Ok(content)
    }
}

struct Reading<'r> {
    rules: &'r EventRules,
    ephemeral: bool,
    index: u32,
    refused: Option<ApiError>,
    /// Of what is to be stored.
    spans: Vec<std::ops::Range<usize>>,
    content: Content,
}

impl Reading<'_> {
    fn visit(&mut self, verdict: &Verdict<'_, '_>) {
        if self.refused.is_none()
            && let Err(error) = self.take(verdict)
        {
            self.refused = Some(error);
        }
        self.index += 1;
    }

    fn take(&mut self, verdict: &Verdict<'_, '_>) -> Result<(), ApiError> {
        let view = match verdict {
            Verdict::Event(view) => view,
            Verdict::Rejected { rejection, .. } => return Err(invalid_event(rejection, Some(self.index))),
        };
        match view.kind() {
            EventKind::Known(index) => {
                self.content.written.known |= 1 << index.position();
                let event_type = index.spec().event_type;
                let named = if event_type.starts_with("presence:") {
                    text_field(view, "userId")
                } else if event_type.starts_with("approval:") {
                    text_field(view, "actor")
                } else {
                    None
                };
                if event_type == CURSOR && self.ephemeral {
                    return self.pass_on(view, named.unwrap_or_default());
                }
                self.content.written.users.extend(named);
            }
            EventKind::Custom(_) => {
                self.content.written.other.insert(view.event_type().into_owned());
            }
            EventKind::Unknown => {
                let event_type = view.event_type();
                if !self.rules.accepts_unknown(&event_type) {
                    return Err(unknown_type(&event_type, self.index));
                }
                self.content.written.other.insert(event_type.into_owned());
            }
        }
        self.spans.push(view.range());
        Ok(())
    }

    fn pass_on(&mut self, view: &EventView<'_, '_>, user_id: String) -> Result<(), ApiError> {
        let raw = view.raw();
        if raw.len() > EPHEMERAL_BYTES_MAX {
            let message = format!("a {CURSOR} event has at most {EPHEMERAL_BYTES_MAX} bytes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
                .details(json!({ "limit": EPHEMERAL_BYTES_MAX, "index": self.index })));
        }
        self.content.written.users.insert(user_id.clone());
        self.content.ephemeral.push(EphemeralEvent { user_id, event: Bytes::copy_from_slice(raw) });
        Ok(())
    }
}

fn text_field(view: &EventView<'_, '_>, name: &str) -> Option<String> {
    let fields = view.spec()?.payload.fields;
    let position = fields.iter().position(|field| field.name.as_str() == name)?;
    let raw = view.field(position)?;
    let mut decoded = Vec::new();
    view.string(position, raw).decode_into(&mut decoded);
    String::from_utf8(decoded).ok()
}

/// The messages joined by one comma each: a slice of the body where they stand so already.
fn join(body: &Bytes, spans: &[std::ops::Range<usize>]) -> Result<Option<Batch>, ApiError> {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(None) };
    // Between two messages stand a comma and white space, so what is one byte wide is the comma.
    let joined_already = spans.windows(2).all(|pair| pair[1].start == pair[0].end + 1);
    let (joined, ends) = if joined_already {
        let ends: Vec<_> = spans.iter().map(|span| span.end - first.start).collect();
        (body.slice(first.start..last.end), ends)
    } else {
        let mut copy = BytesMut::with_capacity(spans.iter().map(|span| span.len() + 1).sum());
        let mut ends = Vec::with_capacity(spans.len());
        for span in spans {
            if !copy.is_empty() {
                copy.put_u8(b',');
            }
            copy.extend_from_slice(&body[span.clone()]);
            ends.push(copy.len());
        }
        (copy.freeze(), ends)
    };
    // The parser takes no text of 4 GiB, so every end fits.
    let ends = ends.into_iter().map(|end| u32::try_from(end).unwrap_or(u32::MAX)).collect();
    let batch = Batch::joined_messages(joined, ends).map_err(|why| {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, why.to_string())
    })?;
    Ok(Some(batch))
}

fn invalid_event(rejection: &Rejection, index: Option<u32>) -> ApiError {
    let reason = rejection.code.as_str();
    ApiError::bad_request(Code::InvalidEvent, rejection.to_string()).rejection(reason).details(json!({
        "eventType": rejection.event_type,
        "path": rejection.path,
        "expected": rejection.expected,
        "came": rejection.came,
        "index": index,
        "reason": reason,
    }))
}

fn unknown_type(event_type: &str, index: u32) -> ApiError {
    ApiError::bad_request(Code::InvalidEvent, "$.type: this server does not take events of this type")
        .rejection("unknown_type")
        .details(json!({
            "eventType": event_type,
            "path": "$.type",
            "expected": "an event type of the catalogue, or one that this server takes",
            "came": event_type,
            "index": index,
            "reason": "unknown_type",
        }))
}

/// Where a text stops being JSON, in the words of the protocol's own check.
fn not_json(body: &[u8], rejection: &Rejection) -> ApiError {
    match json::split_messages(body) {
        Err(why) => {
            ApiError::bad_request(Code::InvalidJson, why.to_string()).details(json!({ "at": why.at }))
        }
        // Deeper or longer than events may be.
        Ok(_) => invalid_event(rejection, None),
    }
}

impl Written {
    /// The types of the events, each once.
    pub(crate) fn event_types(&self) -> impl Iterator<Item = &str> {
        let known = EVENTS.iter().enumerate().filter(|(position, _)| self.known >> position & 1 != 0);
        known.map(|(_, spec)| spec.event_type).chain(self.other.iter().map(String::as_str))
    }

    /// In whose names something is said: users of presence events, actors of approvals.
    pub(crate) fn users(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(String::as_str)
    }

    /// Whether anything is more than somebody coming or going.
    pub(crate) fn is_work(&self) -> bool {
        self.event_types().any(|event_type| !event_type.starts_with("presence:"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(unknown: UnknownEvents) -> EventRules {
        EventRules::new(CustomEvents::new(), unknown, vec!["acme:*".into(), "own".into()])
    }

    fn event(event_type: &str, data: &str) -> String {
        format!(r#"{{"id":"1","type":"{event_type}","timestamp":1,"data":{data}}}"#)
    }

    fn read(rules: &EventRules, text: &str) -> Result<Content, ApiError> {
        rules.read(&Bytes::copy_from_slice(text.as_bytes()), 10, true)
    }

    #[test]
    fn messages_are_the_bytes_that_came() {
        let rules = rules(UnknownEvents::Accept);
        let (a, b) = (event("chunk", r#"{ "text":"\u00e9" }"#), event("my:own", "1.50"));
        for text in [format!("[{a},{b}]"), format!(" [ {a} ,\n{b}\t] ")] {
            let batch = read(&rules, &text).unwrap().batch.unwrap();
            let messages: Vec<_> = batch.messages().collect();
            assert_eq!(messages, [a.as_bytes(), b.as_bytes()], "{text}");
        }
        assert!(read(&rules, " [ ] ").unwrap().batch.is_none());
        let one = read(&rules, &a).unwrap();
        assert_eq!(one.batch.unwrap().units(), 1);
        assert!(one.written.is_work());
    }

    #[test]
    fn cursors_are_set_apart() {
        let rules = rules(UnknownEvents::Accept);
        let cursor = event("presence:cursor", r#"{"userId":"a\u0064a","cursor":{"x":1,"y":2}}"#);
        let chunk = event("chunk", r#"{"text":"x"}"#);
        let content = read(&rules, &format!("[{chunk},{cursor},{chunk}]")).unwrap();
        assert_eq!(content.batch.as_ref().map(Batch::body).unwrap(), &format!("{chunk},{chunk}"));
        assert_eq!(
            content.ephemeral,
            [EphemeralEvent { user_id: "ada".into(), event: cursor.clone().into() }]
        );
        assert_eq!(content.written.users().collect::<Vec<_>>(), ["ada"]);
        assert_eq!(content.written.event_types().collect::<Vec<_>>(), ["chunk", "presence:cursor"]);
        let alone = read(&rules, &cursor).unwrap();
        assert!(alone.batch.is_none() && !alone.written.is_work());
        let kept = rules.read(&Bytes::from(cursor), 10, false).unwrap();
        assert!(kept.batch.is_some() && kept.ephemeral.is_empty());
        let large = event("presence:cursor", &format!(r#"{{"userId":"a","x":"{}"}}"#, "x".repeat(5000)));
        assert!(read(&rules, &large).is_err());
    }

    #[test]
    fn unknown_types_are_taken_as_the_policy_says() {
        for (policy, taken) in [
            (UnknownEvents::Accept, vec!["x-a", "acme:b", "own", "owner", "other"]),
            (UnknownEvents::AcceptRegistered, vec!["x-a", "acme:b", "own"]),
            (UnknownEvents::Reject, vec![]),
        ] {
            let rules = rules(policy);
            for event_type in ["x-a", "acme:b", "own", "owner", "other"] {
                let answer = read(&rules, &event(event_type, "{}"));
                assert_eq!(answer.is_ok(), taken.contains(&event_type), "{policy:?} {event_type}");
            }
            assert!(read(&rules, &event("chunk", r#"{"text":""}"#)).is_ok());
        }
    }

    #[test]
    fn actors_of_approvals_are_told() {
        let text = event("approval:approved", r#"{"actor":"bob","payload":{}}"#);
        let content = read(&rules(UnknownEvents::Accept), &text).unwrap();
        assert_eq!(content.written.users().collect::<Vec<_>>(), ["bob"]);
    }
}
