//! What can be asked about API keys. Must not do anything itself.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Connection, ListArgs};

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and write it to standard output, this once
    #[command(after_help = KEYS_CREATE_EXAMPLES)]
    Create(KeysCreateArgs),
    /// List the keys, one JSON object a line, without the keys themselves
    List(ListArgs),
    /// End a key, from the next request of its bearer on
    Revoke(KeysRevokeArgs),
}

const KEYS_CREATE_EXAMPLES: &str = "\
Examples:
  durable-sessions keys create --subject ci --scope 'stream:read stream:write' --sessions 'ci-*'
  durable-sessions keys create --subject backend --scope admin --project acme --expires-in 90d

A key without --sessions can reach what it creates and what it is made a member of. A pattern without a slash is of \
session ids; one with a slash is of stream paths. The description of the key, with the id to revoke it by, goes to \
standard error.";

#[derive(Debug, Args)]
pub(crate) struct KeysCreateArgs {
    /// Who its bearer is
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: String,
    /// What it may be used for: stream:read, stream:write, presence, admin, separated by spaces
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scope: String,
    /// The sessions and streams it is for, by pattern
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub(crate) sessions: Vec<String>,
    /// The project its bearer belongs to
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// A name for people
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How long it is good for, as 30d; for ever unless given
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) expires_in: Option<Duration>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRevokeArgs {
    /// The key's id, which list shows
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
