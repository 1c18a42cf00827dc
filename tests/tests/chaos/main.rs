//! Everything at once: writers and subscribers through a proxy that cuts, delays and falls silent, a disk that fails, a
//! server that is killed and told to stop; then what was acknowledged, what is stored and what was seen must agree.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `DURABLE_SESSIONS_CHAOS_SECONDS` | how long | 5 |
//! | `DURABLE_SESSIONS_CHAOS_SEED` | what happens; timing is still the machine's | the time |
//! | `DURABLE_SESSIONS_CHAOS_DISK` | of so many calls to the disk about one fails; for binaries built with `faults` | none fails |
//! | `DURABLE_SESSIONS_CHAOS_PLANT` | a bug that such a binary has then: `drop-ack`, `double-append`, `skip-row` | none |
//! | `DURABLE_SESSIONS_CHAOS_EXPECT` | `violations` turns the outcome round | agreement |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod ledger;
mod proxy;
mod random;
mod subscribers;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use durable_sessions_tests::{Connection, ServerProcess, Store, server_binary};

use ledger::{Message, Seen, Told};
use proxy::Proxy;
use random::Random;
use subscribers::{Mode, Subscriber};
use writers::{JSON, STREAMS, WRITERS, Writer};

/// How long subscribers have at the end to see everything.
const CATCH_UP: Duration = Duration::from_secs(60);
/// How long a server has to stop by itself.
const STOP: Duration = Duration::from_secs(20);

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let value =
        std::env::var(format!("DURABLE_SESSIONS_CHAOS_{name}")).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} has no such value as {value}")))
}

/// How servers of this run are started.
struct Starts<'d> {
    dir: &'d Path,
    disk: Option<u64>,
    plant: Option<String>,
    random: Random,
    failed: u64,
}

impl Starts<'_> {
    /// Starts a server; a disk that fails may keep one from starting, so it is tried again.
    fn start(&mut self, fails: bool) -> ServerProcess {
        let extra = ["--heartbeat", "500ms", "--long-poll-timeout", "1s", "--shutdown-deadline", "2s"];
        for _ in 0..50 {
            let faults = self.disk.filter(|_| fails).map(|one_of| format!("{}:{one_of}", self.random.next()));
            let mut environment = Vec::new();
            if let Some(faults) = &faults {
                environment.push(("DURABLE_SESSIONS_FAULTS", &**faults));
            }
            if let Some(plant) = &self.plant {
                environment.push(("DURABLE_SESSIONS_PLANT", &**plant));
            }
            match ServerProcess::start_with(Store::Embedded(self.dir), &extra, &environment) {
                Ok(server) => return server,
                Err(error) => {
                    assert!(faults.is_some(), "{error}");
                    self.failed += 1;
                }
            }
        }
        panic!("the server does not start, with another fault each time");
    }
}

#[test]
fn what_was_acknowledged_what_is_stored_and_what_was_seen_agree() {
    let seconds = setting("SECONDS").unwrap_or(5);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = setting("SEED").unwrap_or_else(clock);
    let mut dir = tempfile::tempdir().unwrap();
    // What a failure leaves is worth a look.
    dir.disable_cleanup(true);
    println!("chaos: {seconds} s with seed {seed} in {}", dir.path().display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let work = || runtime.block_on(run(dir.path(), Duration::from_secs(seconds), Random::new(seed)));
    let found = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(found) => found,
        // A planted bug may leave a store that no server opens, which is noticed enough.
        Err(_) if setting::<String>("PLANT").is_some() => vec!["the run broke off".to_owned()],
        Err(panic) => resume_unwind(panic),
    };
    for violation in found.iter().take(20) {
        println!("violation: {violation}");
    }
    let expected = setting::<String>("EXPECT").is_some_and(|expected| expected == "violations");
    if expected {
        assert!(!found.is_empty(), "the planted bug was not noticed with seed {seed}");
        println!("chaos: {} violations, as expected", found.len());
    } else {
        assert!(found.is_empty(), "{} violations with seed {seed}", found.len());
    }
    dir.disable_cleanup(false);
}

