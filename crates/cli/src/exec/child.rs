//! Runs the command: its outputs come as messages and are mirrored to our own, signals pass through.
//! Must not know events or servers.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::coalesce::Source;

/// How much is read at a time, in bytes.
const READ_LEN: usize = 16 * 1024;
/// Reads in flight between the pipes and the events. The pipes push back on the command beyond that.
const READS_MAX: usize = 8;
/// How long outputs may stay open after the command has ended, by a process that it left behind.
const LINGER: Duration = Duration::from_secs(2);

/// What the command does.
#[derive(Debug)]
pub(super) enum Heard {
    /// It wrote this.
    Bytes(Source, Vec<u8>),
    /// It will write no more there.
    Closed(Source),
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    heard: mpsc::Receiver<Heard>,
    signals: Forwarded,
    open_outputs: u8,
    ended: Option<ExitStatus>,
}

/// What happened next.
#[derive(Debug)]
pub(super) enum Next {
    Heard(Heard),
    /// The command has ended and its outputs are closed, or were still held open by another process.
    Ended(ExitStatus),
}

impl Running {
    /// Starts `program`. It inherits our standard input.
    pub(super) fn start(program: &OsString, arguments: &[OsString]) -> io::Result<Self> {
        let signals = Forwarded::listen()?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::inherit())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, heard) = mpsc::channel(READS_MAX);
        let mut open_outputs = 0;
        if let Some(pipe) = child.stdout.take() {
            open_outputs += 1;
            tokio::spawn(pump(Source::Stdout, pipe, tokio::io::stdout(), sender.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            open_outputs += 1;
            tokio::spawn(pump(Source::Stderr, pipe, tokio::io::stderr(), sender));
        }
        Ok(Self { child, heard, signals, open_outputs, ended: None })
    }

    /// Waits for what comes next. Cancel safe. Must not be called again after `Ended`.
    pub(super) async fn next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(status) = self.ended {
                if self.open_outputs == 0 {
                    return Ok(Next::Ended(status));
                }
                return Ok(match tokio::time::timeout(LINGER, self.heard.recv()).await {
                    Ok(Some(heard)) => self.note(heard),
                    Ok(None) | Err(_) => Next::Ended(status),
                });
            }
            tokio::select! {
                heard = self.heard.recv(), if self.open_outputs > 0 => {
                    if let Some(heard) = heard {
                        return Ok(self.note(heard));
                    }
                    self.open_outputs = 0;
                }
                status = self.child.wait() => self.ended = Some(status?),
                kind = self.signals.next() => self.forward(kind),
            }
        }
    }

    fn note(&mut self, heard: Heard) -> Next {
        if matches!(heard, Heard::Closed(_)) {
            self.open_outputs -= 1;
        }
        Next::Heard(heard)
    }

    fn forward(&self, kind: rustix::process::Signal) {
        // The terminal has sent it to the whole foreground group already.
        let from_terminal = matches!(kind, rustix::process::Signal::INT | rustix::process::Signal::QUIT)
            && io::stdin().is_terminal();
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
        if let (Some(pid), false) = (pid, from_terminal) {
            // Fails only when the command has just ended, which `wait` is about to say.
            let _ = rustix::process::kill_process(pid, kind);
        }
    }
}

/// The exit code that a shell would show: the command's own, or 128 and the signal that ended it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

async fn pump(
    source: Source,
    mut pipe: impl AsyncRead + Unpin,
    mut mirror: impl AsyncWrite + Unpin,
    heard: mpsc::Sender<Heard>,
) {
    let mut buffer = vec![0; READ_LEN];
    // A failing read ends the output like its end does: there is nothing more to come.
    while let Ok(len @ 1..) = pipe.read(&mut buffer).await {
        let bytes = &buffer[..len];
        let mirrored = mirror.write_all(bytes).await.is_ok() && mirror.flush().await.is_ok();
        if heard.send(Heard::Bytes(source, bytes.to_vec())).await.is_err() {
            return;
        }
        if !mirrored {
            // Nobody reads our output any more. Closing the pipe tells the command so, as without us.
            break;
        }
    }
    drop(pipe);
    let _ = heard.send(Heard::Closed(source)).await;
}

/// The signals that are meant for the command.
#[derive(Debug)]
struct Forwarded {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Forwarded {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> rustix::process::Signal {
        use rustix::process::Signal as Unix;
        tokio::select! {
            _ = self.interrupt.recv() => Unix::INT,
            _ = self.terminate.recv() => Unix::TERM,
            _ = self.hangup.recv() => Unix::HUP,
            _ = self.quit.recv() => Unix::QUIT,
        }
    }
}
