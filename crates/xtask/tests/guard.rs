//! Nothing that a guarded command started outlives the guard, however the command or our side of it ends.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot start or look has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");
const DEADLINE: Duration = Duration::from_secs(30);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A duration for `sleep` that no other process has on its command line.
fn marker() -> String {
    format!("86400.{}{:03}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Processes that have `marker` as an argument of their own (a shell has it inside one).
fn sleepers(marker: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| {
            line.starts_with(b"sleep\0")
                && line.split(|byte| *byte == 0).any(|word| word == marker.as_bytes())
        })
        .count()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn guarded(script: &str) -> Child {
    Command::new(XTASK)
        .args(["__guard", &std::process::id().to_string(), "sh", "-c", script])
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: &str) {
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    assert_eq!(guarded("exit 7").wait().unwrap().code(), Some(7));
    assert_eq!(guarded("kill -9 $$").wait().unwrap().code(), Some(128 + 9));
}

#[test]
fn a_command_that_does_not_exist_is_no_success() {
    let mut child = Command::new(XTASK)
        .args(["__guard", &std::process::id().to_string(), "no-such-program"])
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(127));
}

#[test]
fn sigterm_stops_the_command_and_what_it_put_into_a_session_of_its_own() {
    let marker = marker();
    let mut child = guarded(&format!("setsid sleep {marker} & sleep {marker} & wait"));
    until("both sleep", || sleepers(&marker) == 2);
    signal(&child, "-TERM");
    assert!(!child.wait().unwrap().success());
    assert_eq!(sleepers(&marker), 0);
}

#[test]
fn what_a_finished_command_left_running_is_stopped() {
    let marker = marker();
    let script = format!("setsid sleep {marker} >/dev/null 2>&1 & echo done");
    assert!(guarded(&script).wait().unwrap().success());
    assert_eq!(sleepers(&marker), 0);
}

#[test]
fn a_command_that_ignores_sigterm_is_killed() {
    let marker = marker();
    let mut child = guarded(&format!("trap '' TERM; sleep {marker} & while :; do wait; done"));
    until("it sleeps", || sleepers(&marker) == 1);
    signal(&child, "-TERM");
    child.wait().unwrap();
    assert_eq!(sleepers(&marker), 0);
}

#[test]
fn the_guard_notices_that_its_parent_was_killed() {
    let marker = marker();
    let script =
        format!("{XTASK} __guard $$ sh -c 'setsid sleep {marker} & sleep {marker}' & echo started; wait");
    let mut parent = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    until("both sleep", || sleepers(&marker) == 2);
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("nothing is left", || sleepers(&marker) == 0);
}

#[test]
fn a_replaced_guard_has_the_commands_own_process_id() {
    let marker = marker();
    let mut child = Command::new(XTASK)
        .args(["__guard", &std::process::id().to_string(), "--replace", "sleep", &marker])
        .spawn()
        .unwrap();
    until("it sleeps", || sleepers(&marker) == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sleepers(&marker), 0);
}
