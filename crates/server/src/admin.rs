//! What is for administrators of the whole server: metrics, backups, dead letters. Must not know routes.

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::Code;
use crate::error::ApiError;
use crate::identity::Caller;

/// Proof that the caller may do everything, of every project; as an argument of a handler it refuses everybody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin;

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(caller) if caller.is_superuser() && !caller.is_read_only() => Ok(Self),
            _ => Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, "this is for administrators")),
        }
    }
}
