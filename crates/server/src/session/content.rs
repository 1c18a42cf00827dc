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
use serde::Deserialize;
use serde_json::json;

use crate::config::Limits;
use crate::error::ApiError;
use crate::quota::Limit;
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
    /// Users whose presence is told.
    present: BTreeSet<String>,
    /// In whose names approvals are asked for and answered.
    actors: BTreeSet<String>,
    /// Presence of nobody in particular.
    nobody_present: bool,
    /// An approval that nobody in particular answers.
    nobody_answers: bool,
    /// Something that is not events.
    opaque: bool,
}

/// The members of an event's data that name somebody, where the catalogue does not know the event. A member that
/// stands twice is as good as none: readers may see either.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    user_id: Option<String>,
    actor: Option<String>,
}

thread_local! {
    // The parser keeps its scratch memory from event to event; nothing here waits while it is borrowed.
    static PARSER: RefCell<(u64, Parser)> = RefCell::new((0, Parser::new()));
}

impl Content {
    /// How many events there are, stored or not.
    pub(crate) fn count(&self) -> u64 {
        let stored = self.batch.as_ref().map_or(0, Batch::units);
        stored + u64::try_from(self.ephemeral.len()).unwrap_or(u64::MAX)
    }
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
    pub(crate) fn read(&self, body: &Bytes, limits: &Limits, ephemeral: bool) -> Result<Content, ApiError> {
        let messages_max = limits.append_messages_max;
        let mut reading = Reading {
            rules: self,
            ephemeral,
            event_bytes_max: limits.event_bytes_max,
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
                .limit(Limit::AppendMessages)
                .details(json!({ "limit": messages_max, "messages": count })));
        }
        content.batch = join(body, &spans)?;
        Ok(content)
    }
}

struct Reading<'r> {
    rules: &'r EventRules,
    ephemeral: bool,
    event_bytes_max: usize,
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
        if view.raw().len() > self.event_bytes_max {
            let message = format!("an event has more than {} bytes", self.event_bytes_max);
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
                .limit(Limit::EventBytes)
                .details(json!({ "limit": self.event_bytes_max, "index": self.index })));
        }
        match view.kind() {
            EventKind::Known(index) => {
                self.content.written.known |= 1 << index.position();
                let event_type = index.spec().event_type;
                if event_type == CURSOR && self.ephemeral {
                    return self.pass_on(view, text_field(view, "userId").unwrap_or_default());
                }
                self.content.written.name(event_type, |name| text_field(view, name));
            }
            EventKind::Custom(_) => {
                self.note_other(view, view.event_type().into_owned());
            }
            EventKind::Unknown => {
                let event_type = view.event_type();
                if !self.rules.accepts_unknown(&event_type) {
                    return Err(unknown_type(&event_type, self.index));
                }
                self.note_other(view, event_type.into_owned());
            }
        }
        self.spans.push(view.range());
        Ok(())
    }

    fn note_other(&mut self, view: &EventView<'_, '_>, event_type: String) {
        let named =
            std::cell::LazyCell::new(|| serde_json::from_slice::<Named>(view.data()).unwrap_or_default());
        let name_of = |name: &str| if name == "actor" { named.actor.clone() } else { named.user_id.clone() };
        self.content.written.name(&event_type, name_of);
        self.content.written.other.insert(event_type);
    }

    fn pass_on(&mut self, view: &EventView<'_, '_>, user_id: String) -> Result<(), ApiError> {
        let raw = view.raw();
        if raw.len() > EPHEMERAL_BYTES_MAX {
            let message = format!("a {CURSOR} event has at most {EPHEMERAL_BYTES_MAX} bytes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
                .limit(Limit::EventBytes)
                .details(json!({ "limit": EPHEMERAL_BYTES_MAX, "index": self.index })));
        }
        self.content.written.present.insert(user_id.clone());
        self.content.ephemeral.push(EphemeralEvent { user_id, event: Bytes::copy_from_slice(raw) });
        Ok(())
    }
}

