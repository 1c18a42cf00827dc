//! Turns a body into what the store keeps: bytes as they are, JSON split into messages; session events are read by
//! `session`. Accepted bytes are never serialised again.

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, json};
use durable_sessions_storage::{Batch, BatchError};
use http::StatusCode;
use serde_json::json;

use super::target::Namespace;
use crate::Code;
use crate::app::App;
use crate::error::ApiError;
use crate::quota::Limit;
use crate::session::{Content, Written};

/// The content of a body that is not empty; nothing for the JSON text `[]`.
pub(crate) fn content(
    body: Bytes,
    content_type: &ContentType,
    namespace: Namespace,
    app: &App,
) -> Result<Content, ApiError> {
    let limits = &app.config.limits;
    let of_batch = |batch| Content { batch, written: Written::opaque(), ..Content::default() };
    if !content_type.is_json() {
        return Batch::bytes(body).map(|batch| of_batch(Some(batch))).map_err(unfit);
    }
    if namespace.holds_events() {
        return app.event_rules.read(&body, limits, namespace == Namespace::Sessions);
    }
    let messages = json::split_messages(&body).map_err(|why| {
        ApiError::bad_request(Code::InvalidJson, why.to_string()).details(json!({ "at": why.at }))
    })?;
    let count = messages.ends.len();
    if count == 0 {
        return Ok(of_batch(None));
    }
    if count > limits.append_messages_max {
        let message = format!("more than {} messages in one append", limits.append_messages_max);
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, message)
            .limit(Limit::AppendMessages)
            .details(json!({ "limit": limits.append_messages_max, "messages": count })));
    }
    let joined = match messages.joined {
        json::Joined::Range(range) => body.slice(range),
        json::Joined::Rebuilt(copy) => Bytes::from(copy),
    };
    Batch::joined_messages(joined, messages.ends).map(|batch| of_batch(Some(batch))).map_err(unfit)
}

fn unfit(why: BatchError) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, why.to_string())
}
