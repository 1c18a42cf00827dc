//! Where a request carries its token. Must not know routes; the gate decides which of them need a caller.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Caller;
use crate::error::ApiError;
use crate::{AuthConfig, Code};

pub(crate) fn authenticate(config: &AuthConfig, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let secret = match config {
        AuthConfig::DevNoAuth => return Ok(Caller::dev_admin()),
        AuthConfig::Token(secret) => secret,
    };
    let Some(value) = single(headers) else { return Err(unauthorized("a bearer token is required")) };
    match bearer(value) {
        Some(token) if secret.matches(token) => Ok(Caller::static_admin()),
        _ => Err(unauthorized("the bearer token is not valid")),
    }
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
