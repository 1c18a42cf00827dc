//! What can be asked about dead letters. Must not do anything itself.

use clap::{Args, Subcommand};

use super::{Connection, ListArgs};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List them, oldest first, one JSON object a line
    #[command(after_help = "Example:\n  durable-sessions dead-letters list | jq -r .id")]
    List(ListArgs),
    /// Show one with its payload
    #[command(after_help = "Example:\n  durable-sessions dead-letters show 17")]
    Show(DeadLetterArgs),
    /// Queue them again, behind everything that is queued
    #[command(
        after_help = "Examples:\n  durable-sessions dead-letters redrive 17 18\n  durable-sessions dead-letters redrive --all"
    )]
    Redrive(DeadLettersArgs),
    /// Delete them for good
    #[command(after_help = "Example:\n  durable-sessions dead-letters purge 17")]
    Purge(DeadLettersArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<String>,
    /// All there are
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
