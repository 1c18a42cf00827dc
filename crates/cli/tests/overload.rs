//! Far more load than the server takes: memory stays under its bounds, what is refused is refused early and says when to
//! come again, readers go on, and a moment later all is as before.
//!
//! `cargo xtask load --overload` does it for a minute with the release binary (`DURABLE_SESSIONS_OVERLOAD_BIN` says which
//! one), and tells figures.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests assert, and tell what they saw"
)]
#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{BINARY, eventually};

/// What the bounds below allow, and what the process takes without any load: code, threads, the store's tables.
const CEILING_KIB: u64 = 128 << 10;
const WRITERS: usize = 24;
const STALLED_READERS: usize = 24;
const BODY_BYTES: usize = 64 << 10;
/// Seconds, also on a machine that is busy with other things.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

struct Overloaded {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Overloaded {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let binary = std::env::var_os("DURABLE_SESSIONS_OVERLOAD_BIN").unwrap_or_else(|| BINARY.into());
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--dev-no-auth", "--data-dir"])
            .arg(directory.path().join("data"))
            .args(["--bodies-bytes-max", "512KiB", "--queue-bytes-max", "4MiB", "--queue-len-max", "64"])
            .args(["--unsent-bytes-max", "2MiB", "--rings-bytes-max", "8MiB", "--tail-window-bytes", "8MiB"])
            .args(["--subscriber-stall-max", "2s"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        Self { child, address, _directory: directory }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    fn metric(&self, name: &str) -> f64 {
        let text = Exchange::new(self.connect()).send("GET", "/metrics", &[]).unwrap().body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}

impl Drop for Overloaded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection that is kept.
struct Exchange(BufReader<TcpStream>);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Exchange {
    fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
        Self(BufReader::new(socket))
    }

    /// `None` when the connection is gone, as it is after a body that was refused unread.
    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let socket = self.0.get_mut();
        // The answer may be there before the body is written, and the server does not read the rest.
        let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body));
        let mut head = String::new();
        loop {
            let before = head.len();
            if self.0.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if &head[before..] == "\r\n" {
                break;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").and_then(|length| length.trim().parse().ok())
        });
        let mut body = vec![0u8; length.unwrap_or(0)];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer { status, head, body: String::from_utf8(body).ok()? })
    }
}

#[derive(Default)]
struct Seen {
    accepted: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    slowest_ms: AtomicU64,
    strange: Mutex<Vec<String>>,
}

fn write(address: SocketAddr, seen: &Seen, stop: &AtomicBool) {
    let body = vec![b'x'; BODY_BYTES];
    let mut exchange = None;
    while !stop.load(Ordering::Relaxed) {
        let connected = match exchange.take() {
            Some(connected) => connected,
            None => match TcpStream::connect(address) {
                Ok(socket) => Exchange::new(socket),
                Err(_) => continue,
            },
        };
        let mut connected = connected;
        let began = Instant::now();
        match connected.send("POST", "/v1/stream/load", &body) {
            Some(answer) if answer.status == 204 => {
                seen.accepted.fetch_add(1, Ordering::Relaxed);
                let took = u64::try_from(began.elapsed().as_millis()).unwrap();
                seen.slowest_ms.fetch_max(took, Ordering::Relaxed);
                exchange = Some(connected);
            }
            Some(answer)
                if answer.status == 503 && answer.head.to_ascii_lowercase().contains("retry-after: ") =>
            {
                seen.refused.fetch_add(1, Ordering::Relaxed);
            }
            Some(answer) => seen.strange.lock().unwrap().push(answer.head),
            None => drop(seen.broken.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

fn overload(duration: Duration) {
    let server = Overloaded::start();
    assert_eq!(Exchange::new(server.connect()).send("PUT", "/v1/stream/load", &[]).unwrap().status, 201);
    let live = "GET /v1/stream/load?offset=now&live=sse HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let stalled: Vec<_> = (0..STALLED_READERS)
        .map(|_| {
            let mut socket = server.connect();
            socket.write_all(live.as_bytes()).unwrap();
            socket
        })
        .collect();
    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let read = Arc::new(AtomicU64::new(0));
    let mut threads: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (address, seen, stop) = (server.address, seen.clone(), stop.clone());
            std::thread::spawn(move || write(address, &seen, &stop))
        })
        .collect();
    let reading = {
        let (mut socket, read, stop) = (server.connect(), read.clone(), stop.clone());
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.write_all(live.as_bytes()).unwrap();
        std::thread::spawn(move || {
            let mut buffer = vec![0u8; 1 << 20];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(length) = socket.read(&mut buffer) {
                    read.fetch_add(length as u64, Ordering::Relaxed);
                }
            }
        })
    };
    threads.push(reading);
    let (began, mut highest_kib) = (Instant::now(), 0);
    while began.elapsed() < duration {
        highest_kib = highest_kib.max(server.resident_kib());
        std::thread::sleep(Duration::from_millis(50));
    }
    let refused_by_queue = server.metric("durable_sessions_store_refused_overloaded_total");
    let syncs = server.metric("durable_sessions_fsync_duration_seconds_count");
    let sync_seconds = server.metric("durable_sessions_fsync_duration_seconds_sum");
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "accepted {}, refused {} (by the queue {refused_by_queue}), broken off {}, slowest {} ms, read {} MiB, at most {} MiB \
         resident, {syncs} syncs in {sync_seconds} s",
        count(&seen.accepted),
        count(&seen.refused),
        count(&seen.broken),
        count(&seen.slowest_ms),
        count(&read) >> 20,
        highest_kib >> 10
    );
    assert!(seen.strange.lock().unwrap().is_empty(), "{:?}", seen.strange.lock().unwrap());
    assert!(count(&seen.accepted) > 10 && count(&seen.refused) > 10);
    assert!(highest_kib < CEILING_KIB, "{highest_kib} KiB");
    // What may wait is bounded, so this is: by far, and on a machine that is busy with other things, which tests are.
    assert!(count(&seen.slowest_ms) < 30_000, "{} ms", count(&seen.slowest_ms));
    assert!(count(&read) > 1 << 20, "a reader that reads goes on");
    // Recovery: the queue is empty, appends are answered at once, those who did not read are gone.
    let over = Instant::now();
    assert!(eventually(|| {
        let began = Instant::now();
        let answer = Exchange::new(server.connect()).send("POST", "/v1/stream/load", b"after");
        answer.is_some_and(|answer| answer.status == 204) && began.elapsed() < Duration::from_secs(1)
    }));
    println!(
        "an append is answered within a second {} ms after the load has ended",
        over.elapsed().as_millis()
    );
    assert!(over.elapsed() < RECOVERY_MAX, "{:?}", over.elapsed());
    assert!(eventually(|| server.metric("durable_sessions_sse_subscribers") < 1.0));
    // They had a while to take what was left for them.
    assert!(eventually(|| server.metric("durable_sessions_sse_unsent_bytes") < 1.0));
    assert!(eventually(|| server.metric("durable_sessions_request_body_bytes") < 1.0));
    drop(stalled);
}

#[test]
fn an_overload_is_refused_within_the_bounds_of_memory() {
    overload(Duration::from_secs(4));
}

#[test]
#[ignore = "a minute of load"]
fn a_minute_of_overload() {
    overload(Duration::from_secs(60));
}
