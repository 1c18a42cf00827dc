//! The released binary as a child process: started on a free port, watched through /proc, killed at will.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
}

/// Which engine to start with.
#[derive(Debug, Clone, Copy)]
pub enum Store<'a> {
    /// The embedded engine in this directory.
    Embedded(&'a Path),
    /// The memory engine.
    Memory,
}

/// Why no server came up.
#[derive(Debug)]
pub struct StartFailed(String);

impl std::fmt::Display for StartFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server did not start: {}", self.0)
    }
}

impl std::error::Error for StartFailed {}

/// The binary under test: `DURABLE_SESSIONS_BIN`, or the release build of this checkout.
#[must_use]
pub fn server_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("DURABLE_SESSIONS_BIN") {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("release/durable-sessions")
}

impl ServerProcess {
    /// Starts the binary on a free loopback port, without authentication, and waits until it says where it
    /// listens. `extra` is appended to the command line.
    ///
    /// # Errors
    /// [`StartFailed`] when the binary is missing, or ends before it listens.
    pub fn start(store: Store<'_>, extra: &[&str]) -> Result<Self, StartFailed> {
        Self::start_with(store, extra, &[])
    }

    /// The same, with more in its environment.
    ///
    /// # Errors
    /// As [`ServerProcess::start`].
    pub fn start_with(
        store: Store<'_>,
        extra: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, StartFailed> {
        let mut child = spawn(store, extra, environment)?;
        let Some(stdout) = child.stdout.take() else { return Err(StartFailed("no standard output".into())) };
        // The reading thread drains standard output for the life of the process, so that it never blocks on it.
        let (listening, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = listen_address(&line) {
                    let _ = listening.send(address);
                }
            }
        });
        match address.recv_timeout(Duration::from_secs(60)) {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                let _ = child.kill();
                let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(StartFailed(format!("it printed no address ({status})")))
            }
        }
    }

    /// Starts the binary and kills it after a while, whether it listens by then or not.
    ///
    /// # Errors
    /// [`StartFailed`] when the binary is missing.
    pub fn kill_while_starting(store: Store<'_>, after: Duration) -> Result<(), StartFailed> {
        let mut child = spawn(store, &[], &[])?;
        std::thread::sleep(after);
        let killed = child.kill().and_then(|()| child.wait());
        killed.map(drop).map_err(|e| StartFailed(e.to_string()))
    }

    /// SIGKILL: nothing that it wanted to do is done. Returns when it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// SIGTERM, and waits until it is gone; after the deadline SIGKILL. Whether it went by itself, without an error.
    #[must_use]
    pub fn terminate(mut self, deadline: Duration) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            return false;
        }
        let begun = std::time::Instant::now();
        while begun.elapsed() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => return false,
            }
        }
        false
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time used so far, user and system, all threads (`/proc/PID/stat`, 10 ms steps).
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The command name may hold spaces; fields are counted after its closing parenthesis.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }

    /// Open descriptors.
    #[must_use]
    pub fn descriptors(&self) -> Option<u64> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count() as u64)
    }

    /// Resident memory, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    }
}

fn spawn(store: Store<'_>, extra: &[&str], environment: &[(&str, &str)]) -> Result<Child, StartFailed> {
    let binary = server_binary();
    let mut command = Command::new(&binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--dev-no-auth", "--log-format", "json"]);
    match store {
        Store::Memory => command.args(["--store", "memory"]),
        Store::Embedded(dir) => command.args(["--store", "embedded", "--data-dir"]).arg(dir),
    };
    command
        .args(extra)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().map_err(|e| StartFailed(format!("{}: {e}", binary.display())))
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds `http://ADDRESS` in the startup line, whatever stands around it.
fn listen_address(line: &str) -> Option<SocketAddr> {
    let rest = line.split("http://").nth(1)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c))).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_text_and_json() {
        let address = Some("127.0.0.1:4437".parse().unwrap());
        assert_eq!(listen_address("listening on http://127.0.0.1:4437"), address);
        assert_eq!(listen_address(r#"{"url":"http://127.0.0.1:4437/","pid":1}"#), address);
        assert_eq!(listen_address("hello"), None);
    }
}
