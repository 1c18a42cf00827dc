//! DELETE, PROTOCOL.md section 5.4.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;

use super::target::Target;
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;
use crate::store_error::StoreError as _;
use crate::subscriptions;

pub(crate) async fn delete(app: &App, target: &Target) -> Result<Response, ApiError> {
    subscriptions::delete(app, &target.path).await.map_err(|e| e.answer(target.namespace))?;
    Ok((StatusCode::NO_CONTENT, [(CACHE_CONTROL, NO_STORE)]).into_response())
}
