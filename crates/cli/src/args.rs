//! The command line: what can be asked of this binary. Must not do anything itself.

mod dead_letters;
mod keys;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use durable_sessions_client::protocol::ContentType;
use durable_sessions_client::{ForkPoint, From as ReadFrom, LiveModes};
use url::Url;

use crate::serve::ServeArgs;
use crate::token::Token;

pub(crate) use dead_letters::{DeadLettersArgs, DeadLettersCommand};
pub(crate) use keys::{KeysCommand, KeysCreateArgs};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Examples:
  durable-sessions serve --token s3cret --data-dir ./data
  export DURABLE_SESSIONS_TOKEN=s3cret
  durable-sessions create --session run-1
  durable-sessions append --session run-1 --type chunk --data '{\"text\":\"Hello\"}'
  durable-sessions tail --session run-1

Every command but ls works against any server of the Durable Streams protocol: give its --url, its --stream-root, and \
--stream.

Exit codes:
  0    done
  1    refused by the server, or bad input; the message on standard error says what and where
  2    wrong usage
  3    the server could not be reached, or stopped answering for longer than --retry-for
  130  interrupted
  141  the reader of standard output went away
  `exec` ends with its command's own code; see `exec --help`.";

/// Durable, resumable, typed event streams for AI-agent sessions.
///
/// Data goes to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "durable-sessions", version, styles = STYLES, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// Create a session or a stream; one that exists already is fine
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// Create a session or a stream that continues another one from some point of its history
    #[command(after_help = FORK_EXAMPLES)]
    Fork(ForkArgs),
    /// Append events given on the command line or as JSON lines on standard input; to other streams text or bytes
    #[command(after_help = APPEND_EXAMPLES)]
    Append(AppendArgs),
    /// Write what a stream holds now to standard output: one JSON text a line, or text or bytes as they are
    #[command(after_help = READ_EXAMPLES)]
    Read(ReadArgs),
    /// Follow a stream live, until it is closed
    #[command(after_help = TAIL_EXAMPLES)]
    Tail(TailArgs),
    /// Turn a recorded agent run into the events of a session
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Run a command and stream its output live into a session
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(ExecArgs),
    /// Write a session as a recording to standard output
    #[command(after_help = RECORD_EXAMPLES)]
    Record(RecordArgs),
    /// Close a session or a stream: nothing can be appended any more
    #[command(after_help = "Example:\n  durable-sessions close --session run-1")]
    Close(StreamArgs),
    /// Delete a session or a stream with everything in it
    #[command(after_help = "Example:\n  durable-sessions delete --session run-1")]
    Delete(StreamArgs),
    /// Make, list and revoke API keys; needs an administrator's token
    #[command(subcommand)]
    Keys(KeysCommand),
    /// List the sessions, one JSON object a line
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Copy everything a server holds, or a data directory, into one file
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Make a data directory from a backup
    #[command(
        after_help = "Example:\n  durable-sessions restore monday.dsbackup --data-dir ./data\n\nThe backup is checked first. The directory must not be there, or be empty."
    )]
    Restore(RestoreArgs),
    /// Check a backup, or a data directory that no server uses: checksums, and whether everything fits together
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Show live what a server does, from its metrics
    #[command(after_help = TOP_EXAMPLES)]
    Top(TopArgs),
    /// Look at queued appends that were given up, queue them again, or delete them
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

const BACKUP_EXAMPLES: &str = "\
Examples:
  durable-sessions backup backups/
  durable-sessions backup monday.dsbackup --url https://streams.example
  durable-sessions backup monday.dsbackup --data-dir ./data

A running server is copied as it is at one moment, while it goes on. The file is checked before it gets its name. \
--data-dir is for a server that does not run.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  durable-sessions verify monday.dsbackup
  durable-sessions verify ./data

Each problem is a line on standard output, with the stream and its positions; then the exit code is 1.";

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write, or a directory, in which the file is named by the time
    #[arg(value_name = "TO")]
    pub(crate) to: PathBuf,
    /// Copy this directory, which no server may use, and not a server
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// What `backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A backup, or a data directory
    #[arg(value_name = "FILE|DIR")]
    pub(crate) place: PathBuf,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  DURABLE_SESSIONS_TOKEN=s3cret durable-sessions serve --data-dir ./data
  durable-sessions serve --store memory --dev-no-auth

The address it listens on is the one line on standard output, so that --listen 127.0.0.1:0 can be used by scripts. \
It ends with SIGINT or SIGTERM; a second one does not wait for open connections.";

/// Where the server is and how to speak to it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The server's address
    #[arg(long, env = "DURABLE_SESSIONS_URL", default_value = "http://127.0.0.1:4437", value_name = "URL")]
    pub(crate) url: Url,
    /// The path below which the server has its streams; other servers than ours may have another, as `/`
    #[arg(long, env = "DURABLE_SESSIONS_STREAM_ROOT", default_value = "/v1/stream", value_name = "PATH")]
    pub(crate) stream_root: String,
    /// The bearer token; better given by the environment, where other users cannot see it
    #[arg(long, env = "DURABLE_SESSIONS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<Token>,
    /// How long to keep trying while the server cannot be reached, as 30s or 5m; 0s to fail at once
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) retry_for: Duration,
}

