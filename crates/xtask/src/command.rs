//! One command of a step: what runs, where, with what environment, and where its output goes. Every
//! command that can take a while runs under a [guard](crate::guard).

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::failure::StepError;
use crate::guard;
use crate::interrupt;
use crate::relay::{Relay, WatchLines};
use crate::screen;

const POLL: Duration = Duration::from_millis(20);

/// Variables of the cargo and rustup around us that would mislead the cargo below us.
const LEAKS: &[&str] = &[
    "CARGO",
    "CARGO_MAKEFLAGS",
    "OUT_DIR",
    "RUST_RECURSION_COUNT",
    "LD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
];
const LEAK_PREFIXES: &[&str] =
    &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

#[derive(Clone)]
enum Output {
    /// As if it ran in this terminal.
    Shared,
    /// Passed on line by line behind a label, for steps that run side by side.
    Labelled(String),
    /// Passed on unchanged, while somebody looks at the lines.
    Watched(Arc<dyn WatchLines>),
}

/// A command to run, built up and then [`run`](Self::run).
#[derive(Clone)]
pub(crate) struct Invocation {
    program: OsString,
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: Vec<(OsString, Option<OsString>)>,
    output: Output,
    limit: Option<Duration>,
    advice: Option<String>,
}

impl Invocation {
    pub(crate) fn new(program: impl Into<OsString>, directory: impl Into<PathBuf>) -> Self {
        let mut environment: Vec<(OsString, Option<OsString>)> = Vec::new();
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if LEAKS.contains(&text.as_ref()) || LEAK_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
                environment.push((name, None));
            }
        }
        Self {
            program: program.into(),
            arguments: Vec::new(),
            directory: directory.into(),
            environment,
            output: screen::lane().map_or(Output::Shared, Output::Labelled),
            limit: None,
            advice: None,
        }
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    pub(crate) fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Puts directories in front of PATH, the first one foremost.
    pub(crate) fn path_prefix(self, directories: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut path: Vec<PathBuf> = directories.into_iter().collect();
        let current = self
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map_or_else(|| std::env::var_os("PATH"), |(_, value)| value.clone());
        path.extend(current.iter().flat_map(|current| std::env::split_paths(current)));
        match std::env::join_paths(path) {
            Ok(joined) => self.env("PATH", joined),
            // A directory with a separator in its name cannot be on PATH at all.
            Err(_) => self,
        }
    }

    /// What a person can do when this command fails.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The command is stopped when it takes longer.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Shows every line of the output to `watcher` too.
    pub(crate) fn watch(mut self, watcher: Arc<dyn WatchLines>) -> Self {
        self.output = Output::Watched(watcher);
        self
    }

    /// The command as a person would type it. Never holds the environment: tokens travel there.
    pub(crate) fn line(&self) -> String {
        let mut line = quoted(&self.program);
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(&quoted(argument));
        }
        line
    }

    /// Runs to the end under a guard.
    pub(crate) fn run(self) -> Result<(), StepError> {
        screen::line(screen::dim(format_args!("    $ {}", self.line())));
        let mut running = self.start_guarded(false)?;
        let ended = running.wait(self.limit);
        self.judge(ended)
    }

    /// Runs in the foreground of this terminal without a guard: for `sudo`, which may ask for a password.
    pub(crate) fn run_in_foreground(self) -> Result<(), StepError> {
        screen::line(screen::dim(format_args!("    $ {}", self.line())));
        let mut command = Command::new(&self.program);
        self.apply(&mut command, &self.arguments);
        let ended = command.status().map_err(|source| self.not_started(source))?;
        self.judge(Ok(ended))
    }

    /// Runs quietly and answers what the command printed to standard output. Only for quick questions.
    pub(crate) fn read(self) -> Result<String, StepError> {
        let mut command = Command::new(&self.program);
        self.apply(&mut command, &self.arguments);
        let output = command.stdin(Stdio::null()).output().map_err(|source| self.not_started(source))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            screen::raw(&output.stderr);
            self.judge(Ok(output.status)).map(|()| String::new())
        }
    }

    /// Like [`read`](Self::read) for questions whose failure is an answer too.
    pub(crate) fn read_quietly(self) -> Option<String> {
        let mut command = Command::new(&self.program);
        self.apply(&mut command, &self.arguments);
        let output = command.stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the command under a guard and leaves it running.
    pub(crate) fn start(&self) -> Result<Running, StepError> {
        self.start_guarded(false)
    }

    /// Starts the command in place of its guard: [`Running::pid`] is then its own process id.
    pub(crate) fn start_replacing_guard(&self) -> Result<Running, StepError> {
        self.start_guarded(true)
    }

    fn start_guarded(&self, replace: bool) -> Result<Running, StepError> {
        if let Some(problem) = self.not_found() {
            return Err(self.not_started(problem));
        }
        let mut command = guard::command(&self.program, replace);
        self.apply(&mut command, &self.arguments);
        command.stdin(Stdio::null());
        if !matches!(self.output, Output::Shared) {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            if screen::is_terminal() {
                // They see a pipe, but a person reads it.
                command.env("CARGO_TERM_COLOR", "always").env("FORCE_COLOR", "1");
            }
        }
        let mut child = command.spawn().map_err(|source| self.not_started(source))?;
        let relays = [
            child.stdout.take().map(|pipe| self.relay(pipe)),
            child.stderr.take().map(|pipe| self.relay(pipe)),
        ];
        Ok(Running { child, relays: relays.into_iter().flatten().collect() })
    }

    fn relay(&self, pipe: impl Read + Send + 'static) -> thread::JoinHandle<()> {
        let relay = match &self.output {
            Output::Shared => Relay::default(),
            Output::Labelled(label) => Relay::labelled(label),
            Output::Watched(watcher) => Relay::watched(Arc::clone(watcher)),
        };
        thread::spawn(move || relay.run(pipe))
    }

    fn apply(&self, command: &mut Command, arguments: &[OsString]) {
        command.args(arguments).current_dir(&self.directory);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }

    /// The guard starts well even if the program does not exist, so look first.
    fn not_found(&self) -> Option<io::Error> {
        let path = self
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map_or_else(|| std::env::var_os("PATH"), |(_, value)| value.clone());
        find_program_in(path.as_deref(), Path::new(&self.program))
            .is_none()
            .then(|| io::Error::new(io::ErrorKind::NotFound, "no such program on PATH"))
    }

    fn not_started(&self, source: io::Error) -> StepError {
        StepError::NotStarted { line: self.line(), source, advice: self.advice.clone() }
    }

    fn judge(&self, ended: Result<ExitStatus, Unfinished>) -> Result<(), StepError> {
        if interrupt::requested() {
            return Err(StepError::Interrupted);
        }
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(StepError::Command {
                line: self.line(),
                ending: ending(status),
                advice: self.advice.clone(),
            }),
            Err(Unfinished::Late(limit)) => {
                Err(StepError::Timeout { line: self.line(), limit, advice: self.advice.clone() })
            }
            Err(Unfinished::Interrupted) => Err(StepError::Interrupted),
            Err(Unfinished::Lost(source)) => Err(self.not_started(source)),
        }
    }
}

