//! Why a step failed and what a person can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What kept a step from succeeding. Every variant can say what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// A command ran and did not end well.
    #[error("`{line}` ended with {ending}")]
    Command { line: String, ending: String, advice: Option<String> },
    /// A command could not be started.
    #[error("`{line}` could not be started: {source}")]
    NotStarted { line: String, source: io::Error, advice: Option<String> },
    /// A command was still running at its limit and was stopped.
    #[error("`{line}` was stopped after {} s", limit.as_secs())]
    Timeout { line: String, limit: Duration, advice: Option<String> },
    /// Something that has to be there is not.
    #[error("{problem}")]
    Unmet { problem: String, advice: String },
    /// A check looked at the source and found something.
    #[error("{} finding{}:\n    {}", findings.len(), if findings.len() == 1 { "" } else { "s" }, findings.join("\n    "))]
    Findings { findings: Vec<String>, advice: String },
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// Ctrl-C, SIGTERM or a closed terminal.
    #[error("interrupted")]
    Interrupted,
}

impl StepError {
    pub(crate) fn unmet(problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Unmet { problem: problem.into(), advice: advice.into() }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { doing, path: path.into(), source }
    }

    /// `Ok` when a check found nothing.
    pub(crate) fn from_findings(findings: Vec<String>, advice: &str) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self::Findings { findings, advice: advice.to_owned() }) }
    }

    /// What the person in front of the screen can do.
    pub(crate) fn advice(&self) -> Option<&str> {
        match self {
            Self::Command { advice, .. } | Self::NotStarted { advice, .. } | Self::Timeout { advice, .. } => {
                advice.as_deref()
            }
            Self::Unmet { advice, .. } | Self::Findings { advice, .. } => Some(advice),
            Self::File { .. } => Some("check free space and permissions below the path named above"),
            Self::Interrupted => None,
        }
    }
}
