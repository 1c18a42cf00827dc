//! A million messages in 100,000 streams: how long the store takes to open after a clean stop and after a kill, what a
//! round of retention over all streams costs, and how fast a backup is made and checked. `--help` tells the options.
//!
//! Lines that start with `bench` are for machines: `bench <name> <value> <unit>`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and fails loudly")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Retention, StreamPath};
use durable_sessions_storage::{
    Append, Batch, CreateStream, EmbeddedStore, LocalStore, StoreOptions, StreamStore, Trim, backup,
};

const HELP: &str = "options: --streams N (default 100000), --messages N (in all, default 1000000), --bytes N (of each, default 200), --dir PATH (default: a temporary directory on the disk of the target directory)";

struct Settings {
    streams: usize,
    messages: usize,
    bytes: usize,
    dir: Option<std::path::PathBuf>,
}

fn settings() -> Settings {
    let mut settings = Settings { streams: 100_000, messages: 1_000_000, bytes: 200, dir: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| end_with(HELP));
        match arg.as_str() {
            "--streams" => settings.streams = value().parse().unwrap(),
            "--messages" => settings.messages = value().parse().unwrap(),
            "--bytes" => settings.bytes = value().parse().unwrap(),
            "--dir" => settings.dir = Some(value().into()),
            // What cargo itself passes.
            "--bench" => {}
            _ => end_with(HELP),
        }
    }
    settings
}

fn end_with(text: &str) -> ! {
    println!("{text}");
    std::process::exit(2)
}

/// Processor time of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks() + ticks()) * 10)
}

/// How long threads of this process that are still there were ready to run and had to wait for a processor.
fn waited() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let waits = threads.filter_map(|thread| {
        let times = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        times.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(waits.sum())
}

fn path(n: usize) -> StreamPath {
    format!("sessions/stream-{n}").parse().unwrap()
}

/// Does something for each number below `count`, many at a time.
async fn many<F, Fut>(count: usize, each: F)
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    for start in (0..count).step_by(4_096) {
        let tasks: Vec<_> = (start..count.min(start + 4_096)).map(|n| tokio::spawn(each(n))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

async fn fill(store: &Arc<LocalStore>, settings: &Settings) {
    many(settings.streams, |n| {
        let store = Arc::clone(store);
        async move {
            let create = CreateStream::of(ContentType::json());
            store.create(&path(n), create).await.unwrap();
        }
    })
    .await;
    let text = Bytes::from(format!("\"{}\"", "x".repeat(settings.bytes.saturating_sub(2))));
    let streams = settings.streams;
    many(settings.messages, |n| {
        let (store, text) = (Arc::clone(store), text.clone());
        async move {
            let append = Append { batch: Some(Batch::message(text).unwrap()), ..Append::default() };
            store.append(&path(n % streams), append).await.unwrap();
        }
    })
    .await;
}

/// What the server does every so often: looks at all streams, and trims what their retention gives up.
async fn round(store: &LocalStore, keep: Retention) -> usize {
    let (mut after, mut seen) = (None, 0);
    loop {
        let streams = store.list("", after.as_ref(), 256).await.unwrap();
        let Some((last, _)) = streams.last() else { return seen };
        after = Some(last.clone());
        seen += streams.len();
        if !keep.is_none() {
            for (path, _) in &streams {
                store.trim(path, Trim::Keep(keep)).await.unwrap();
            }
        }
    }
}

async fn timed<T>(name: &str, work: impl Future<Output = T>) -> T {
    let (started, cpu, wait) = (Instant::now(), cpu_time(), waited());
    let done = work.await;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), (cpu_time() - cpu).as_secs_f64());
    // On a machine with other work this is what makes the difference, and nothing that is done here.
    let wait = waited().saturating_sub(wait).as_secs_f64();
    println!(
        "{name}: {seconds:.2} s ({cpu:.2} s of processor time, {wait:.2} s of waiting for one over all threads)"
    );
    println!("bench {name} {seconds:.3} s");
    println!("bench {name}_cpu {cpu:.3} s");
    done
}

fn open(dir: &Path) -> Arc<LocalStore> {
    Arc::new(EmbeddedStore::open(dir, StoreOptions::default()).unwrap())
}

fn main() {
    let settings = settings();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&settings));
}

async fn run(settings: &Settings) {
    // Not the system's temporary directory: that may be memory.
    let base =
        settings.dir.clone().unwrap_or_else(|| std::env::current_exe().unwrap().parent().unwrap().to_owned());
    let temporary = tempfile::tempdir_in(base).unwrap();
    let dir = temporary.path().join("store");
    let store = open(&dir);
    timed("restart_fill", fill(&store, settings)).await;
    store.shutdown().await;
    drop(store);
    let store = timed("restart_open", async { open(&dir) }).await;
    println!("{} streams, {} messages", settings.streams, settings.messages);

    timed("retention_round_none", round(&store, Retention::NONE)).await;
    let keep: Retention = "age:30d,bytes:1MiB".parse().unwrap();
    timed("retention_round_first", round(&store, keep)).await;
    timed("retention_round_next", round(&store, keep)).await;

    let file = temporary.path().join("copy.dsbackup");
    timed("backup_export", async {
        let mut export = store.export(None).await.unwrap();
        let mut out = std::fs::File::create(&file).unwrap();
        while let Some(piece) = export.next().await {
            std::io::Write::write_all(&mut out, &piece.unwrap()).unwrap();
        }
    })
    .await;
    let report = timed("backup_verify", async { backup::verify_file(&file).unwrap() }).await;
    println!("{} rows in {} bytes, {} problems", report.rows, report.bytes, report.problem_count);
    store.shutdown().await;
}
