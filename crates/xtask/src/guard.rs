//! The process between `cargo xtask` and a command it runs, so that nothing the command started outlives
//! `cargo xtask`, however that ends (Ctrl-C, SIGTERM, even SIGKILL).
//!
//! The guard adopts every orphan below it (Linux: child subreaper), asks the kernel to be told when its
//! parent dies (parent-death signal), and stops all its descendants when it is told to stop, when its
//! parent is gone and when the command itself has ended but left something running (browsers do, in
//! process groups of their own). Knows nothing of what it runs.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::interrupt;
use crate::screen;

/// First argument of the hidden verb.
pub(crate) const VERB: &str = "__guard";
/// The command replaces the guard: one process, whose id the caller knows, for servers that the demo
/// kills. It still gets a SIGTERM when the caller dies, but its own children are its own affair.
pub(crate) const REPLACE: &str = "--replace";

const POLL: Duration = Duration::from_millis(20);
/// How long descendants get between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
const NOT_STARTED: u8 = 127;

/// A command that runs `program` under a guard of the calling process.
pub(crate) fn command(program: &OsString, replace: bool) -> Command {
    // Also right when this binary was rebuilt or removed while it runs.
    let own_program = if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe().unwrap_or_else(|_| "xtask".into())
    };
    let mut command = Command::new(own_program);
    command.arg(VERB).arg(std::process::id().to_string());
    if replace {
        command.arg(REPLACE);
    }
    // A group of its own: Ctrl-C reaches us, and we decide in which order things end.
    command.arg(program).process_group(0);
    command
}

/// The hidden verb: `__guard PARENT [--replace] PROGRAM ARGUMENT…`.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let parent = arguments.next().and_then(|text| text.to_str()?.parse::<i32>().ok());
    let mut program = arguments.next();
    let replace = program.as_deref().is_some_and(|first| first == REPLACE);
    if replace {
        program = arguments.next();
    }
    let (Some(parent), Some(program)) = (parent, program) else {
        screen::line("the guard was started without a command");
        return ExitCode::from(NOT_STARTED);
    };
    let mut command = Command::new(&program);
    command.args(arguments);

    if watch_parent(parent).is_err() {
        return ExitCode::from(NOT_STARTED);
    }
    if replace {
        let error = command.exec();
        screen::line(format_args!("cannot start {}: {error}", program.display()));
        return ExitCode::from(NOT_STARTED);
    }
    if interrupt::install().is_err() || adopt_orphans().is_err() {
        return ExitCode::from(NOT_STARTED);
    }
    match command.spawn() {
        Ok(child) => exit_code(&wait(child, parent)),
        Err(error) => {
            screen::line(format_args!("cannot start {}: {error}", program.display()));
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// Waits for the command, or for the order to stop it; nothing below this process is left after.
fn wait(mut child: Child, parent: i32) -> io::Result<ExitStatus> {
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupt::requested() || !parent_lives(parent) {
            stop_descendants();
            break child.wait()?;
        }
        thread::sleep(POLL);
    };
    stop_descendants();
    Ok(status)
}

fn exit_code(status: &io::Result<ExitStatus>) -> ExitCode {
    let code = match status {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(_) => i32::from(NOT_STARTED),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// SIGTERM for all, then SIGKILL for who is still there after [`GRACE`].
fn stop_descendants() {
    signal_descendants(Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while !descendants().is_empty() {
        if Instant::now() > deadline {
            signal_descendants(Signal::KILL);
            return;
        }
        thread::sleep(POLL);
    }
}

fn signal_descendants(signal: Signal) {
    for pid in descendants() {
        // Gone already is what we want.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

#[cfg(target_os = "linux")]
fn watch_parent(parent: i32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have died before the line above.
    if parent_lives(parent) { Ok(()) } else { Err(io::Error::other("the parent is gone")) }
}

#[cfg(not(target_os = "linux"))]
fn watch_parent(_parent: i32) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?)
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

fn parent_lives(parent: i32) -> bool {
    rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent)
}

/// Everything below this process that is not a zombie.
#[cfg(target_os = "linux")]
fn descendants() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let all: Vec<(i32, i32)> = entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| live_process(&stat))
        .collect();
    let mut below = vec![i32::try_from(std::process::id()).unwrap_or(i32::MAX)];
    let mut next = 0;
    while let Some(&parent) = below.get(next) {
        below.extend(all.iter().filter(|(_, its_parent)| *its_parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    below.drain(1..).filter_map(Pid::from_raw).collect()
}

/// Without /proc, the process group has to do.
#[cfg(not(target_os = "linux"))]
fn descendants() -> Vec<Pid> {
    Vec::new()
}

/// `(pid, parent)` of one line of /proc/PID/stat, unless it is a zombie. The name in parentheses may
/// itself hold parentheses and spaces, so fields are counted from the last one.
#[cfg(target_os = "linux")]
fn live_process(stat: &str) -> Option<(i32, i32)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let pid = head.split_whitespace().next()?.parse().ok()?;
    let mut fields = tail.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some((pid, parent))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        assert_eq!(live_process("42 (a) b) S 7 42 42 0 -1"), Some((42, 7)));
    }

    #[test]
    fn zombies_do_not_count_as_running() {
        assert_eq!(live_process("42 (sh) Z 7 42 42 0 -1"), None);
    }

    #[test]
    fn children_of_this_process_are_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(descendants().iter().any(|found| found.as_raw_nonzero().get() == pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
