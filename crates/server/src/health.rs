//! `/healthz`: the process answers. `/readyz`: what it can do now, and if that is less than all, why. While the store
//! opens, `starting` answers in their place.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_storage::{Durability, StoreHealth, StoreStats};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::NO_STORE;
use crate::app::App;

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthShape {
    /// `ok`
    status: String,
}

/// What the server can do now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(crate) struct ReadinessShape {
    /// `starting`, `ready`, `degraded`, `draining` or `down`.
    status: String,
    /// Whether appends are taken.
    appends: bool,
    /// Stable words for what is the matter.
    reasons: Vec<String>,
    /// `synced` or `memory`, while appends are taken.
    durability: Option<String>,
}

/// Says that the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    operation_id = "healthz",
    responses((status = 200, description = "It does.", body = HealthShape)),
)]
pub(crate) async fn healthz() -> Response {
    ([(CACHE_CONTROL, NO_STORE)], Json(json!({ "status": "ok" }))).into_response()
}

/// Says what the server can do now.
///
/// 200 as long as appends are taken, so that a balancer may send requests; 503 otherwise.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    operation_id = "readyz",
    responses(
        (status = 200, description = "Appends are taken.", body = ReadinessShape),
        (status = 503, description = "They are not.", body = ReadinessShape),
    ),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let readiness = Readiness::of(&app);
    let code = if readiness.appends { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = json!({
        "status": readiness.status(),
        "appends": readiness.appends,
        "reasons": readiness.reasons,
    });
    if let (Some(durability), Some(members)) = (readiness.durability, body.as_object_mut()) {
        members.insert("durability".to_owned(), durability.into());
    }
    (code, [(CACHE_CONTROL, NO_STORE)], Json(body)).into_response()
}

/// How far the server can be relied upon now. Reasons are stable words: what is behind them may name paths, is in the
/// log, and this is public.
struct Readiness {
    /// Appends are taken.
    appends: bool,
    durability: Option<&'static str>,
    reasons: Vec<&'static str>,
}

const SHUTTING_DOWN: &str = "shutting-down";
const STORE_DOWN: &str = "store-down";

impl Readiness {
    fn of(app: &App) -> Self {
        let mut reasons = Vec::new();
        if app.is_draining() {
            reasons.push(SHUTTING_DOWN);
        }
        let durability = match app.store.health() {
            StoreHealth::Ready(Durability::Synced) => Some("synced"),
            StoreHealth::Ready(Durability::Memory) => Some("memory"),
            StoreHealth::Degraded { cause, .. } => {
                reasons.push(cause.as_str());
                None
            }
            StoreHealth::Down(_) => {
                reasons.push(STORE_DOWN);
                None
            }
        };
        let appends = reasons.is_empty();
        if is_overloaded(&app.store.stats()) {
            reasons.push("store-queue-nearly-full");
        }
        reasons.extend(app.spool.complaints());
        Self { appends, durability, reasons }
    }

    fn status(&self) -> &'static str {
        match self.reasons.first() {
            None => "ready",
            Some(&SHUTTING_DOWN) => "draining",
            Some(&STORE_DOWN) => "down",
            Some(_) => "degraded",
        }
    }
}

/// From nine tenths on, some appends are about to be refused.
fn is_overloaded(stats: &StoreStats) -> bool {
    let nearly = |now: u64, max: u64| max > 0 && now.saturating_mul(10) >= max.saturating_mul(9);
    nearly(stats.queue_len, stats.queue_len_max) || nearly(stats.queue_bytes, stats.queue_bytes_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_nearly_full_by_number_or_by_bytes() {
        let stats = |len, bytes| StoreStats {
            queue_len: len,
            queue_bytes: bytes,
            queue_len_max: 100,
            queue_bytes_max: 1_000,
            ..StoreStats::default()
        };
        assert!(!is_overloaded(&stats(89, 899)));
        assert!(is_overloaded(&stats(90, 0)) && is_overloaded(&stats(0, 900)));
        assert!(!is_overloaded(&StoreStats::default()));
    }
}
