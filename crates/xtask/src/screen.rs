//! The one place that prints. Everything goes to standard output, in order, unbuffered, so that a log
//! of a CI run reads like the screen did.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, IsTerminal};

thread_local! {
    static LANE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does `work` as one of several things that happen side by side: its lines, and those of the commands
/// it runs, begin with `lane`.
pub(crate) fn in_lane<T>(lane: &str, work: impl FnOnce() -> T) -> T {
    LANE.with_borrow_mut(|current| *current = Some(lane.to_owned()));
    let done = work();
    LANE.with_borrow_mut(|current| *current = None);
    done
}

/// The lane this thread is in.
pub(crate) fn lane() -> Option<String> {
    LANE.with_borrow(Clone::clone)
}

/// Whether colours and keys make sense.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints one line. A closed standard output is no reason to fail a build.
pub(crate) fn line(text: impl Display) {
    let label = lane().map_or_else(String::new, |lane| dim(format_args!("{lane} | ")));
    raw(format!("{label}{text}\n").as_bytes());
}

/// Passes bytes of a child through unchanged.
#[cfg(not(test))]
pub(crate) fn raw(bytes: &[u8]) {
    use std::io::Write;

    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes);
    let _ = out.flush();
}

/// In tests, what is printed belongs to the test, which `print!` knows.
#[cfg(test)]
pub(crate) fn raw(bytes: &[u8]) {
    print!("{}", String::from_utf8_lossy(bytes));
}

/// `text` in bold on a terminal.
pub(crate) fn bold(text: impl Display) -> String {
    styled("1", text)
}

/// `text` in grey on a terminal.
pub(crate) fn dim(text: impl Display) -> String {
    styled("2", text)
}

/// `text` in red on a terminal.
pub(crate) fn red(text: impl Display) -> String {
    styled("31", text)
}

/// `text` in green on a terminal.
pub(crate) fn green(text: impl Display) -> String {
    styled("32", text)
}

fn styled(code: &str, text: impl Display) -> String {
    if is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}
