//! Standard error: what people read beside the data. Must not know commands.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Writes a line to standard error. When nobody listens there, nothing is lost that anybody wanted.
pub(crate) fn notice(text: &str) {
    let mut stderr = io::stderr().lock();
    // A progress line may stand there.
    let clear = if stderr.is_terminal() { "\r\x1b[K" } else { "" };
    let _ = writeln!(stderr, "{clear}durable-sessions: {text}");
}

/// How often a progress line changes.
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// One line on a terminal that is written over; nothing where standard error is no terminal.
pub(crate) struct ProgressLine {
    on: bool,
    drawn: Option<Instant>,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { on: io::stderr().is_terminal(), drawn: None }
    }

    /// Shows `text`, not more often than anyone can read.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        if self.on && self.drawn.is_none_or(|at| at.elapsed() >= REDRAW_EVERY) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", text());
            self.drawn = Some(Instant::now());
        }
    }

    /// Removes the line, so that something else can be written.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
