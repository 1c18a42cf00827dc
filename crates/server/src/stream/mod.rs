//! The Durable Streams protocol under `/v1/stream/`, one module per operation.

mod append;
pub(crate) mod body;
mod create;
mod delete;
mod fork;
mod head;
mod headers;
mod lifetime;
mod live;
mod long_poll;
mod messages;
mod page;
mod query;
mod queued;
mod read;
mod retention;
mod target;

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Method, Request};

use crate::access::{Action, guard_existing};
use crate::app::App;
use crate::audit;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::subscriptions;

pub(crate) use headers::content_type as content_type_of;
pub(crate) use live::{event_stream, place};
pub(crate) use page::{is_final, matches_etag};
pub(crate) use queued::{DURABILITY, Durability, QUEUED};
pub(crate) use read::open;
pub(crate) use target::{Namespace, Target, is_reserved_path, percent_decode};

/// Where streams live in the URL space; the conformance suite and every client expect it here.
pub(crate) const STREAM_ROOT: &str = "/v1/stream/";

pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if subscriptions::is_reserved(request.uri().path()) {
        return subscriptions::handle(&app, request)
            .await
            .unwrap_or_else(axum::response::IntoResponse::into_response);
    }
    answer(&app, request).await.unwrap_or_else(axum::response::IntoResponse::into_response)
}

async fn answer(app: &Arc<App>, request: Request<Body>) -> Result<Response, ApiError> {
    let target = Target::of_url(request.uri().path())?;
    let caller = Caller::of(request.extensions())?;
    match *request.method() {
        Method::GET => {
            guard_existing(app, &caller, Action::Read, &target.path).await?;
            read::get(app, &caller, target, request.uri().query(), request.headers()).await
        }
        Method::POST => append::append(app, &caller, &target, request).await,
        Method::HEAD => {
            guard_existing(app, &caller, Action::Read, &target.path).await?;
            head::head(app, &target).await
        }
        Method::PUT => create::create(app, &caller, &target, request).await,
        Method::DELETE => {
            guard_existing(app, &caller, Action::Delete, &target.path).await?;
            let deleted = delete::delete(app, &target).await?;
            audit::done(&caller, "stream-deleted", target.path.as_str());
            Ok(deleted)
        }
        _ => Err(ApiError::method_not_allowed("GET, HEAD, POST, PUT, DELETE")),
    }
}

/// What fuzz targets are given of it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    pub(crate) use super::fork::of_request as fork;
    pub(crate) use super::headers::{closes, content_type, producer, stream_seq};
    pub(crate) use super::lifetime::{mark as mark_lifetime, of_request as lifetime};
    pub(crate) use super::query::ReadQuery;
    pub(crate) use super::retention::of_request as retention;
    pub(crate) use super::target::{Target, is_reserved_path};
}

/// The clock of live cursors.
pub(crate) fn unix_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
