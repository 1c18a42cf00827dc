//! Log output of the server: text for people or JSON for machines, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::ServeError;
use super::settings::LogFormat;

const FILTER_DEFAULT: &str = "info";

pub(super) fn start(format: LogFormat, filter: Option<&str>) -> Result<(), ServeError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER_DEFAULT))
        .map_err(|why| ServeError::LogFilter(why.to_string()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started: Result<(), TryInitError> = match format {
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
        LogFormat::Text => {
            registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init()
        }
    };
    // A subscriber that is already there is an embedding program's, and stays.
    let _ = started;
    Ok(())
}
