//! Log output of the server: text for people or JSON for machines, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::ServeError;
use super::settings::LogFormat;

/// All crates of this project begin with the same words; what dependencies say at info is of no use to operators.
const FILTER_DEFAULT: &str = "warn,durable_sessions=info";

pub(super) fn start(format: LogFormat, filter: Option<&str>) -> Result<(), ServeError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER_DEFAULT))
        .map_err(|why| ServeError::LogFilter(why.to_string()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let started: Result<(), TryInitError> = match format {
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_ansi(is_coloured()).with_writer(std::io::stderr))
            .try_init(),
    };
    // A subscriber that is already there is an embedding program's, and stays.
    let _ = started;
    Ok(())
}

/// Colours are for terminals, and for people who did not ask to be spared (no-color.org).
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