/// A position: the protocol's own words for start and tail are understood too.
fn read_from(text: &str) -> Result<ReadFrom, String> {
    match text {
        "start" | "-1" => Ok(ReadFrom::Start),
        "now" => Ok(ReadFrom::Now),
        cursor => match cursor.parse() {
            Ok(cursor) => Ok(ReadFrom::After { cursor, count: None }),
            Err(reason) => Err(format!("{reason}")),
        },
    }
}

/// Which stream: a session's, or any other by its path.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// The session, by its id
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// The stream, by its path below --stream-root
    #[arg(long, value_name = "PATH")]
    pub(crate) stream: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

const LIST_EXAMPLES: &str = "\
Example:
  durable-sessions ls

The list is of the session API, which our server has. The Durable Streams protocol knows no list of streams, so against \
another server this says that there is none.";

const TOP_EXAMPLES: &str = "\
Examples:
  durable-sessions top
  durable-sessions top --interval 5s --url http://127.0.0.1:9464
  durable-sessions top --once

It needs the administrator's token, or the address that the server was given with --metrics-listen. Ctrl-C ends it.";

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) interval: Duration,
    /// Look twice, an interval apart, and end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

const CREATE_EXAMPLES: &str = "\
Examples:
  durable-sessions create --session run-1
  durable-sessions create --stream logs/build --content-type text/plain --ttl 1h";

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// What the stream holds; sessions are always JSON
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    pub(crate) content_type: ContentType,
    /// Ends the stream when nobody has read or written it for so long, as 30s or 2h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) ttl: Option<Duration>,
    /// Ends the stream at this time, as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = rfc3339, conflicts_with = "ttl")]
    pub(crate) expires_at: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// A time as RFC 3339 writes it, kept as it was given.
fn rfc3339(text: &str) -> Result<String, humantime::TimestampError> {
    humantime::parse_rfc3339(text).map(|_| text.to_owned())
}

const FORK_EXAMPLES: &str = "\
Examples:
  durable-sessions fork --session run-2 --source run-1
  durable-sessions fork --session run-2 --source run-1 --offset 00000000000000000042
  durable-sessions fork --stream logs/again --source logs/build --offset start --sub-offset 100

The new session has everything that its source had up to the cursor, and what is appended to either afterwards is not in \
the other. `read` says cursors. Doing it again with the same --offset is fine.";

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// What is continued: a session's id with --session, a path with --stream
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: String,
    /// Where to leave it: `start`, or a cursor that the server returned; its end unless given
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true, value_parser = fork_point)]
    pub(crate) offset: Option<ForkPoint>,
    /// So many messages further on, within what was appended at once there; bytes, where the stream is not JSON
    #[arg(long, value_name = "N", default_value_t = 0, requires = "offset")]
    pub(crate) sub_offset: u64,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// A cursor of the source; its beginning by name.
fn fork_point(text: &str) -> Result<ForkPoint, String> {
    match text {
        "start" | "-1" => Ok(ForkPoint::Start),
        cursor => cursor.parse().map(ForkPoint::At).map_err(|reason| format!("{reason}")),
    }
}

const APPEND_EXAMPLES: &str = "\
Examples:
  durable-sessions append --session run-1 --type chunk --data '{\"text\":\"Hello\"}'
  durable-sessions append --session run-1 < events.jsonl

  make 2>&1 | durable-sessions append --stream logs/build --create --content-type text/plain

Lines from standard input are appended byte for byte; in a session, a missing \"id\" or \"timestamp\" is filled in. \
Every line is checked before it is sent. A restart of the server neither loses nor doubles a line.

To a stream that is not JSON, standard input is appended as it comes, byte for byte, and --data as it is given.";

#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The type of one event; without it, JSON lines are read from standard input
    #[arg(long = "type", value_name = "TYPE", requires = "payload")]
    pub(crate) event_type: Option<String>,
    /// The event's data, a JSON object; without --type, one JSON text, or whatever the stream holds, to append as it is
    #[arg(long = "data", id = "payload", value_name = "JSON")]
    pub(crate) data: Option<String>,
    /// Create the stream when it does not exist
    #[arg(long)]
    pub(crate) create: bool,
    /// What a stream that is created holds
    #[arg(long, value_name = "TYPE", default_value = "application/json", requires = "create")]
    pub(crate) content_type: ContentType,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

const READ_EXAMPLES: &str = "\
Examples:
  durable-sessions read --session run-1
  durable-sessions read --session run-1 --offset 00000000000000000042";

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Where to begin: `start`, `now`, or a cursor that the server returned
    #[arg(long, value_name = "CURSOR", default_value = "start", allow_hyphen_values = true, value_parser = read_from)]
    pub(crate) offset: ReadFrom,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

const TAIL_EXAMPLES: &str = "\
Examples:
  durable-sessions tail --session run-1
  durable-sessions tail --session run-1 --from now --json | jq .type
  durable-sessions tail --stream logs/build

