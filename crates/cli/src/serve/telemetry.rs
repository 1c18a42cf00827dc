//! What leaves the process beside the log: traces for an OpenTelemetry collector, errors for Sentry. Both are features
//! of the build; the settings are there in every build, so that one without them says what it lacks.

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "sentry")]
mod sentry;

use std::sync::Arc;

use durable_sessions_server::RequestTracing;

use super::ServeError;
use super::log::Listener;
use super::settings::Settings;

/// What was asked for, running until [`Telemetry::end`].
#[derive(Default)]
pub(super) struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<otlp::Traces>,
    #[cfg(feature = "sentry")]
    errors: Option<sentry::Errors>,
}

impl Telemetry {
    /// Starts what the settings ask for.
    ///
    /// # Errors
    /// [`ServeError::Value`] for an address that is none, [`ServeError::NotBuilt`] for what this build has not.
    pub(super) fn start(settings: &Settings) -> Result<Self, ServeError> {
        #[cfg_attr(
            not(any(feature = "otlp", feature = "sentry")),
            expect(unused_mut, reason = "set by features")
        )]
        let mut telemetry = Self::default();
        if let Some(endpoint) = &settings.otlp_endpoint {
            #[cfg(feature = "otlp")]
            {
                telemetry.traces = Some(otlp::Traces::start(endpoint)?);
            }
            #[cfg(not(feature = "otlp"))]
            return Err(not_built("--otlp-endpoint", "otlp", endpoint));
        }
        if let Some(dsn) = &settings.sentry_dsn {
            #[cfg(feature = "sentry")]
            {
                telemetry.errors =
                    Some(sentry::Errors::start(&dsn.0, settings.sentry_environment.as_deref())?);
            }
            #[cfg(not(feature = "sentry"))]
            return Err(not_built("--sentry-dsn", "sentry", &dsn.0));
        }
        Ok(telemetry)
    }

    /// Who hears of spans and events.
    pub(super) fn listeners(&self) -> Vec<Listener> {
        let listeners = Vec::new();
        #[cfg(feature = "otlp")]
        let listeners = {
            let mut listeners = listeners;
            listeners.extend(self.traces.as_ref().map(otlp::Traces::listener));
            listeners
        };
        #[cfg(feature = "sentry")]
        let listeners = {
            let mut listeners = listeners;
            listeners.extend(self.errors.as_ref().map(|_| sentry::Errors::listener()));
            listeners
        };
        listeners
    }

    /// Who follows requests from and to other processes.
    pub(super) fn request_tracing(&self) -> Option<Arc<dyn RequestTracing>> {
        #[cfg(feature = "otlp")]
        return self.traces.as_ref().map(|_| Arc::new(otlp::Requests) as Arc<dyn RequestTracing>);
        #[cfg(not(feature = "otlp"))]
        None
    }

    /// Sends what is still unsent, for a few seconds at most.
    pub(super) async fn end(self) {
        // The senders have threads of their own, and are waited for: not on a thread that answers requests.
        let _ = tokio::task::spawn_blocking(move || {
            #[cfg(feature = "otlp")]
            if let Some(traces) = self.traces {
                traces.end();
            }
            #[cfg(feature = "sentry")]
            drop(self.errors);
        })
        .await;
    }
}

/// rustls wants one provider per process; one that is there stays.
#[cfg(any(feature = "otlp", feature = "sentry"))]
fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race against another installation is as good as winning it.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(not(all(feature = "otlp", feature = "sentry")))]
fn not_built(flag: &'static str, feature: &'static str, _value: &str) -> ServeError {
    ServeError::NotBuilt { flag, feature }
}
