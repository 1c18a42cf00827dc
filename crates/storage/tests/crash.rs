//! kill -9 in the middle of appends, several times over one directory: everything acknowledged is there, whole,
//! in order, once; producers go on where they were; closures and forks are as they were acknowledged.
//!
//! The process that is killed is this test binary itself, run again for the test `child` with `DIR` set.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and says what it did")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, ProducerClaim, ProducerEpoch, ProducerSeq, StreamPath};
use durable_sessions_storage::{
    Append, AppendError, Batch, CreateStream, EmbeddedStore, Fork, OpenError, StoreOptions, StreamStore,
};

const DIR: &str = "DURABLE_SESSIONS_CRASH_DIR";
const ROUND: &str = "DURABLE_SESSIONS_CRASH_ROUND";
/// Unless `ROUNDS_WANTED` says otherwise.
const ROUNDS: u64 = 5;
const ROUNDS_WANTED: &str = "DURABLE_SESSIONS_CRASH_ROUNDS";
const WRITERS: u64 = 6;
const STREAMS: u64 = 3;

/// Segments so small that a round fills several, and is killed while one is brought into the tree now and then.
fn options() -> StoreOptions {
    StoreOptions { log_segment_bytes: 1_000_000, ..StoreOptions::default() }
}

fn path(name: &str) -> StreamPath {
    name.parse().unwrap()
}

fn stream_of(writer: u64) -> String {
    format!("shared/{}", writer % STREAMS)
}

fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

/// The append that `writer` makes at `seq` of an epoch: 1 to 4 messages, some of them larger than a page.
fn append_of(writer: u64, epoch: u64, seq: u64) -> Append {
    let len = 1 + (writer + seq) % 4;
    let padding = if seq % 7 == 3 { 30_000 } else { 10 };
    let texts: Vec<String> =
        (0..len).map(|n| format!("[{writer},{epoch},{seq},{n},{len},\"{}\"]", "x".repeat(padding))).collect();
    let ends = texts.iter().scan(0, |end, text| {
        let this = *end + text.len() as u32;
        *end = this + 1;
        Some(this)
    });
    let batch = Batch::joined_messages(Bytes::from(texts.join(",")), ends.collect()).unwrap();
    let producer = ProducerClaim {
        id: format!("writer-{writer}").parse().unwrap(),
        epoch: ProducerEpoch::new(epoch).unwrap(),
        seq: ProducerSeq::new(seq).unwrap(),
    };
    Append { batch: Some(batch), producer: Some(producer), ..Append::default() }
}

/// One line in one write, so that a kill leaves no half of it.
fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

async fn write(store: Arc<dyn StreamStore>, writer: u64, epoch: u64) {
    for seq in 0.. {
        let appended = store.append(&path(&stream_of(writer)), append_of(writer, epoch, seq)).await.unwrap();
        assert!(!appended.duplicate);
        say(&format!("appended {writer} {epoch} {seq} {}", appended.next_offset.position()));
    }
}

/// Makes a stream, forks it, closes it, deletes every third one; again and again.
async fn live_short(store: Arc<dyn StreamStore>, epoch: u64) {
    for n in 0.. {
        let (name, fork_name) = (format!("short/{epoch}-{n}"), format!("fork/{epoch}-{n}"));
        let initial = Some(Batch::message(Bytes::from(format!("{n}"))).unwrap());
        store.create(&path(&name), CreateStream { initial, ..json_stream() }).await.unwrap();
        let fork = Some(Fork { source: path(&name), at: None, sub_offset: 0 });
        store.create(&path(&fork_name), CreateStream { fork, ..json_stream() }).await.unwrap();
        store.append(&path(&name), Append { close: true, ..Append::default() }).await.unwrap();
        say(&format!("closed {name}"));
        say(&format!("forked {fork_name}"));
        if n % 3 == 0 {
            store.delete(&path(&name)).await.unwrap();
            say(&format!("deleted {name}"));
        }
    }
}

/// Not a test of its own: what the killed process does.
#[test]
fn child() {
    let (Ok(dir), Ok(epoch)) = (std::env::var(DIR), std::env::var(ROUND)) else { return };
    let epoch: u64 = epoch.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn StreamStore> = Arc::new(EmbeddedStore::open(Path::new(&dir), options()).unwrap());
        for n in 0..STREAMS {
            store.create(&path(&format!("shared/{n}")), json_stream()).await.unwrap();
        }
        let mut tasks: Vec<_> =
            (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&store), writer, epoch))).collect();
        tasks.push(tokio::spawn(live_short(store, epoch)));
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// What all killed processes were told.
#[derive(Default)]
struct Acknowledged {
    /// Offset behind each append.
    appends: BTreeMap<(u64, u64, u64), u64>,
    closed: Vec<String>,
    forked: Vec<String>,
    deleted: Vec<String>,
}

impl Acknowledged {
    fn read(&mut self, output: &Path) -> usize {
        let text = std::fs::read_to_string(output).unwrap();
        let mut lines = 0;
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["appended", writer, epoch, seq, offset] => {
                    let [writer, epoch, seq, offset] =
                        [writer, epoch, seq, offset].map(|n| n.parse().unwrap());
                    self.appends.insert((writer, epoch, seq), offset);
                }
                ["closed", name] => self.closed.push(name.to_owned()),
                ["forked", name] => self.forked.push(name.to_owned()),
                ["deleted", name] => self.deleted.push(name.to_owned()),
                _ => continue,
            }
            lines += 1;
        }
        lines
    }
}

