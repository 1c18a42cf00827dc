//! Errors for Sentry: what the log calls an error, and panics. Grouped by the stable error id, not by the words.

use std::borrow::Cow;
use std::time::Duration;

use sentry::integrations::tracing::ErrorLayer;
use sentry::protocol::{Context, Event};
use sentry::types::Dsn;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Layer as _;

use crate::serve::ServeError;
use crate::serve::log::Listener;

const FLAG: &str = "--sentry-dsn";
const ENVIRONMENT_DEFAULT: &str = "production";
/// How long the end waits for what is still unsent.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Where the layer puts the fields of an event.
const FIELDS: &str = "Rust Tracing Fields";

/// A running export; dropping it sends what is left.
pub(super) struct Errors {
    _client: sentry::ClientInitGuard,
}

impl Errors {
    pub(super) fn start(dsn: &str, environment: Option<&str>) -> Result<Self, ServeError> {
        // A DSN holds a key: the message must not repeat it.
        let dsn: Dsn = dsn.parse().map_err(|_| ServeError::Value {
            flag: FLAG,
            reason: "is no DSN, such as https://key@sentry.example/1".to_owned(),
        })?;
        super::install_tls();
        let mut options = sentry::ClientOptions::new()
            // Sentry's own default hangs on how the program was built.
            .environment(environment.unwrap_or(ENVIRONMENT_DEFAULT).to_owned())
            .release(concat!("durable-sessions@", env!("CARGO_PKG_VERSION")))
            .send_default_pii(false)
            .shutdown_timeout(SHUTDOWN_TIMEOUT)
            .before_send(|event| Some(grouped(event)));
        options.dsn = Some(dsn);
        Ok(Self { _client: sentry::init(options) })
    }

    pub(super) fn listener() -> Listener {
        // No breadcrumbs: those of a thread come from whatever requests it served, not from the one that failed.
        ErrorLayer::new().with_filter(LevelFilter::ERROR).boxed()
    }
}

fn grouped(mut event: Event<'static>) -> Event<'static> {
    let id = match event.contexts.get(FIELDS) {
        Some(Context::Other(fields)) => fields.get("error_id").and_then(|id| id.as_str()).map(str::to_owned),
        _ => None,
    };
    if let Some(id) = id {
        event.fingerprint = Cow::Owned(vec![Cow::Owned(id.clone())]);
        event.tags.insert("error_id".to_owned(), id);
    }
    event
}
