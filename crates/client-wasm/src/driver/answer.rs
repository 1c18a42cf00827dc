//! What of an answer decides. Must not know what follows from it.

use durable_sessions_client_core::{ResponseHead, message_count, retry_after_ms};
use durable_sessions_protocol::header;
use gloo_net::http::Response;

/// Reads the head of an answer.
pub(super) fn head(response: &Response) -> ResponseHead {
    let headers = response.headers();
    ResponseHead {
        status: response.status(),
        content_type: headers.get("content-type"),
        data_encoding: headers.get(header::STREAM_SSE_DATA_ENCODING),
        retry_after_ms: headers
            .get("retry-after")
            .and_then(|value| retry_after_ms(&value).or_else(|| until_date_ms(&value))),
        first_offset: headers.get(header::STREAM_FIRST_OFFSET),
        message_count: headers
            .get(header::STREAM_MESSAGE_COUNT)
            .and_then(|value| message_count(value.as_bytes())),
    }
}

/// Retry-After as an HTTP date, which JavaScript reads for us.
fn until_date_ms(value: &str) -> Option<u64> {
    let delay = js_sys::Date::parse(value) - js_sys::Date::now();
    // A date in the past means now.
    if delay.is_nan() { None } else { Some(delay.max(0.0) as u64) }
}
