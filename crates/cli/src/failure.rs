//! Why a command ended without doing all it was asked, and the exit code for it. The one place that maps
//! failures to exit codes.

use std::io;
use std::path::PathBuf;

use durable_sessions_server::backup::BackupError;

use crate::event_ids::NoRandomness;
use crate::recording::RecordingError;
use crate::replay::TrajectoryError;

/// Exit code of refusals and bad input.
pub(crate) const EXIT_REFUSED: u8 = 1;
/// Exit code of wrong usage, as clap has it.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit code when the server cannot be reached.
pub(crate) const EXIT_UNREACHABLE: u8 = 3;
/// Exit code of `exec` when it failed itself.
pub(crate) const EXIT_EXEC_FAILED: u8 = 125;
/// Exit code of an interrupted command: 128 and SIGINT.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;
/// Exit code when nobody reads standard output: 128 and SIGPIPE.
pub(crate) const EXIT_STDOUT_GONE: u8 = 141;

/// Why a command failed. Every message says what, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An argument has a value that only the command itself could judge.
    #[error("{argument}: {reason}")]
    Usage { argument: &'static str, reason: String },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write { path: PathBuf, reason: io::Error },
    /// A backup was not made, read or restored.
    #[error(transparent)]
    Backup(#[from] Box<BackupError>),
    /// What was checked does not fit together.
    #[error("{problems} problems")]
    Damaged { problems: u64 },
    /// A file is larger than this program takes.
    #[error("{} has more than {len_max_mib} MiB; split it", path.display())]
    FileTooLarge { path: PathBuf, len_max_mib: u64 },
    /// A file has a format that `replay` does not know.
    #[error("{}: neither a recording of durable-sessions nor a .traj file ({reason}); give --format to see what is wrong with it", path.display())]
    FormatUnknown { path: PathBuf, reason: TrajectoryError },
    /// A recording is damaged.
    #[error("{}: {reason}", path.display())]
    Recording { path: PathBuf, reason: RecordingError },
    /// A `.traj` file is damaged.
    #[error("{}: {reason}", path.display())]
    Trajectory { path: PathBuf, reason: TrajectoryError },
    /// A line of standard input cannot be appended.
    #[error("standard input, line {line}: {reason}; lines appended before it: {appended}")]
    InputLine { line: usize, reason: String, appended: u64 },
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Stdin(io::Error),
    /// Standard output cannot be written, for another reason than a reader that went away.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// Nobody reads standard output any more.
    #[error("standard output was closed")]
    StdoutGone,
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A session has events and `--append` was not given.
    #[error("session {session} has events already; give --append to add to them, or another --session")]
    SessionNotEmpty { session: String },
    /// The system gives no randomness for ids.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The system gives no signal handlers or the like.
    #[error("cannot {what}: {reason}")]
    System { what: &'static str, reason: io::Error },
    /// The server speaks the protocol, which has no list of streams, and nothing more.
    #[error(
        "{url} has no list of sessions (GET /api/sessions answers {status}): the Durable Streams protocol has none; name a stream with --stream"
    )]
    NoList { url: String, status: u16 },
    /// The server said no.
    #[error("{what}: {reason}")]
    Refused { what: String, reason: String },
    /// The server did not answer for as long as we were told to try.
    #[error("{what}: {reason}; check that the server runs at {url}, or give --url")]
    Unreachable { what: String, reason: String, url: String },
}

impl Failure {
    /// A failed write to standard output.
    pub(crate) fn from_stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::StdoutGone } else { Self::Stdout(error) }
    }

    /// The exit code, as `--help` documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => EXIT_USAGE,
            Self::Unreachable { .. } => EXIT_UNREACHABLE,
            Self::Interrupted => EXIT_INTERRUPTED,
            Self::StdoutGone => EXIT_STDOUT_GONE,
            Self::File { .. }
            | Self::FileTooLarge { .. }
            | Self::Write { .. }
            | Self::Backup(_)
            | Self::Damaged { .. }
            | Self::FormatUnknown { .. }
            | Self::Recording { .. }
            | Self::Trajectory { .. }
            | Self::InputLine { .. }
            | Self::Stdin(_)
            | Self::Stdout(_)
            | Self::SessionNotEmpty { .. }
            | Self::NoRandomness(_)
            | Self::System { .. }
            | Self::NoList { .. }
            | Self::Refused { .. } => EXIT_REFUSED,
        }
    }

    /// Whether there is anything to tell: a closed standard output is how a pipe ends.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::StdoutGone)
    }
}
