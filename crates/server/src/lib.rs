//! The durable-sessions HTTP server as an axum library.
