//! `GET /api/backup`: everything the server holds, streams and queued appends, as a backup file, while it serves.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::document::Failure;
use crate::Code;
use crate::admin::Admin;
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;

/// Copies everything the store holds at one moment, while it serves.
///
/// For whoever may do everything. `durable-sessions restore` reads it.
#[utoipa::path(
    get,
    path = "/api/backup",
    tag = "operation",
    operation_id = "backup",
    responses(
        (status = 200, description = "The copy, streamed.", content_type = "application/octet-stream"),
        (status = 503, description = "STREAM_UNAVAILABLE: a copy is being made, the store has failed, or keeps everything in memory", body = Failure),
    ),
)]
pub(crate) async fn backup(admin: Result<Admin, ApiError>, State(app): State<Arc<App>>) -> Response {
    if let Err(refusal) = admin {
        return refusal.into_api_response();
    }
    let refused = |error: durable_sessions_storage::backup::BackupError| {
        tracing::error!(error_id = "backup-refused", %error, "no backup was begun");
        let refusal = ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::StreamUnavailable,
            "the store cannot be copied now: a copy is being made, it has failed, or it keeps everything in memory",
        );
        refusal.into_api_response()
    };
    let exported = async {
        // The queue first: what leaves it after its moment is in the streams at theirs.
        let queue = app.spool.export().await?;
        app.store.export(queue).await
    };
    let mut export = match exported.await {
        Ok(export) => export,
        Err(error) => return refused(error),
    };
    // The first piece says whether there is anything to come; after it, an error can only break the answer off.
    let first = match export.next().await {
        Some(Err(error)) => return refused(error),
        first => first,
    };
    let pieces = futures::stream::unfold((first, export), |(first, mut export)| async move {
        let piece = match first {
            Some(piece) => piece,
            None => export.next().await?,
        };
        Some((piece, (None, export)))
    });
    let headers =
        [(CACHE_CONTROL, NO_STORE), (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
    (headers, Body::from_stream(pieces)).into_response()
}