async fn run(dir: &Path, time: Duration, mut random: Random) -> Vec<String> {
    let plant: Option<String> = setting("PLANT");
    let mut starts = Starts { dir, disk: setting("DISK"), plant, random: random.branch(), failed: 0 };
    let proxy = Proxy::start(random.branch()).await;
    let mut server = starts.start(false);
    let mut direct = Connection::open(server.address()).await.unwrap();
    for stream in 0..STREAMS {
        assert_eq!(direct.send("PUT", &format!("chaos/{stream}"), &[JSON], "").await.unwrap().status, 201);
    }
    drop(direct);
    proxy.lead_to(Some(server.address()));

    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let stop = Arc::clone(&stop);
            let writer = Writer { proxy: proxy.address, number, random: random.branch(), stop };
            tokio::spawn(writer.write())
        })
        .collect();
    let tails: Vec<_> = (0..STREAMS).map(|_| Arc::new(AtomicU64::new(u64::MAX))).collect();
    let mut subscribers = Vec::new();
    for stream in 0..STREAMS {
        for mode in [Mode::Sse, Mode::LongPoll, Mode::Client] {
            let name = format!("subscriber {} of stream {stream} by {mode:?}", subscribers.len());
            let seen = Arc::new(Mutex::new(Seen { name: name.clone(), stream, ..Seen::default() }));
            let until = Arc::clone(&tails[stream as usize]);
            let subscriber = Subscriber { proxy: proxy.address, stream, mode, until, name };
            subscribers.push((tokio::spawn(subscriber.follow(Arc::clone(&seen))), seen));
        }
    }

    let (mut kills, mut stops, mut hung) = (0, 0, 0);
    let begun = Instant::now();
    let mut schedule = random.branch();
    while begun.elapsed() < time {
        let left = time.saturating_sub(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(200 + schedule.below(1_800)).min(left)).await;
        proxy.lead_to(None);
        if schedule.below(3) < 2 {
            server.kill();
            kills += 1;
        } else {
            stops += 1;
            hung += u64::from(!tokio::task::block_in_place(|| server.terminate(STOP)));
        }
        server = tokio::task::block_in_place(|| starts.start(true));
        proxy.lead_to(Some(server.address()));
    }

    // Peace: everything has to come right by itself now.
    stop.store(true, Ordering::SeqCst);
    let mut told = Told::default();
    for writer in writers {
        told.join(writer.await.unwrap());
    }
    proxy.calm();
    proxy.lead_to(None);
    server.kill();
    let server = starts.start(false);
    proxy.lead_to(Some(server.address()));
    let deadline = Instant::now() + CATCH_UP;
    let (stored, letters, unreadable) = settled(&server, &told, deadline).await;
    for (stream, messages) in &stored {
        tails[*stream as usize].store(messages.len() as u64, Ordering::SeqCst);
    }
    let deadline = Instant::now() + CATCH_UP;
    for (task, _) in &mut subscribers {
        let _ = tokio::time::timeout(deadline.saturating_duration_since(Instant::now()), task).await;
    }
    let seen: Vec<Seen> = subscribers
        .into_iter()
        .map(|(task, seen)| {
            task.abort();
            std::mem::take(&mut *seen.lock().unwrap())
        })
        .collect();
    println!(
        "chaos: {} appends acknowledged, {} of them queued, {} of which nobody knows; {} messages stored, {} dead letters; \
         {kills} kills, {stops} stops, {} starts that failed, {} connections broken, {} of subscribers",
        told.acknowledged.len(),
        told.acknowledged.keys().filter(|(writer, _)| writers::is_queued(*writer)).count(),
        told.unknown.len(),
        stored.values().map(Vec::len).sum::<usize>(),
        letters.len(),
        starts.failed,
        proxy.broken(),
        seen.iter().map(|seen| seen.connections).sum::<u64>(),
    );
    let mut found = unreadable;
    found.extend(ledger::violations(&told, &seen, &stored, &letters, writers::is_producer));
    if starts.disk.is_none() {
        // Kills alone are no reason to give up what was taken.
        found.extend(letters.iter().map(|message| format!("given up on a disk that works: {message:?}")));
    }
    if hung > 0 {
        found.push(format!("{hung} servers did not stop by themselves when they were told to"));
    }
    if !server.terminate(STOP) {
        found.push("the last server did not stop by itself".into());
    }
    let verified = Command::new(server_binary()).arg("verify").arg(dir).output().unwrap();
    if !verified.status.success() {
        found.push(format!(
            "verify: {}{}",
            String::from_utf8_lossy(&verified.stdout),
            String::from_utf8_lossy(&verified.stderr)
        ));
    }
    found
}

