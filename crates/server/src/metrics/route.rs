//! `GET /metrics`: all metrics in the text format of Prometheus. Must not know what they mean.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use prometheus_client::encoding::prometheus_text;

use super::snapshot;
use crate::Code;
use crate::admin::Admin;
use crate::app::App;
use crate::error::ApiError;
use crate::health;

/// Shows all metrics, for Prometheus.
///
/// For whoever may do everything; with `--metrics-listen` on an address of its own, for whoever can connect.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    operation_id = "metrics",
    responses((status = 200, description = "In the text format of Prometheus.", content_type = "text/plain; version=0.0.4; charset=utf-8", body = String)),
)]
pub(crate) async fn metrics(_: Admin, State(app): State<Arc<App>>) -> Response {
    answer(&app)
}

/// The routes of an address of its own, where whoever can connect may ask.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(async |State(app): State<Arc<App>>| answer(&app)))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(any(async || ApiError::not_found()))
        .with_state(app)
}

fn answer(app: &App) -> Response {
    let mut text = String::with_capacity(16 << 10);
    let written = prometheus_text::encode(&mut text, &app.metrics.registry)
        .and_then(|()| prometheus_text::encode(&mut text, &snapshot::look(app)));
    match written {
        Ok(()) => ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE), (CACHE_CONTROL, "no-store")], text)
            .into_response(),
        Err(error) => {
            tracing::error!(error_id = "metrics-not-written", %error, "metrics cannot be written");
            let message = "metrics cannot be written";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message).into_response()
        }
    }
}
