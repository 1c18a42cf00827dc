//! Turns a body into what the store keeps: bytes as they are, JSON split into messages, session events checked
//! against the schema. Accepted bytes are never serialised again.

use std::cell::RefCell;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, json};
use durable_sessions_schema::{Parser, Rejection, Verdict};
use durable_sessions_storage::{Batch, BatchError};
use http::StatusCode;
use serde_json::json;

use super::target::Namespace;
use crate::Code;
use crate::access::{EventPolicy, Writer};
use crate::app::App;
use crate::error::ApiError;

thread_local! {
    // The parser keeps its scratch memory from event to event; nothing here waits while it is borrowed.
    static PARSER: RefCell<Parser> = RefCell::new(Parser::new());
}

/// The batch in a body that is not empty; `None` for the JSON text `[]`.
pub(crate) fn batch(
    body: Bytes,
    content_type: &ContentType,
    namespace: Namespace,
    app: &App,
    writer: &Writer<'_>,
) -> Result<Option<Batch>, ApiError> {
    let limits = &app.config.limits;
    if !content_type.is_json() {
        return Batch::bytes(body).map(Some).map_err(unfit);
    }
    let messages = json::split_messages(&body).map_err(|why| {
        ApiError::bad_request(Code::InvalidJson, why.to_string()).details(json!({ "at": why.at }))
    })?;
    let count = messages.ends.len();
    if count == 0 {
        return Ok(None);
    }
    if count > limits.append_messages_max {
        let message = format!("more than {} messages in one append", limits.append_messages_max);
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
            .details(json!({ "limit": limits.append_messages_max, "messages": count })));
    }
    if namespace.holds_events() {
        // A body that is not longer than an event may be needs no look at each.
        if body.len() > limits.event_bytes_max {
            check_sizes(&messages.ends, limits.event_bytes_max)?;
        }
        check_events(&body, &app.config.event_policy, writer)?;
    }
    let joined = match messages.joined {
        json::Joined::Range(range) => body.slice(range),
        json::Joined::Rebuilt(copy) => Bytes::from(copy),
    };
    Batch::joined_messages(joined, messages.ends).map(Some).map_err(unfit)
}

/// `ends` are of the messages joined by commas.
fn check_sizes(ends: &[u32], max: usize) -> Result<(), ApiError> {
    let mut start = 0;
    for (index, end) in ends.iter().map(|end| *end as usize).enumerate() {
        if end.saturating_sub(start) > max {
            let message = format!("an event has more than {max} bytes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
                .details(json!({ "limit": max, "index": index })));
        }
        start = end + 1;
    }
    Ok(())
}

/// Every message must be a valid event that the writer may write; the first that is not refuses the whole request.
fn check_events(body: &[u8], policy: &EventPolicy, writer: &Writer<'_>) -> Result<(), ApiError> {
    let trusted = writer.may_write_anything();
    let mut index = 0u32;
    let mut first: Option<ApiError> = None;
    let parsed = PARSER.with_borrow_mut(|parser| {
        parser.parse_messages(body, &mut |verdict| {
            match verdict {
                _ if first.is_some() => {}
                Verdict::Rejected { rejection, .. } => first = Some(invalid_event(&rejection, Some(index))),
                Verdict::Event(_) if trusted => {}
                Verdict::Event(event) => first = writer.check(policy, &event, index).err(),
            }
            index += 1;
        })
    });
    match (first, parsed) {
        (Some(error), _) => Err(error),
        (None, Ok(_)) => Ok(()),
        (None, Err(rejection)) => Err(invalid_event(&rejection, None)),
    }
}

fn invalid_event(rejection: &Rejection, index: Option<u32>) -> ApiError {
    ApiError::bad_request(Code::InvalidEvent, rejection.to_string()).details(json!({
        "eventType": rejection.event_type,
        "path": rejection.path,
        "expected": rejection.expected,
        "came": rejection.came,
        "index": index,
        "reason": rejection.code.as_str(),
    }))
}

fn unfit(why: BatchError) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, why.to_string())
}
