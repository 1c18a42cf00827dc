//! Who a request comes from. Must not know routes; the gate decides which of them need a caller.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::error::ApiError;
use crate::{AuthConfig, Code};

/// The authenticated caller, an extension of every request behind the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Who it is, for access rules and logs.
    pub(crate) subject: &'static str,
}

/// The bearer of the one static token, and everybody under `DevNoAuth`.
const ADMIN: Caller = Caller { subject: "admin" };

pub(crate) fn authenticate(config: &AuthConfig, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let secret = match config {
        AuthConfig::DevNoAuth => return Ok(ADMIN),
        AuthConfig::Token(secret) => secret,
    };
    let Some(value) = single(headers) else { return Err(unauthorized("a bearer token is required")) };
    match bearer(value) {
        Some(token) if secret.matches(token) => Ok(ADMIN),
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

fn unauthorized(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
        .header("www-authenticate", HeaderValue::from_static("Bearer"))
}