fn acknowledgements(output: &Path) -> usize {
    Acknowledged::default().read(output)
}

/// SIGKILL, also when the test fails: its directory goes then, and nobody may go on writing there.
struct Killed(std::process::Child);

impl Killed {
    fn now(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It is dead already unless the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn everything_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let store_dir = dir.path().join("store");
    std::fs::create_dir(&store_dir).unwrap();
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() as usize;
    let mut acknowledged = Acknowledged::default();
    let rounds = std::env::var(ROUNDS_WANTED).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let output = dir.path().join(format!("output-{round}"));
        let killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(DIR, &store_dir)
            .env(ROUND, round.to_string())
            .stdout(File::create_new(&output).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut killed = Killed(killed);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wanted = 1 + (random >> 33) % 1_500;
        let deadline = Instant::now() + Duration::from_secs(60);
        while acknowledgements(&output) < wanted {
            assert!(killed.0.try_wait().unwrap().is_none(), "the process ended by itself");
            assert!(Instant::now() < deadline, "the process does not get on");
            std::thread::yield_now();
        }
        let opened = EmbeddedStore::open(&store_dir, options());
        assert!(matches!(opened, Err(OpenError::Locked { .. })));
        killed.now();
        acknowledged.read(&output);
        println!("round {round}: killed after {} acknowledgements", acknowledgements(&output));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&store_dir, &acknowledged));
    }
}

async fn messages(store: &dyn StreamStore, of: &str) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Offset::ZERO);
    loop {
        let page = store.read(&path(of), next, 100_000).await.unwrap();
        all.extend(page.rows.iter().flat_map(|row| {
            row.messages().map(|message| String::from_utf8(message.to_vec()).unwrap()).collect::<Vec<_>>()
        }));
        next = page.next;
        if next == page.tail.next_offset {
            return all;
        }
    }
}

async fn check(dir: &Path, acknowledged: &Acknowledged) {
    let store = EmbeddedStore::open(dir, options()).unwrap();
    // What is there, by writer and epoch: sequences in the order they were found.
    let mut found: BTreeMap<(u64, u64), Vec<u64>> = BTreeMap::new();
    for stream in 0..STREAMS {
        let all = messages(&store, &format!("shared/{stream}")).await;
        let mut at = 0;
        while at < all.len() {
            let numbers: Vec<u64> =
                all[at].trim_start_matches('[').split(',').map_while(|n| n.parse().ok()).collect();
            let [writer, epoch, seq, 0, len] = numbers[..] else {
                panic!("not the start of an append: {}", all[at])
            };
            // Whole: every message of the append, byte by byte.
            let expected = append_of(writer, epoch, seq).batch.unwrap();
            let rows = all[at..at + len as usize].join(",");
            assert_eq!(rows.as_bytes(), &expected.body()[..]);
            at += len as usize;
            found.entry((writer, epoch)).or_default().push(seq);
            if let Some(offset) = acknowledged.appends.get(&(writer, epoch, seq)) {
                assert_eq!(*offset, at as u64, "not where it was acknowledged");
            }
        }
    }
    // In order, without gaps, once; and nothing acknowledged is missing.
    for ((writer, epoch), seqs) in &found {
        assert_eq!(*seqs, (0..seqs.len() as u64).collect::<Vec<_>>(), "writer {writer} epoch {epoch}");
    }
    for (writer, epoch, seq) in acknowledged.appends.keys() {
        assert!(found[&(*writer, *epoch)].len() as u64 > *seq, "lost: {writer} {epoch} {seq}");
    }
    for writer in 0..WRITERS {
        let Some(((_, epoch), seqs)) = found.range((writer, 0)..(writer + 1, 0)).next_back() else {
            continue;
        };
        let last = seqs.len() as u64 - 1;
        let to = path(&stream_of(writer));
        let again = store.append(&to, append_of(writer, *epoch, last)).await.unwrap();
        assert!(again.duplicate);
        assert_eq!(again.producer.unwrap().1.number(), last);
        let gap = store.append(&to, append_of(writer, *epoch, last + 2)).await;
        assert!(
            matches!(gap, Err(AppendError::SequenceGap { expected, .. }) if expected.number() == last + 1)
        );
    }
    for name in &acknowledged.closed {
        match store.head(&path(name)).await {
            Ok(head) => assert!(head.closed && !acknowledged.deleted.contains(name)),
            // A deletion may have been done and not been acknowledged any more; only every third is deleted.
            Err(_) => {
                let number: u64 = name.rsplit('-').next().unwrap().parse().unwrap();
                assert_eq!(number % 3, 0, "{name} is lost");
            }
        }
    }
    for name in &acknowledged.deleted {
        assert!(store.head(&path(name)).await.is_err());
    }
    for name in &acknowledged.forked {
        let number = name.rsplit('-').next().unwrap();
        assert_eq!(messages(&store, name).await, [number]);
    }
    store.shutdown().await;
}
