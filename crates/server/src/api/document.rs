//! The API as a document: OpenAPI 3.1 made from the handlers, and the JSON Schema of events. What all answers have in
//! common is added by `answers`; the protocol's routes are described in `stream_routes`. A test compares the document with
//! the routes of the router, so that none can be served and not described, or the other way round.

mod answers;
mod stream_routes;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::stream_routes::StreamFailure;
use super::envelope::raw_json;
use super::presence::{PresenceCursorShape, PresenceEntryShape};
use super::{
    async_document, backup, credentials, dead_letters, event_source, export, history, members, presence,
    publish, session_list, sessions, stream_list, summary,
};
use crate::app::App;
use crate::{health, metrics};

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
        description = "The session API, and the routes of the Durable Streams protocol under /v1/stream; a session's stream is \
                       /v1/stream/sessions/{id}. Subscriptions (/v1/stream/__ds) are described by the protocol. A server that \
                       was started with --dev-no-auth asks nobody for credentials.",
    ),
    paths(
        credentials::create_stream_token, credentials::create_cookie, credentials::delete_cookie,
        credentials::list_keys, credentials::create_key, credentials::revoke_key,
        backup::backup,
        dead_letters::list_dead_letters, dead_letters::purge_dead_letters, dead_letters::redrive_dead_letters,
        dead_letters::show_dead_letter, dead_letters::purge_dead_letter, dead_letters::redrive_dead_letter,
        metrics::route::metrics, health::healthz, health::readyz,
        stream_routes::read_stream, stream_routes::head_stream, stream_routes::create_stream,
        stream_routes::append_to_stream, stream_routes::delete_stream,
    ),
    components(schemas(Failure, FailureError, StreamFailure, PresenceEntryShape, PresenceCursorShape)),
    tags(
        (name = "sessions", description = "Sessions and what is derived from their events"),
        (name = "events", description = "Writing and reading events"),
        (name = "presence", description = "Who is there"),
        (name = "members", description = "Who is what in a session"),
        (name = "streams", description = "The Durable Streams protocol"),
        (name = "credentials", description = "Tokens, the cookie, and API keys"),
        (name = "operation", description = "For whoever runs the server"),
        (name = "document", description = "This document"),
    ),
)]
struct Document;

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
        .routes(routes!(stream_list::list_streams))
        .routes(routes!(openapi_document))
        .routes(routes!(asyncapi_document))
        .routes(routes!(event_schema))
}

/// The routes of the session API.
pub(crate) fn routes() -> Router<Arc<App>> {
    described().split_for_parts().0
}

/// The document, as it is served.
pub(crate) fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut document = described().split_for_parts().1;
        answers::complete(&mut document);
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

/// What a session sends to who follows it.
#[utoipa::path(
    get,
    path = "/api/asyncapi.json",
    tag = "document",
    operation_id = "asyncapiDocument",
    responses((status = 200, description = "AsyncAPI 3.0.", content_type = "application/json", body = serde_json::Value)),
)]
async fn asyncapi_document(State(_): State<Arc<App>>) -> Response {
    raw_json(StatusCode::OK, async_document::asyncapi())
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
