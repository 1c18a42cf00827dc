//! The API as a document: OpenAPI 3.1 made from the handlers, and the JSON Schema of events. The same list of routes
//! makes the router, so that a route cannot be served and not described, or the other way round.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::envelope::raw_json;
use super::presence::{PresenceCursorShape, PresenceEntryShape};
use super::{event_source, export, history, members, presence, publish, session_list, sessions, summary};
use crate::app::App;

/// A failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Failure {
    /// Always false.
    ok: bool,
    error: FailureError,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureError {
    /// Stable, for programs.
    code: String,
    /// For people.
    message: String,
    /// What more is known; depends on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<serde_json::Value>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "durable-sessions",
        description = "The session API. Streams themselves are read and written under /v1/stream by the Durable Streams protocol; \
                       a session's stream is /v1/stream/sessions/{id}.",
    ),
    components(schemas(Failure, FailureError, PresenceEntryShape, PresenceCursorShape)),
    security((), ("bearer" = [])),
    modifiers(&Bearer),
    tags(
        (name = "sessions", description = "Sessions and what is derived from their events"),
        (name = "events", description = "Writing and reading events"),
        (name = "presence", description = "Who is there"),
        (name = "document", description = "This document"),
    ),
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    }
}

/// Every route of the session API, with its description.
fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(session_list::list_sessions, sessions::create_session))
        .routes(routes!(sessions::get_session, sessions::change_session, sessions::delete_session))
        .routes(routes!(sessions::close_session))
        .routes(routes!(history::read_events))
        .routes(routes!(event_source::stream_events))
        .routes(routes!(summary::summarize_session))
        .routes(routes!(export::export_session))
        .routes(routes!(members::list_members))
        .routes(routes!(members::set_member, members::remove_member))
        .routes(routes!(presence::list_presence, presence::update_presence))
        .routes(routes!(publish::publish))
        .routes(routes!(openapi_document))
        .routes(routes!(event_schema))
}

/// The routes of the session API.
pub(crate) fn routes() -> Router<Arc<App>> {
    described().split_for_parts().0
}

/// The document, as it is served.
pub(crate) fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let document = described().split_for_parts().1;
        // A document of strings and numbers always has a JSON form.
        let mut text = document.to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    });
    &TEXT
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "document",
    operation_id = "openapiDocument",
    responses(
        (status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = serde_json::Value),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
    ),
)]
async fn openapi_document(State(_): State<Arc<App>>) -> Response {
    raw_json(StatusCode::OK, openapi())
}

/// The JSON Schema of wire events, channel records and sessions.
#[utoipa::path(
    get,
    path = "/api/schema.json",
    tag = "document",
    operation_id = "eventSchema",
    responses(
        (status = 200, description = "JSON Schema, draft 2020-12.", content_type = "application/json", body = serde_json::Value),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
    ),
)]
async fn event_schema(State(_): State<Arc<App>>) -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(durable_sessions_schema::json_schema);
    raw_json(StatusCode::OK, TEXT.as_str())
}
