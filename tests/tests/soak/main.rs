//! What applications do, for long: sessions are created, written to by agents that say what recorded ones said, closed and
//! deleted; readers stay, come and go, are slow, stall; retention gives up the beginning of sessions that last. Nobody
//! misses anything that they are not told of, and neither memory nor descriptors, disk nor latency grows.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `DURABLE_SESSIONS_SOAK_SESSIONS` | sessions that are written to at a time | 12 |
//! | `DURABLE_SESSIONS_SOAK_SECONDS` | how long | 8 |
//!
//! `cargo xtask soak` runs it with sixty and half an hour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod agent;
mod reader;
mod script;
mod shared;
mod table;

use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use durable_sessions_tests::{
    Connection, Sample, ServerProcess, Store, Stretch, allow_descriptors, server_binary,
};

use script::Script;
use shared::{Session, Soak, Tempo};
use table::Row;

/// Sessions that last for all of the time.
const LASTING: u64 = 4;
/// What retention keeps of them.
const KEPT: u64 = 500;
/// How long readers have at the end to see everything; those that stall are not waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// In less than this everything happens quickly.
const SHORT: Duration = Duration::from_secs(60);
/// Readers of one session, and what else is open.
const DESCRIPTORS_PER_SESSION: u64 = 16;

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(format!("DURABLE_SESSIONS_SOAK_{name}")) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} has no such value as {value}")),
        Err(_) => default,
    }
}

#[test]
fn what_is_used_for_long_stays_as_it_was() {
    let (sessions, seconds): (u64, u64) = (setting("SESSIONS", 12), setting("SECONDS", 8));
    if let Err(refused) = allow_descriptors((sessions + LASTING) * DESCRIPTORS_PER_SESSION + 512) {
        panic!("{refused}");
    }
    println!("{sessions} sessions at a time, {LASTING} that last, {seconds} s");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let failed = runtime.block_on(run(sessions, Duration::from_secs(seconds), dir.path()));
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn run(sessions: u64, time: Duration, dir: &Path) -> Vec<String> {
    let retention = format!("sessions/lasting-*=count:{KEPT}");
    let (tempo, age) = if time < SHORT { (Tempo::SHORT, "2s") } else { (Tempo::LONG, "20s") };
    let flags = ["--retention", &retention, "--retention-interval", "2s", "--sse-max-age", age];
    let server = tokio::task::block_in_place(|| ServerProcess::start(Store::Embedded(dir), &flags).unwrap());
    let soak = Arc::new(Soak::new(server.address(), Script::read(), tempo));
    let look = || Sample::of(&server, dir).expect("the server is there");

    let mut agents: Vec<_> = (0..LASTING).map(|n| tokio::spawn(agent::last(Arc::clone(&soak), n))).collect();
    agents.extend((0..sessions).map(|n| {
        let soak = Arc::clone(&soak);
        tokio::spawn(async move {
            // Not all of them end and begin at the same time.
            tokio::time::sleep(Duration::from_millis(n * 137)).await;
            agent::work(soak, LASTING + n).await;
        })
    }));
    let (row_time, row_count) = rows(time);
    let begin = tokio::time::Instant::now();
    let mut table = vec![Row::standing("started", look())];
    for number in 1..=row_count {
        let mut stretch = Stretch::default();
        let end = begin + row_time * number;
        while tokio::time::Instant::now() < end {
            tokio::time::sleep_until((tokio::time::Instant::now() + Duration::from_secs(1)).min(end)).await;
            stretch.add(tokio::task::block_in_place(look));
        }
        table.push(Row::moving(number, stretch, &soak, row_time));
    }
    soak.is_over.store(true, Ordering::SeqCst);
    for agent in agents {
        agent.await.unwrap();
    }
    let settled = Instant::now();
    let is_settled = || soak.reading.lock().unwrap().is_empty();
    while !is_settled() && settled.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if !is_settled() {
        let reading = soak.reading.lock().unwrap().clone();
        soak.complain(format!("readers did not come to the end of sessions that are over: {reading:?}"));
    }
    soak.is_done.store(true, Ordering::SeqCst);
    let there = soak.there();
    for session in &there {
        compare(&soak, session).await;
    }
    table::print(&table);
    let mut failed = table::judge(&soak, &table, there.len());
    if !tokio::task::block_in_place(|| server.terminate(Duration::from_secs(30))) {
        failed.push("the server did not stop by itself".into());
    }
    let verified = Command::new(server_binary()).arg("verify").arg(dir).output().unwrap();
    if !verified.status.success() {
        failed.push(format!("verify: {}", String::from_utf8_lossy(&verified.stdout)));
    }
    failed
}

fn rows(time: Duration) -> (Duration, u32) {
    let minute = Duration::from_secs(60);
    if time >= 2 * minute { (minute, (time.as_secs() / 60) as u32) } else { (time / 2, 2) }
}

/// What is stored of a session against what was acknowledged.
async fn compare(soak: &Soak, session: &Session) {
    let stored = session.stored.load(Ordering::SeqCst);
    let numbers = match read(soak, &session.name).await {
        Ok(numbers) => numbers,
        Err(error) => return soak.complain(format!("{} cannot be read: {error}", session.name)),
    };
    let kept = numbers.len() as u64;
    let is_right = numbers.iter().copied().eq(stored - kept.min(stored) + 1..=stored);
    let is_whole = if session.is_trimmed { kept >= KEPT.min(stored) } else { kept == stored };
    if !is_right || !is_whole {
        soak.complain(format!(
            "{} has {kept} events from {:?} to {:?}, and {stored} were acknowledged",
            session.name,
            numbers.first(),
            numbers.last()
        ));
    }
}

/// The numbers of all events that a session has.
async fn read(soak: &Soak, name: &str) -> std::io::Result<Vec<u64>> {
    let mut connection = Connection::open(soak.address).await?;
    let (mut numbers, mut offset) = (Vec::new(), "-1".to_owned());
    loop {
        let page = connection.send("GET", &format!("sessions/{name}?offset={offset}"), &[], "").await?;
        if page.status != 200 {
            return Err(std::io::Error::other(format!("answered {}", page.status)));
        }
        let events: Vec<serde_json::Value> = serde_json::from_slice(&page.body)?;
        numbers.extend(events.iter().filter_map(|event| event["data"]["loadNumber"].as_u64()));
        offset = page.header("stream-next-offset").unwrap_or_default().to_owned();
        if page.header("stream-up-to-date").is_some() {
            return Ok(numbers);
        }
    }
}
