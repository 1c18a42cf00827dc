//! What coalescing saves on recorded runs: messages, bytes, and the time to read all of it.
//!
//! Each run is written as the events that `durable-sessions replay` makes of it, with the pauses it gives them: the chunks
//! that would have come within a window are sent together, and everything else by itself. So the windows are those of the
//! recorded pace, without its waiting. The server is the release binary. Lines that start with `bench` are for
//! `cargo xtask bench`: name, value, unit.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use durable_sessions_tests::{Connection, ServerProcess, Store, server_binary};
use serde_json::{Value, json};

const WINDOWS_MS: [u64; 5] = [0, 20, 50, 100, 250];
/// The fastest of so many counts: whatever else the machine does only adds to a read.
const READS: usize = 200;
const JSON: (&str, &str) = ("content-type", "application/json");

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a session holds.
#[derive(Debug, Default, Clone, Copy)]
struct Stored {
    writes: usize,
    messages: u64,
    bytes: usize,
    read: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    // `cargo test --all-targets` runs this file too, without the flag of `cargo bench`; it has nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runs = recorded_runs();
    if runs.is_empty() {
        println!("no recorded runs on this machine (DURABLE_SESSIONS_SHARED_DATA): nothing measured");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let server = ServerProcess::start(Store::Embedded(dir.path()), &[])?;
    let mut connection = Connection::open(server.address()).await?;
    for with_ids in [true, false] {
        let whose = if with_ids { "of the writer, kept" } else { "of the server" };
        println!("ids {whose}: window, writes, messages, bytes, time to read all");
        let mut plain = Stored::default();
        for window_ms in WINDOWS_MS {
            let mut all = Stored::default();
            for (index, run) in runs.iter().enumerate() {
                let events = events_of(run, with_ids)?;
                let session = format!("{with_ids}-{window_ms}-{index}");
                let stored = store(&mut connection, &session, window_ms, &events).await?;
                all.writes += stored.writes;
                all.messages += stored.messages;
                all.bytes += stored.bytes;
                all.read += stored.read;
            }
            println!(
                "  {window_ms:>4} ms {:>6} {:>6} {:>8} {:>10.3?}",
                all.writes, all.messages, all.bytes, all.read
            );
            if window_ms == 0 {
                plain = all;
                continue;
            }
            let name = format!("coalesce/{window_ms}ms{}", if with_ids { "" } else { "-own-ids" });
            report(&format!("{name}/messages"), all.messages as f64 / plain.messages as f64, "ratio");
            report(&format!("{name}/bytes"), all.bytes as f64 / plain.bytes as f64, "ratio");
            report(&format!("{name}/read"), all.read.as_secs_f64() / plain.read.as_secs_f64(), "ratio");
        }
    }
    for run in runs {
        println!("used {}", run.file_name().unwrap_or_default().to_string_lossy());
    }
    Ok(())
}

fn report(name: &str, value: f64, unit: &str) {
    println!("bench {name} {value:.2} {unit}");
}

/// The recorded runs of other projects, where the machine has them.
fn recorded_runs() -> Vec<PathBuf> {
    let directory = std::env::var_os("DURABLE_SESSIONS_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let mut runs: Vec<PathBuf> = std::fs::read_dir(directory.join("trajectories"))
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    runs.retain(|path| path.extension().is_some_and(|extension| extension == "traj"));
    runs.sort();
    runs
}

/// The events of a run, with the times at which they would be sent.
fn events_of(run: &Path, with_ids: bool) -> Outcome<Vec<Value>> {
    let out = Command::new(server_binary())
        .args(["replay", "--session", "run", "--dry-run", "--speed", "max"])
        .arg(run)
        .output()?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into());
    }
    let lines = std::str::from_utf8(&out.stdout)?.lines().skip(1);
    let mut events = lines.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    if !with_ids {
        for event in &mut events {
            event.as_object_mut().ok_or("an event is an object")?.remove("id");
        }
    }
    Ok(events)
}

/// What would be in one window each, ended by time or by something that is no chunk.
fn windows(events: &[Value], window_ms: u64) -> Vec<&[Value]> {
    let at = |event: &Value| event["timestamp"].as_u64().unwrap_or_default();
    let mut windows = Vec::new();
    let mut from = 0;
    for (index, event) in events.iter().enumerate() {
        if index > from && (window_ms == 0 || at(event) - at(&events[from]) > window_ms) {
            windows.push(&events[from..index]);
            from = index;
        }
        if event["type"] != "chunk" {
            windows.push(&events[from..=index]);
            from = index + 1;
        }
    }
    windows.extend((from < events.len()).then(|| &events[from..]));
    windows
}

async fn store(
    connection: &mut Connection,
    session: &str,
    window_ms: u64,
    events: &[Value],
) -> Outcome<Stored> {
    let new = json!({ "id": session, "projectId": "bench", "coalesceMs": window_ms }).to_string();
    expect(connection.request("POST", "/api/sessions", &[JSON], &new).await?.status, 201)?;
    let writes = windows(events, window_ms);
    let queued = format!("/api/streams?sessionId={session}&durability=queued");
    for write in &writes {
        // Queued, so that nobody waits for a window that is complete.
        let body = serde_json::to_string(write)?;
        expect(connection.request("POST", &queued, &[JSON], &body).await?.status, 202)?;
    }
    // Behind all that is queued.
    let last = json!({ "type": "x-end", "data": 1 }).to_string();
    let target = format!("/api/streams?sessionId={session}");
    expect(connection.request("POST", &target, &[JSON], &last).await?.status, 200)?;
    let mut read = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..READS {
        let began = Instant::now();
        bytes = read_all(connection, session).await?;
        read = read.min(began.elapsed());
    }
    let session = connection.request("GET", &format!("/api/sessions/{session}"), &[], "").await?;
    let session: Value = serde_json::from_slice(&session.body)?;
    let messages = session["data"]["eventCount"].as_u64().ok_or("no count")?;
    Ok(Stored { writes: writes.len(), messages, bytes, read })
}

async fn read_all(connection: &mut Connection, session: &str) -> Outcome<usize> {
    let (mut bytes, mut from) = (0, "-1".to_owned());
    loop {
        let target = format!("sessions/{session}?offset={from}");
        let page = connection.send("GET", &target, &[], "").await?;
        expect(page.status, 200)?;
        bytes += page.body.len();
        if page.header("stream-up-to-date").is_some() {
            return Ok(bytes);
        }
        page.header("stream-next-offset").ok_or("no offset")?.clone_into(&mut from);
    }
}

fn expect(status: u16, expected: u16) -> Outcome<()> {
    if status == expected { Ok(()) } else { Err(format!("answered {status}, not {expected}").into()) }
}
