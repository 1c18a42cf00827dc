//! The durable-sessions HTTP server as an axum library: the Durable Streams protocol under `/v1/stream`, the
//! session API under `/api`, health, and the static files of a web application.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use durable_sessions_server::{AuthConfig, Server, ServerConfig, StoreConfig};
//!
//! let config = ServerConfig::new("127.0.0.1:0".parse()?, StoreConfig::Memory, AuthConfig::DevNoAuth);
//! let server = Server::bind(config).await?;
//! println!("listening on http://{}", server.local_addr());
//! server.run(std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! This crate must not know an engine by name outside its configuration.

mod access;
mod admin;
mod answer;
mod api;
mod app;
mod append_retry;
mod audit;
mod backoff;
mod byte_budget;
mod coalesce;
mod code;
mod config;
mod connection;
mod cors;
mod error;
mod fanout;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), doc(hidden))]
#[expect(clippy::missing_panics_doc, reason = "a fuzz target fails by panicking")]
pub mod fuzzing;
mod gate;
mod glob;
mod health;
mod identity;
mod keys;
mod live_connection;
mod members;
mod metrics;
mod presence;
mod quota;
mod reached;
mod request_id;
mod request_tracing;
mod retention;
mod router;
mod seldom;
mod server;
mod session;
mod socket;
mod spool;
mod starting;
mod static_files;
mod store_error;
mod stream;
mod subscriptions;
#[cfg(test)]
mod testing;
mod tls;

pub use access::EventPolicy;
pub use audit::AUDIT_TARGET;
pub use code::Code;
pub use config::{
    AuthConfig, CorsOrigins, InvalidConfig, Limits, Secret, ServerConfig, StoreConfig, UnknownEvents,
};
pub use durable_sessions_storage::StoreOptions;
/// Backups as files, for commands that work without a server.
pub use durable_sessions_storage::backup;
pub use identity::{ForwardAuthConfig, IdentityConfig, InvalidIdentity, InvalidJwtKey, JwtConfig, JwtKey};
pub use quota::{InvalidNetwork, InvalidRate, Network, Rate};
pub use request_tracing::RequestTracing;
pub use retention::{InvalidRetentionRule, RetentionRule};
pub use server::{BoundServer, Pulse, RunError, Server, StartError};
pub use tls::{Certificates, TlsConfig, TlsError};
