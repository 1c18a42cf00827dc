//! Log output of the server: text for people or JSON for machines, on standard error; and whatever else listens to
//! what is traced.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use super::ServeError;
use super::settings::LogFormat;

/// All crates of this project begin with the same words; what dependencies say at info is of no use to operators.
const FILTER_DEFAULT: &str = "warn,durable_sessions=info";

/// Something that hears of spans and events, with a filter of its own.
pub(super) type Listener = Box<dyn Layer<Registry> + Send + Sync>;

pub(super) fn start(
    format: LogFormat,
    filter: Option<&str>,
    others: Vec<Listener>,
) -> Result<(), ServeError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER_DEFAULT))
        .map_err(|why| ServeError::LogFilter(why.to_string()))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Listener = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(is_coloured()).boxed(),
    };
    // A subscriber that is already there is an embedding program's, and stays.
    let _ = if others.is_empty() {
        // One filter for all is cheaper than one for each.
        tracing_subscriber::registry().with(lines).with(filter).try_init()
    } else {
        let mut listeners = vec![lines.with_filter(filter).boxed()];
        listeners.extend(others);
        tracing_subscriber::registry().with(listeners).try_init()
    };
    Ok(())
}

/// Colours are for terminals, and for people who did not ask to be spared (no-color.org).
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
