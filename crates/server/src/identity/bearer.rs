//! Where a request carries its token. Must not know routes; the gate decides which of them need a caller.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::Code;
use crate::error::ApiError;

/// Whether a request tries.
pub(crate) fn is_present(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// The bearer token of a request, if it has exactly one.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    single(headers).and_then(bearer)
}

/// Two Authorization headers are ambiguous: a proxy may look at the other one.
fn single(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// The token of `Bearer TOKEN`; the scheme's name has no case.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

pub(crate) fn unauthorized(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
        .header("www-authenticate", HeaderValue::from_static("Bearer"))
}
