//! Many sessions with a subscriber each, and appends spread over them at a steady rate: nobody loses, repeats or reorders
//! anything, through every rotation of its connection, and the server takes no more at the end than at the beginning.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `DURABLE_SESSIONS_LOAD_SUBSCRIBERS` | `EventSource`s on the session API | 200 |
//! | `DURABLE_SESSIONS_LOAD_SESSIONS` | sessions they are spread over | 200 |
//! | `DURABLE_SESSIONS_LOAD_APPENDS_PER_SECOND` | `POST /api/streams`, in the same order over and over | 100 |
//! | `DURABLE_SESSIONS_LOAD_SECONDS` | how long | 8 |
//!
//! `cargo xtask load` runs it with ten thousand and five minutes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod shared;
mod subscriber;
mod table;
mod writer;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use durable_sessions_tests::{Connection, Sample, ServerProcess, Store, Stretch, allow_descriptors, ports};

use shared::{Load, Plan, session_name};
use table::Row;
use writer::WRITERS;

/// How long everybody has to connect at the beginning, and to see everything at the end.
const PATIENCE: Duration = Duration::from_secs(120);
/// First connections under way at a time.
const CONNECTING: usize = 128;
/// Descriptors that neither side uses for subscribers.
const OTHER_DESCRIPTORS: u64 = 256;
/// Shorter runs end before memory could show anything.
const JUDGED_SECONDS_MIN: u64 = 180;

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(format!("DURABLE_SESSIONS_LOAD_{name}")) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} has no such value as {value}")),
        Err(_) => default,
    }
}

#[test]
fn every_subscriber_sees_every_event_once_and_in_order() {
    let plan = Plan {
        subscribers: setting("SUBSCRIBERS", 200),
        sessions: setting("SESSIONS", 200),
        appends_per_second: setting("APPENDS_PER_SECOND", 100),
        seconds: setting("SECONDS", 8),
    };
    if let Err(refused) = allow_descriptors(plan.subscribers as u64 + OTHER_DESCRIPTORS) {
        panic!("{refused}");
    }
    // As many connections as rotate within a minute wait for their ports to be given back.
    if let Some(ports) = ports().filter(|ports| *ports < 2 * plan.subscribers as u64) {
        panic!(
            "{} subscribers need twice as many ports, and ip_local_port_range has {ports}",
            plan.subscribers
        );
    }
    println!("{plan}");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let failed = runtime.block_on(run(plan, dir.path()));
    assert!(failed.is_empty(), "{failed:#?}");
}

fn start(plan: &Plan, dir: &Path) -> ServerProcess {
    // Whoever comes back may be there before its place is given up.
    let places = (plan.subscribers + plan.subscribers / 10 + 16).to_string();
    let connections = (plan.subscribers + plan.subscribers / 5 + 256).to_string();
    let mut flags = vec!["--sse-subscribers-max", &places, "--connections-max", &connections];
    // Caches that are full after a minute, so that what grows afterwards is no cache.
    flags.extend(["--rings-bytes-max", "4MiB", "--tail-window-bytes", "4MiB"]);
    flags.extend(["--event-ids-cached-max", "20000"]);
    let rotation = format!("{}s", plan.rotation_seconds());
    flags.extend(["--sse-max-age", &rotation]);
    ServerProcess::start(Store::Embedded(dir), &flags).unwrap()
}

async fn run(plan: Plan, dir: &Path) -> Vec<String> {
    let server = tokio::task::block_in_place(|| start(&plan, dir));
    let load = Arc::new(Load::new(plan, server.address()));
    let look = || Sample::of(&server, dir).expect("the server is there");
    let mut rows = vec![Row::standing("started", look())];
    create_sessions(&load).await;
    rows.push(Row::standing("sessions", look()));

    let began = Instant::now();
    let opening = Arc::new(tokio::sync::Semaphore::new(CONNECTING));
    let subscribers: Vec<_> = (0..plan.subscribers)
        .map(|number| tokio::spawn(subscriber::follow(Arc::clone(&load), number, Arc::clone(&opening))))
        .collect();
    let all_are_there = || load.connected.load(Ordering::SeqCst) >= plan.subscribers as u64;
    while !all_are_there() {
        assert!(began.elapsed() < PATIENCE, "{:?}", load.complaints());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{} subscribers connected in {:.1} s", plan.subscribers, began.elapsed().as_secs_f64());
    rows.push(Row::standing("connected", look()));

    let begin = tokio::time::Instant::now() + Duration::from_millis(100);
    let writers: Vec<_> =
        (0..WRITERS).map(|number| tokio::spawn(writer::write(Arc::clone(&load), number, begin))).collect();
    let (row_time, row_count) = plan.rows();
    for number in 1..=row_count {
        let mut stretch = Stretch::default();
        let end = begin + row_time * number;
        while tokio::time::Instant::now() < end {
            tokio::time::sleep_until((tokio::time::Instant::now() + Duration::from_secs(1)).min(end)).await;
            stretch.add(tokio::task::block_in_place(look));
        }
        rows.push(Row::moving(number, stretch, &load, row_time));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let settled = Instant::now();
    while load.outstanding() > 0 && settled.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    table::print(&rows);
    let failed = table::judge(&load, &rows, plan.seconds >= JUDGED_SECONDS_MIN);
    load.done.store(true, Ordering::SeqCst);
    subscribers.iter().for_each(tokio::task::JoinHandle::abort);
    let stopped = tokio::task::block_in_place(|| server.terminate(Duration::from_secs(30)));
    let stopped = (!stopped).then(|| "the server did not stop by itself".to_owned());
    failed.into_iter().chain(stopped).collect()
}

async fn create_sessions(load: &Arc<Load>) {
    let began = Instant::now();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let load = Arc::clone(load);
            tokio::spawn(async move {
                let mut connection = Connection::open(load.address).await.unwrap();
                for session in (writer..load.plan.sessions).step_by(WRITERS) {
                    let body = format!(r#"{{"id":"{}","projectId":"load"}}"#, session_name(session));
                    let json = [("content-type", "application/json")];
                    let answer = connection.request("POST", "/api/sessions", &json, &body).await.unwrap();
                    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("{} sessions created in {:.1} s", load.plan.sessions, began.elapsed().as_secs_f64());
}
