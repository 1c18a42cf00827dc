//! `/healthz`: the process answers. `/readyz`: it can do its work, so a balancer may send requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_storage::{Durability, StoreHealth};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde_json::json;

use crate::answer::NO_STORE;
use crate::app::App;

pub(crate) async fn healthz() -> Response {
    ([(CACHE_CONTROL, NO_STORE)], Json(json!({ "status": "ok" }))).into_response()
}

pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let (status, body) = if app.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "draining" }))
    } else {
        match app.store.health() {
            StoreHealth::Ready(durability) => {
                let durability = match durability {
                    Durability::Synced => "synced",
                    Durability::Memory => "memory",
                };
                (StatusCode::OK, json!({ "status": "ready", "durability": durability }))
            }
            // The whole reason may name paths; it is in the log, and this route is public.
            StoreHealth::Degraded { cause, .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "status": "degraded", "reason": "store", "cause": cause.as_str() }),
            ),
            StoreHealth::Down(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "down", "reason": "store" }))
            }
        }
    };
    (status, [(CACHE_CONTROL, NO_STORE)], Json(body)).into_response()
}
