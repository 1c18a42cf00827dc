//! `exec`: runs a command and streams what it says into a session. Must not know HTTP.

mod child;
mod coalesce;
mod outbox;
mod transcript;
mod utf8;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use durable_sessions_client::protocol::ContentType;
use durable_sessions_client::schema::{
    Payload, TerminalPayload, TerminalSource, ToolCallId, ToolCallPayload,
};
use serde_json::json;
use tokio::time::timeout_at;

use crate::args::ExecArgs;
use crate::event_ids::EventIds;
use crate::failure::{EXIT_EXEC_FAILED, EXIT_INTERRUPTED, Failure};
use crate::notice::notice;
use crate::remote::{Remote, session_path};
use crate::wire;

use child::{Heard, Next, Running};
use coalesce::{Chunk, Coalescer, Source};
use outbox::{Delivery, Outbox};
use transcript::Transcript;

/// How long output is gathered before it becomes an event: long enough for a burst of small writes, too short to
/// be seen.
const GATHER: Duration = Duration::from_millis(20);
/// How long the command waits for a server that cannot be reached.
const CHECK_PATIENCE: Duration = Duration::from_secs(3);
/// Events that may wait for the server before output is left out.
const EVENTS_WAITING_MAX: usize = 2048;
/// Exit code when the command cannot be executed, as shells have it.
const EXIT_NOT_EXECUTABLE: u8 = 126;
/// Exit code when the command is not found, as shells have it.
const EXIT_NOT_FOUND: u8 = 127;

/// Runs the command and gives the exit code.
pub(crate) async fn run(args: &ExecArgs) -> u8 {
    match exec(args).await {
        Ok(code) => code,
        Err(Failure::Interrupted) => EXIT_INTERRUPTED,
        Err(failure) => {
            notice(&format!("error: {failure}"));
            EXIT_EXEC_FAILED
        }
    }
}

async fn exec(args: &ExecArgs) -> Result<u8, Failure> {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::Usage { argument: "COMMAND", reason: "expected after --".to_owned() });
    };
    let path = session_path(&args.session)?;
    // Whether the session takes events is worth knowing before the command runs; a server that is away is not worth
    // waiting for long.
    let patience = CHECK_PATIENCE.min(args.connection.retry_for);
    let remote = Remote::with_patience(&args.connection, patience)?;
    match remote.check_writable(&path, args.create.then(ContentType::json).as_ref()).await {
        Err(failure @ Failure::Unreachable { .. }) => {
            notice(&format!("{failure}; the command runs all the same"));
        }
        checked => drop(checked?),
    }
    let appender = remote.appender(&path, ContentType::json(), None, EVENTS_WAITING_MAX)?;
    let mut recorder = Recorder::new(args, program, Outbox::new(appender))?;

    recorder.start(program, arguments).await;
    let began = Instant::now();
    let mut running = match Running::start(program, arguments) {
        Ok(running) => running,
        Err(error) => {
            let code = code_of_start(&error);
            let reason = format!("cannot run {}: {error}", program.to_string_lossy());
            notice(&format!("error: {reason}"));
            recorder.not_started(&reason, code).await;
            recorder.finish(args.connection.retry_for).await;
            return Ok(code);
        }
    };
    let status = recorder
        .follow(&mut running)
        .await
        .map_err(|reason| Failure::System { what: "follow the command", reason })?;
    recorder.end(status, began.elapsed()).await;
    let delivery = recorder.finish(args.connection.retry_for).await;
    let code = child::exit_code(status);
    if let Some(report) = delivery.report() {
        notice(&format!("error: session {}: {report}", args.session));
        return Ok(if code == 0 { EXIT_EXEC_FAILED } else { code });
    }
    Ok(code)
}

fn code_of_start(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { EXIT_NOT_FOUND } else { EXIT_NOT_EXECUTABLE }
}

/// Turns what happens into events.
struct Recorder {
    outbox: Outbox,
    ids: EventIds,
    call: ToolCallId,
    tool: String,
    coalescer: Coalescer,
    transcript: Transcript,
}

impl Recorder {
    fn new(args: &ExecArgs, program: &OsStr, outbox: Outbox) -> Result<Self, Failure> {
        let ids = EventIds::random("exec")?;
        let call = ids.named("call", 1);
        let tool = args.tool_name.clone().unwrap_or_else(|| tool_name(program));
        Ok(Self {
            outbox,
            ids,
            call,
            tool,
            coalescer: Coalescer::default(),
            transcript: Transcript::default(),
        })
    }

