//! A real server as a child process, and the real command line against it.

#![allow(dead_code, reason = "every test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers assert and tell as tests do"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_durable-sessions");
/// The token of every test server.
pub(crate) const TOKEN: &str = "test-token-0123456789";
/// How long anything may take before a test says that it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server process with its data directory. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Its own, deleted with it, unless it was given another.
    directory: PathBuf,
    _own: Option<tempfile::TempDir>,
    store: &'static str,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port.
    pub(crate) fn start(store: &'static str) -> Self {
        let own = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let (child, address) = launch(store, own.path(), listen);
        Self { child, directory: own.path().to_owned(), _own: Some(own), store, address }
    }

    /// Starts a server on a free port, on data that are there.
    pub(crate) fn start_in(directory: PathBuf) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let (child, address) = launch("embedded", &directory, listen);
        Self { child, directory, _own: None, store: "embedded", address }
    }

    /// Ends the process as a power cut would: no handler runs.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data and the same port.
    pub(crate) fn restart(&mut self) {
        (self.child, self.address) = launch(self.store, &self.directory, self.address);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The command line, pointed at this server.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("DURABLE_SESSIONS_URL", self.url())
            .env("DURABLE_SESSIONS_TOKEN", TOKEN)
            .stdin(Stdio::null());
        command
    }

    /// Runs the command line to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        finish(&mut self.cli(arguments), "")
    }

    /// Runs the command line and expects success.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// What a session holds, line by line.
    pub(crate) fn events(&self, session: &str) -> Vec<String> {
        self.ok(&["read", "--session", session]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end with `input` on its standard input.
pub(crate) fn finish(command: &mut Command, input: &str) -> Ended {
    let mut child = spawn(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // The command may end without reading.
        let _ = stdin.write_all(input.as_bytes());
    });
    let ended = end(child);
    writer.join().unwrap();
    ended
}

/// Starts a command whose output is collected.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a command that was started with [`spawn`], and kills it when it hangs.
pub(crate) fn end(mut child: Child) -> Ended {
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let stdout = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let stderr = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut status = None;
    let in_time = eventually(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !in_time {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let status = status.unwrap_or_else(|| panic!("it hangs; stderr: {stderr}"));
    Ended { code: status.code().unwrap_or(-1), stdout, stderr }
}

/// Polls until `condition` holds; false when it never does.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn launch(store: &str, directory: &Path, listen: SocketAddr) -> (Child, SocketAddr) {
    let mut command = Command::new(BINARY);
    command.args(["serve", "--listen", &listen.to_string(), "--store", store]);
    if store == "embedded" {
        command.arg("--data-dir").arg(directory.join("data"));
    }
    let mut child = command
        .env("DURABLE_SESSIONS_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Both outputs are read to their ends, so that the server never waits for us.
    let (sender, lines) = std::sync::mpsc::channel();
    for output in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    drop(sender);
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if let Some(address) = address_in(&line) {
            // Whether it listens shows with the first request.
            return (child, address);
        }
        said.push(line);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the server did not say where it listens: {said:?}");
}

/// `http://127.0.0.1:4437` anywhere in a line.
fn address_in(line: &str) -> Option<SocketAddr> {
    let after = line.split("http://").nth(1)?;
    let end = after.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).unwrap_or(after.len());
    after[..end].parse().ok()
}

/// The recorded runs of other projects, where the machine has them.
pub(crate) fn shared_runs() -> Vec<PathBuf> {
    let directory = std::env::var_os("DURABLE_SESSIONS_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let mut runs: Vec<PathBuf> = std::fs::read_dir(directory.join("trajectories"))
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    runs.retain(|path| path.extension().is_some_and(|extension| extension == "traj"));
    runs.sort();
    if runs.is_empty() {
        println!("no shared runs on this machine");
    }
    runs
}

/// The repository's recording of a real run.
pub(crate) fn example_recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/example-agent.jsonl")
}

/// A recording of `count` chunks, `pause_ms` apart.
pub(crate) fn write_recording(file: &Path, count: u64, pause_ms: u64) -> Vec<String> {
    let events: Vec<String> = (0..count)
        .map(|index| {
            let timestamp = 1_700_000_000_000 + index * pause_ms;
            format!(
                "{{\"id\":\"e{index}\",\"type\":\"chunk\",\"timestamp\":{timestamp},\"data\":{{\"text\":\"piece {index} \"}}}}"
            )
        })
        .collect();
    let header = "{\"format\":\"durable-sessions-recording\",\"version\":1}";
    std::fs::write(file, format!("{header}\n{}\n", events.join("\n"))).unwrap();
    events
}
