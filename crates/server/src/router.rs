//! Every route of the server.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, delete, get, post};
use http::{Request, StatusCode};

use crate::api;
use crate::app::App;
use crate::error::ApiError;
use crate::{Code, health, metrics, stream};

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/stream/{*path}", any(stream::handle))
        .route("/v1", any(missing))
        .route("/v1/{*path}", any(missing))
        .route("/api", any(missing))
        .route("/api/auth/stream-token", post(api::create_stream_token).fallback(only_post))
        .route("/api/auth/cookie", post(api::create_cookie).delete(api::delete_cookie).fallback(only_cookie))
        .route("/api/auth/keys", get(api::list_keys).post(api::create_key).fallback(only_keys))
        .route("/api/auth/keys/{id}", delete(api::revoke_key).fallback(only_delete))
        .route("/api/backup", get(api::backup).fallback(only_get_api))
        .route(
            "/api/dead-letters",
            get(api::list_dead_letters).delete(api::purge_dead_letters).fallback(only_letters),
        )
        .route("/api/dead-letters/redrive", post(api::redrive_dead_letters).fallback(only_post))
        .route(
            "/api/dead-letters/{id}",
            get(api::show_dead_letter).delete(api::purge_dead_letter).fallback(only_letters),
        )
        .route("/api/dead-letters/{id}/redrive", post(api::redrive_dead_letter).fallback(only_post))
        .merge(api::routes().method_not_allowed_fallback(other_method))
        .route("/api/{*path}", any(missing_api))
        .route("/metrics", get(metrics::metrics).fallback(only_get))
        .route("/healthz", get(health::healthz).fallback(only_get))
        .route("/readyz", get(health::readyz).fallback(only_get))
        .fallback(file)
        .with_state(app)
}

async fn missing() -> ApiError {
    ApiError::not_found()
}

async fn missing_api() -> Response {
    ApiError::not_found().into_api_response()
}

async fn other_method() -> Response {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::MethodNotAllowed,
        "this route does not know the method",
    )
    .into_api_response()
}

async fn only_get() -> ApiError {
    ApiError::method_not_allowed("GET, HEAD")
}

async fn only_get_api() -> Response {
    ApiError::method_not_allowed("GET, HEAD").into_api_response()
}

async fn only_post() -> Response {
    ApiError::method_not_allowed("POST").into_api_response()
}

async fn only_delete() -> Response {
    ApiError::method_not_allowed("DELETE").into_api_response()
}

async fn only_letters() -> Response {
    ApiError::method_not_allowed("GET, HEAD, DELETE").into_api_response()
}

async fn only_cookie() -> Response {
    ApiError::method_not_allowed("POST, DELETE").into_api_response()
}

async fn only_keys() -> Response {
    ApiError::method_not_allowed("GET, HEAD, POST").into_api_response()
}

async fn file(State(app): State<Arc<App>>, request: Request<axum::body::Body>) -> Response {
    match &app.static_files {
        Some(files) => files.serve(request.method(), request.uri().path(), request.headers()).await,
        None => ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{AuthConfig, ServerConfig, StoreConfig};
    use crate::server::Server;

    /// Every path that a text of the router, as the router shows itself, names.
    fn paths(router: &str) -> BTreeSet<&str> {
        router.split('"').filter(|text| text.starts_with('/')).collect()
    }

    #[tokio::test]
    async fn every_route_is_in_the_document() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
        let store = config.store.open(config.store_options.clone()).unwrap();
        let (_drain, draining) = tokio::sync::watch::channel(false);
        let app = Server::assemble(config, store, None, draining).await.unwrap();
        let shown = format!("{:?}", router(Arc::new(app)));
        let mut routed = paths(&shown);
        // What answers that there is no such route is none.
        let fallback = ["/", "/{*__private__axum_fallback}"];
        for missing in ["/v1", "/v1/{*path}", "/api", "/api/{*path}"].into_iter().chain(fallback) {
            assert!(routed.remove(missing), "{missing}: {shown}");
        }
        assert!(routed.remove("/v1/stream/{*path}"));
        routed.insert("/v1/stream/{path}");
        let document: serde_json::Value = serde_json::from_str(api::openapi()).unwrap();
        let described = document["paths"].as_object().unwrap();
        assert_eq!(routed, described.keys().map(String::as_str).collect());
    }
}
