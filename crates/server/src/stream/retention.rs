//! `Stream-Retention` and `Stream-First-Offset`, extensions of this server.

use durable_sessions_protocol::{Offset, Retention, header};
use durable_sessions_storage::StreamHead;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::single;
use crate::Code;
use crate::answer::offset_value;
use crate::error::ApiError;

pub(crate) fn of_request(headers: &HeaderMap) -> Result<Retention, ApiError> {
    match single(headers, header::STREAM_RETENTION)? {
        None => Ok(Retention::NONE),
        Some(text) => text
            .parse()
            .map_err(|why| ApiError::bad_request(Code::InvalidHeader, format!("Stream-Retention: {why}"))),
    }
}

/// What the stream asks for, and where it begins once something of it was given up.
pub(crate) fn mark(head: &StreamHead, headers: &mut HeaderMap) {
    if !head.retention.is_none()
        && let Ok(value) = HeaderValue::try_from(head.retention.to_string())
    {
        headers.insert(HeaderName::from_static(header::STREAM_RETENTION), value);
    }
    if head.first_offset > Offset::ZERO {
        headers.insert(HeaderName::from_static(header::STREAM_FIRST_OFFSET), offset_value(head.first_offset));
    }
}