A stream that is not JSON is written as it comes, byte for byte.";

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Where to begin: `start`, `now`, or a cursor that the server returned
    #[arg(long, value_name = "CURSOR", default_value = "start", allow_hyphen_values = true, value_parser = read_from)]
    pub(crate) from: ReadFrom,
    /// Write each event as stored, one JSON text a line, rather than for people
    #[arg(long)]
    pub(crate) json: bool,
    /// How to follow: `sse`, `long-poll`, or `auto`, which polls where SSE does not work
    #[arg(long, value_enum, default_value_t = LiveChoice::Auto)]
    pub(crate) live: LiveChoice,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Which live mode of the protocol to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LiveChoice {
    /// SSE, and long-poll where that does not work
    Auto,
    /// Server-sent events
    Sse,
    /// Long-poll
    LongPoll,
}

impl From<LiveChoice> for LiveModes {
    fn from(choice: LiveChoice) -> Self {
        match choice {
            LiveChoice::Auto => Self::Auto,
            LiveChoice::Sse => Self::Sse,
            LiveChoice::LongPoll => Self::LongPoll,
        }
    }
}

const REPLAY_EXAMPLES: &str = "\
Examples:
  durable-sessions replay run.traj --session run-1 --speed 4
  durable-sessions replay session.jsonl --session copy-1 --speed max
  durable-sessions replay run.traj --session run-1 --dry-run > recording.jsonl

A recording is what `record` writes: a header line, then one event a line, which is appended byte for byte.

A .traj file is a run of SWE-agent. Each step's thought becomes chunk events, its action a tool:start, its \
observation the paired tool:result. A step's execution_time becomes the result's duration; where a file has none, the \
result has none either, and only the pause before it is estimated.

The session is created when it does not exist. One that has events is refused without --append. A restart of the \
server in the middle neither loses nor doubles an event.";

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The recorded run
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The session to fill
    #[arg(long, value_name = "ID")]
    pub(crate) session: String,
    /// How many times faster than recorded; 0 or `max` for as fast as possible
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) speed: Speed,
    /// No pause is longer than this, as 5s, before --speed applies
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) pause_max: Duration,
    /// Also fill a session that has events
    #[arg(long)]
    pub(crate) append: bool,
    /// The file's format
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub(crate) format: Format,
    /// The agent's id in the events made from a .traj file
    #[arg(long, value_name = "ID", default_value = "swe-agent")]
    pub(crate) agent_id: String,
    /// Write the events as a recording to standard output and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Format of a recorded run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Look at the file
    Auto,
    /// What `record` writes
    Recording,
    /// A run of SWE-agent
    Traj,
}

/// How many times faster than recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// Without pauses.
    Max,
    /// Pauses are divided by this; positive and finite.
    Times(f64),
}

impl std::str::FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(0.0) => Ok(Self::Max),
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("expected a number from 0 on, or max"),
        }
    }
}

const EXEC_EXAMPLES: &str = "\
Examples:
  durable-sessions exec --session run-1 -- cargo test -p my-crate
  durable-sessions exec --session run-1 --tool-name tests -- sh -c 'make test 2>&1'

The session gets a tool:start, terminal:output and terminal:error events while the command runs, and a tool:result \
with its output (the middle of a long one left out), exit code and duration. Output is mirrored, signals pass \
through, standard input is inherited. A restart of the server neither loses nor doubles an event; when the server \
stays away, the command goes on, and after it has ended, --retry-for later, a message says what was not delivered.

Exit codes:
  the command's own, or 128 + N when signal N ended it
  125  the command was not run, or it succeeded and not everything could be delivered
  126  the command could not be executed
  127  the command was not found";

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The session that gets the events
    #[arg(long, value_name = "ID")]
    pub(crate) session: String,
    /// The tool's name in the events; the command's file name by default
    #[arg(long, value_name = "NAME")]
    pub(crate) tool_name: Option<String>,
    /// Create the session when it does not exist
    #[arg(long)]
    pub(crate) create: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

const RECORD_EXAMPLES: &str = "\
Examples:
  durable-sessions record --session run-1 > run-1.jsonl
  durable-sessions record --session run-1 --until-idle 2s > run-1.jsonl
  durable-sessions record --session run-1 --no-follow > run-1.jsonl

Records from the start until the session is closed, unless told otherwise. A restart of the server neither loses \
nor doubles an event.";

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The session to record
    #[arg(long, value_name = "ID")]
    pub(crate) session: String,
    /// End when nothing has come for this long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) until_idle: Option<Duration>,
    /// End with what is there now
    #[arg(long, conflicts_with = "until_idle")]
    pub(crate) no_follow: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn speeds() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("0".parse(), Ok(Speed::Max));
        assert_eq!("2.5".parse(), Ok(Speed::Times(2.5)));
        for bad in ["", "-1", "nan", "inf", "fast"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let cli = Cli::try_parse_from(["durable-sessions", "ls", "--token", "s3cret-token"]).unwrap();
        assert!(!format!("{cli:?}").contains("s3cret"), "{cli:?}");
    }
}
