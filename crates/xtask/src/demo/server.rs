//! The demo's server: started, killed without warning, started again on the same data and port.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::checkout::Checkout;
use crate::command::{Invocation, Running};
use crate::failure::StepError;
use crate::interrupt;
use crate::screen;

/// The server and the command-line client both read it, so that it is on no command line.
pub(super) const TOKEN_VARIABLE: &str = "DURABLE_SESSIONS_TOKEN";
pub(super) const URL_VARIABLE: &str = "DURABLE_SESSIONS_URL";

const READY_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A server on this machine only, for as long as the demo runs.
pub(super) struct DemoServer {
    command: Invocation,
    address: SocketAddr,
    token: String,
    running: Option<Running>,
}

impl DemoServer {
    /// On `port`, or on any free one when that is taken.
    pub(super) fn new(checkout: &Checkout, port: u16) -> Result<Self, StepError> {
        let address = free_address(port)
            .map_err(|source| StepError::file("listen on", format!("127.0.0.1:{port}"), source))?;
        if address.port() != port {
            screen::line(format_args!("port {port} is taken; using {} instead", address.port()));
        }
        let token = random_token()?;
        let data = checkout.target().join("demo/data");
        std::fs::create_dir_all(&data).map_err(|source| StepError::file("create", &data, source))?;
        let command =
            screen::in_lane("server", || Invocation::new(checkout.server_binary(), checkout.root()))
                .args(["serve", "--listen", &address.to_string(), "--data-dir"])
                .arg(data)
                .arg("--web-root")
                .arg(checkout.web_demo().join("dist"))
                .env(TOKEN_VARIABLE, &token)
                .advice("the server's own last lines above say why");
        Ok(Self { command, address, token, running: None })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What to open. The fragment never leaves the browser.
    pub(super) fn page(&self, session: Option<&str>) -> String {
        let session = session.map_or_else(String::new, |session| format!("&session={session}"));
        format!("{}/#token={}{session}", self.url(), self.token)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Starts it and waits until it is ready to serve.
    pub(super) fn start(&mut self) -> Result<(), StepError> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut running = self.command.start_replacing_guard()?;
        let deadline = Instant::now() + READY_LIMIT;
        while !self.is_ready() {
            if let Some(status) = running.ended() {
                return Err(StepError::unmet(
                    format!("the server ended at once ({status})"),
                    "its own last lines above say why; is target/demo/data from another version? Remove it",
                ));
            }
            if interrupt::requested() {
                return Err(StepError::Interrupted);
            }
            if Instant::now() > deadline {
                return Err(StepError::unmet(
                    format!("the server was not ready after {} s", READY_LIMIT.as_secs()),
                    "its own last lines above say what it was doing",
                ));
            }
            thread::sleep(POLL);
        }
        screen::line(format_args!("the server is ready (process {})", running.pid()));
        self.running = Some(running);
        Ok(())
    }

    /// As a power cut does it: no goodbye.
    pub(super) fn kill(&mut self) {
        match self.running.take() {
            Some(mut running) => {
                running.signal(Signal::KILL);
                // Reaped, so that the port and the data directory are free.
                running.stop();
                screen::line("the server was killed (kill -9); s starts it again");
            }
            None => screen::line("the server is not running; s starts it"),
        }
    }

    /// Whether it has ended without being asked to.
    pub(super) fn has_failed(&mut self) -> bool {
        let Some(status) = self.running.as_mut().and_then(Running::ended) else { return false };
        self.running = None;
        screen::line(format_args!("the server ended by itself ({status}); s starts it again"));
        true
    }

    /// With a goodbye to every page.
    pub(super) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.stop();
        }
    }

    fn is_ready(&self) -> bool {
        let asked = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, POLL)?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            let host = self.address;
            write!(stream, "GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.take(4096).read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

fn free_address(port: u16) -> io::Result<SocketAddr> {
    let wanted = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    wanted.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?.local_addr()
}

fn random_token() -> Result<String, StepError> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| StepError::unmet(format!("no randomness: {error}"), "the token has to be random"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_address(port).unwrap().port(), port);
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, other) = (random_token().unwrap(), random_token().unwrap());
        assert_eq!(one.len(), 48);
        assert_ne!(one, other);
    }
}