    /// Says that the command starts.
    async fn start(&mut self, program: &OsStr, arguments: &[OsString]) {
        let input = json!({ "command": shown_command(program, arguments) });
        let payload = ToolCallPayload::new(self.call.clone(), self.tool.as_str()).input(input);
        self.keep(Payload::ToolStart(payload)).await;
    }

    /// Streams what the command writes, until it ends.
    async fn follow(&mut self, running: &mut Running) -> io::Result<ExitStatus> {
        let mut flush_at = None;
        loop {
            let next = match flush_at {
                None => Some(running.next().await?),
                Some(at) => timeout_at(at, running.next()).await.ok().transpose()?,
            };
            let ready = match next {
                Some(Next::Heard(Heard::Bytes(source, bytes))) => self.coalescer.push(source, &bytes),
                Some(Next::Heard(Heard::Closed(source))) => self.coalescer.close(source),
                Some(Next::Ended(status)) => {
                    let rest = self.coalescer.finish();
                    self.terminal(rest).await;
                    return Ok(status);
                }
                None => {
                    flush_at = None;
                    self.coalescer.flush()
                }
            };
            self.terminal(ready).await;
            if !self.coalescer.is_pending() {
                flush_at = None;
            } else if flush_at.is_none() {
                flush_at = Some(tokio::time::Instant::now() + GATHER);
            }
        }
    }

    async fn terminal(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks {
            self.terminal_event(chunk).await;
        }
    }

    async fn terminal_event(&mut self, chunk: Chunk) {
        self.transcript.push(&chunk.text);
        if let Some(left_out) = self.outbox.gap() {
            // The reader of the session has to see where something is missing.
            let mark =
                format!("\n[... {left_out} bytes of output left out: the server could not be reached ...]\n");
            let payload = TerminalPayload::new(mark).source(TerminalSource::System);
            let event = self.event(Payload::TerminalError(payload));
            if self.outbox.offer(&event, 0).await {
                self.outbox.close_gap();
            }
        }
        let len = chunk.text.len();
        let payload = TerminalPayload::new(chunk.text).source(TerminalSource::Agent);
        let payload = match chunk.source {
            Source::Stdout => Payload::TerminalOutput(payload),
            Source::Stderr => Payload::TerminalError(payload),
        };
        let event = self.event(payload);
        self.outbox.offer(&event, len as u64).await;
    }

    /// Says how the command ended.
    async fn end(&mut self, status: ExitStatus, took: Duration) {
        let output = std::mem::take(&mut self.transcript).into_text();
        self.result(output, child::exit_code(status), Some(took)).await;
    }

    /// Says that the command could not be started.
    async fn not_started(&mut self, reason: &str, code: u8) {
        self.result(reason.to_owned(), code, None).await;
    }

    async fn result(&mut self, output: String, code: u8, took: Option<Duration>) {
        let mut payload =
            ToolCallPayload::new(self.call.clone(), self.tool.as_str()).output(output).is_error(code != 0);
        if let Some(took) = took {
            // In milliseconds, to the microsecond.
            payload = payload.duration(took.as_micros() as f64 / 1000.0);
        }
        payload.extra.insert("exitCode".to_owned(), json!(code));
        self.keep(Payload::ToolResult(payload)).await;
    }

    async fn keep(&mut self, payload: Payload) {
        let event = self.event(payload);
        self.outbox.keep(event).await;
    }

    fn event(&mut self, payload: Payload) -> Vec<u8> {
        wire::event(self.ids.mint(), wire::now_ms(), payload)
    }

    async fn finish(self, patience: Duration) -> Delivery {
        self.outbox.finish(patience).await
    }
}

/// A tool is named after its program, as the replayed runs name theirs.
fn tool_name(program: &OsStr) -> String {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    if name.is_empty() { "exec".to_owned() } else { name.into_owned() }
}

/// The command as one would type it.
fn shown_command(program: &OsStr, arguments: &[OsString]) -> String {
    let quoted = |word: &OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let shown = |program: &str, arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            shown_command(OsStr::new(program), &arguments)
        };
        assert_eq!(shown("cargo", &["test", "-p", "a_b"]), "cargo test -p a_b");
        assert_eq!(shown("sh", &["-c", "echo 'x' $Y", ""]), r"sh -c 'echo '\''x'\'' $Y' ''");
        assert_eq!(tool_name(OsStr::new("/usr/bin/make")), "make");
    }
}
