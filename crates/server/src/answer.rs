//! Header values of answers, made without formatting machinery where every request pays for them.

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset};
use http::HeaderValue;

pub(crate) const TRUE: HeaderValue = HeaderValue::from_static("true");
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

pub(crate) fn offset_value(offset: Offset) -> HeaderValue {
    ascii(Bytes::copy_from_slice(&offset.to_token()))
}

pub(crate) fn number_value(number: u64) -> HeaderValue {
    HeaderValue::from(number)
}

pub(crate) fn content_type_value(content_type: &ContentType) -> HeaderValue {
    ascii(Bytes::copy_from_slice(content_type.as_str().as_bytes()))
}

/// A header value of text that holds visible ASCII only; anything else becomes an empty value rather than a panic.
pub(crate) fn ascii(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