fn text_field(view: &EventView<'_, '_>, name: &str) -> Option<String> {
    let fields = view.spec()?.payload.fields;
    let position = fields.iter().position(|field| field.name.as_str() == name)?;
    let raw = view.field(position)?;
    String::from_utf8(view.string(position, raw).decode().into_owned()).ok()
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

    /// Of a body that does not hold events.
    pub(crate) fn opaque() -> Self {
        Self { opaque: true, ..Self::default() }
    }

    /// Whether it is something else than events.
    pub(crate) fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Whether all presence in it is this user's.
    pub(crate) fn is_presence_of(&self, user: &str) -> bool {
        !self.nobody_present && self.present.iter().all(|present| present == user)
    }

    /// Whether all approvals in it are asked for and answered by this user. Asking needs no name.
    pub(crate) fn has_actor(&self, user: &str) -> bool {
        !self.nobody_answers && self.actors.iter().all(|actor| actor == user)
    }

    /// Notes in whose name an event speaks; `named` reads a member of its data.
    fn name(&mut self, event_type: &str, named: impl FnOnce(&str) -> Option<String>) {
        if event_type.starts_with("presence:") {
            match named("userId") {
                Some(user) => drop(self.present.insert(user)),
                None => self.nobody_present = true,
            }
        } else if event_type.starts_with("approval:") {
            match named("actor") {
                Some(actor) => drop(self.actors.insert(actor)),
                None => self.nobody_answers |= event_type != "approval:requested",
            }
        }
    }

    /// Whether anything is more than somebody coming or going.
    pub(crate) fn is_work(&self) -> bool {
        self.event_types().any(|event_type| !event_type.starts_with("presence:"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Limits {
        Limits { append_messages_max: 10, ..Limits::default() }
    }

    fn rules(unknown: UnknownEvents) -> EventRules {
        EventRules::new(CustomEvents::new(), unknown, vec!["acme:*".into(), "own".into()])
    }

    fn event(event_type: &str, data: &str) -> String {
        format!(r#"{{"id":"1","type":"{event_type}","timestamp":1,"data":{data}}}"#)
    }

    fn read(rules: &EventRules, text: &str) -> Result<Content, ApiError> {
        rules.read(&Bytes::copy_from_slice(text.as_bytes()), &ten(), true)
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
        assert!(content.written.is_presence_of("ada") && !content.written.is_presence_of("bob"));
        assert_eq!(content.written.event_types().collect::<Vec<_>>(), ["chunk", "presence:cursor"]);
        let alone = read(&rules, &cursor).unwrap();
        assert!(alone.batch.is_none() && !alone.written.is_work());
        let kept = rules.read(&Bytes::from(cursor), &ten(), false).unwrap();
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
    fn it_is_told_in_whose_names_events_speak() {
        // The type, its data, and whether it is presence and approvals of ada alone.
        for (event_type, data, is_presence, has_actor) in [
            ("presence:joined", r#"{"userId":"ada"}"#, true, true),
            ("presence:left", r#"{"userId":"bob"}"#, false, true),
            ("presence:wave", r#"{"userId":"ada"}"#, true, true),
            ("presence:wave", r#"{"userId":"ada","user\u0049d":"bob"}"#, false, true),
            ("presence:wave", r#"{"userId":"bob"}"#, false, true),
            ("presence:wave", "{}", false, true),
            ("approval:approved", r#"{"actor":"ada","payload":{}}"#, true, true),
            ("approval:approved", r#"{"actor":"bob","payload":{}}"#, true, false),
            ("approval:rejected", r#"{"payload":{}}"#, true, false),
            ("approval:requested", r#"{"payload":{}}"#, true, true),
            ("approval:other", "{}", true, false),
            ("chunk", r#"{"text":"","userId":"bob","actor":"bob"}"#, true, true),
        ] {
            let written = read(&rules(UnknownEvents::Accept), &event(event_type, data)).unwrap().written;
            let found = (written.is_presence_of("ada"), written.has_actor("ada"));
            assert_eq!(found, (is_presence, has_actor), "{event_type} {data}");
        }
    }

    #[test]
    fn an_event_is_bounded() {
        let limits = Limits { event_bytes_max: 200, ..Limits::default() };
        let rules = rules(UnknownEvents::Accept);
        let of = |length: usize| event("chunk", &format!(r#"{{"text":"{}"}}"#, "x".repeat(length)));
        let body = format!("[{},{}]", of(1), of(1));
        assert!(rules.read(&Bytes::from(body), &limits, true).is_ok());
        let body = format!("[{},{}]", of(1), of(200));
        let error = rules.read(&Bytes::from(body), &limits, true).unwrap_err();
        assert_eq!(error.code(), Code::PayloadTooLarge);
    }
}
