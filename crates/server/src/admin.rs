//! What is for the administrator alone. Must not know routes.

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::Code;
use crate::auth::Caller;
use crate::error::ApiError;

/// Proof that the caller is the administrator; as an argument of a handler it refuses everybody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin;

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let is_admin = parts.extensions.get::<Caller>().is_some_and(|caller| caller.subject == "admin");
        if is_admin {
            return Ok(Self);
        }
        Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, "this is for the administrator"))
    }
}