/// Why waiting for a command ended before the command did.
pub(crate) enum Unfinished {
    Late(Duration),
    Interrupted,
    Lost(io::Error),
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    relays: Vec<thread::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal to the command (to its guard, where there is one).
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Gone already is fine.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until the command ends, the limit passes or somebody wants to stop; in the latter two cases
    /// the command is stopped first.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> Result<ExitStatus, Unfinished> {
        let started = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.finish_output();
                    return Ok(status);
                }
                Ok(None) => {}
                Err(error) => return Err(Unfinished::Lost(error)),
            }
            if interrupt::requested() {
                self.stop();
                return Err(Unfinished::Interrupted);
            }
            if let Some(limit) = limit.filter(|limit| started.elapsed() > *limit) {
                self.stop();
                return Err(Unfinished::Late(limit));
            }
            thread::sleep(POLL);
        }
    }

    /// SIGTERM; whoever ignores that for ten seconds is killed.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.ended().is_none() {
            if Instant::now() > deadline {
                self.signal(Signal::KILL);
            }
            thread::sleep(POLL);
        }
        self.finish_output();
    }

    fn finish_output(&mut self) {
        for relay in self.relays.drain(..) {
            // A relay cannot fail: it prints.
            let _ = relay.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.stop();
        }
    }
}

/// The path of a program on PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    find_program_in(std::env::var_os("PATH").as_deref(), Path::new(name))
}

fn find_program_in(path: Option<&OsStr>, name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_path_buf());
    }
    std::env::split_paths(path?).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted_into_a_shell_and_shows_no_environment() {
        let invocation = Invocation::new("npm", ".").args(["run", "it's here"]).env("TOKEN", "secret");
        assert_eq!(invocation.line(), "npm run 'it'\\''s here'");
    }

    #[test]
    fn a_missing_program_is_said_to_be_missing() {
        let error =
            Invocation::new("no-such-program-anywhere", ".").advice("install it").start().err().unwrap();
        assert!(error.to_string().contains("no-such-program-anywhere"), "{error}");
        assert_eq!(error.advice(), Some("install it"));
    }

    #[test]
    fn variables_of_the_outer_cargo_do_not_reach_the_inner_one() {
        let invocation = Invocation::new("cargo", ".");
        // Set by the cargo that runs this test.
        assert!(invocation.environment.contains(&(OsString::from("CARGO_MANIFEST_DIR"), None)));
    }

    #[test]
    fn path_directories_come_first_in_the_order_given() {
        let invocation = Invocation::new("x", ".").path_prefix(["/a".into(), "/b".into()]);
        let (_, path) = invocation.environment.last().unwrap();
        assert!(path.as_ref().unwrap().to_string_lossy().starts_with("/a:/b:"));
    }
}
