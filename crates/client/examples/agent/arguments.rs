//! The agent's command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// A scripted agent with real tools: looks at a checkout and streams what it finds into a session.
#[derive(Debug, Parser)]
#[command(name = "agent")]
pub(crate) struct Arguments {
    /// The checkout to look at
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) repo: PathBuf,
    /// The session to fill; by default a new one, named after the time
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// The server's address
    #[arg(long, env = "DURABLE_SESSIONS_URL", default_value = "http://127.0.0.1:4437", value_name = "URL")]
    pub(crate) url: String,
    /// The bearer token
    #[arg(long, env = "DURABLE_SESSIONS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The durable-sessions binary that runs commands; by default target/release/durable-sessions
    #[arg(long, value_name = "FILE")]
    pub(crate) cli: Option<PathBuf>,
    /// The command that runs tests, split at spaces
    #[arg(long, value_name = "COMMAND", default_value = "cargo test -p durable-sessions-protocol")]
    pub(crate) test_command: String,
    /// Pause between two pieces of text, as 80ms; 0ms to hurry
    #[arg(long, value_name = "DURATION", default_value = "150ms", value_parser = humantime::parse_duration)]
    pub(crate) pace: Duration,
    /// Close the session at the end
    #[arg(long)]
    pub(crate) close: bool,
}
