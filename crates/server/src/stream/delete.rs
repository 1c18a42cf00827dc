//! DELETE, PROTOCOL.md section 5.4.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;

use super::target::{Namespace, Target};
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;
use crate::store_error::StoreError as _;
use crate::{session, subscriptions};

pub(crate) async fn delete(app: &Arc<App>, target: &Target) -> Result<Response, ApiError> {
    let deleted = match target.namespace {
        Namespace::Sessions => session::delete(app, &target.path).await,
        Namespace::Agents | Namespace::Plain => subscriptions::delete(app, &target.path).await,
    };
    deleted.map_err(|e| e.answer(target.namespace))?;
    Ok((StatusCode::NO_CONTENT, [(CACHE_CONTROL, NO_STORE)]).into_response())
}