/// What is stored, and which messages are in dead letters, when nothing is on its way from the queue any more: every
/// queued append is in one of the two, or the time is over. And what could not be read.
async fn settled(
    server: &ServerProcess,
    told: &Told,
    deadline: Instant,
) -> (BTreeMap<u64, Vec<Message>>, BTreeSet<Message>, Vec<String>) {
    loop {
        let (mut stored, mut unreadable) = (BTreeMap::new(), Vec::new());
        let letters = dead_letters(server, &mut unreadable);
        for stream in 0..STREAMS {
            stored.insert(stream, read(server, stream, &mut unreadable).await);
        }
        let there: BTreeSet<&Message> = stored.values().flatten().chain(&letters).collect();
        let mut queued = told.acknowledged.keys().filter(|(writer, _)| writers::is_queued(*writer));
        let is_settled = queued.all(|message| there.contains(message));
        // Queued appends that nobody knows of may still arrive, too; the queue says when there are none.
        if (is_settled && queue_is_empty(server).await) || Instant::now() > deadline {
            return (stored, letters, unreadable);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn queue_is_empty(server: &ServerProcess) -> bool {
    let client = durable_sessions_client::Client::builder(&format!("http://{}", server.address())).build();
    let metrics = client.unwrap().metrics().await.unwrap();
    let depth = metrics.lines().find(|line| line.starts_with("durable_sessions_queued_appends "));
    depth.unwrap_or_else(|| panic!("no depth of the queue in the metrics")).ends_with(" 0")
}

/// The messages of all dead letters, by the command line.
fn dead_letters(server: &ServerProcess, unreadable: &mut Vec<String>) -> BTreeSet<Message> {
    let url = format!("http://{}", server.address());
    let mut ask = |arguments: &[&str]| {
        let command = Command::new(server_binary()).args(arguments).args(["--url", &url]).output().unwrap();
        if !command.status.success() {
            unreadable.push(format!("{arguments:?}: {}", String::from_utf8_lossy(&command.stderr)));
        }
        String::from_utf8(command.stdout).unwrap()
    };
    let ids: Vec<String> = ask(&["dead-letters", "list"])
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut found = BTreeSet::new();
    for id in ids {
        let shown: serde_json::Value = serde_json::from_str(&ask(&["dead-letters", "show", &id])).unwrap();
        let rows: Vec<(u64, u64, String)> = serde_json::from_value(shown["messages"].clone()).unwrap();
        println!("chaos: dead letter {id}: {} after {} attempts", shown["reason"], shown["attempts"]);
        found.extend(rows.into_iter().map(|(writer, number, _)| (writer, number)));
    }
    found
}

/// The content of a stream, directly from the server, as far as it can be read.
async fn read(server: &ServerProcess, stream: u64, unreadable: &mut Vec<String>) -> Vec<Message> {
    let mut connection = Connection::open(server.address()).await.unwrap();
    let (mut all, mut offset) = (Vec::new(), "-1".to_owned());
    loop {
        let page = connection.send("GET", &format!("chaos/{stream}?offset={offset}"), &[], "").await.unwrap();
        if page.status != 200 {
            let said = String::from_utf8_lossy(&page.body);
            unreadable.push(format!("stream {stream} at {offset} is answered {}: {said}", page.status));
            return all;
        }
        let rows: Vec<(u64, u64, String)> = serde_json::from_slice(&page.body).unwrap();
        all.extend(rows.into_iter().map(|(writer, number, _)| (writer, number)));
        offset = page.header("stream-next-offset").unwrap().to_owned();
        if page.header("stream-up-to-date").is_some() {
            return all;
        }
    }
}
