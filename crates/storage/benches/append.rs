//! Durable appends per second of the embedded store at 1, 16 and 256 concurrent appenders over many streams,
//! against a bare log file with the same group commit, in one run. `--help` tells the options.
//!
//! Lines that start with `bench` are for machines: `bench <name> <value> <unit>`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and fails loudly")]

#[path = "append/bare_log.rs"]
mod bare_log;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bare_log::BareLog;
use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{Append, Batch, CreateStream, EmbeddedStore, StoreOptions, StreamStore};

const HELP: &str = "options: --seconds N (per slice, default 0.3), --rounds N (slices of each, in turn, default 9), --streams N (default 10000), --bytes N (payload, default 200), --appenders A,B,.. (default 1,16,256), --only-store (no bare log, for a profile), --dir PATH (default: a temporary directory on the disk of the target directory)";

struct Settings {
    seconds: f64,
    rounds: usize,
    streams: usize,
    bytes: usize,
    appenders: Vec<usize>,
    only_store: bool,
    dir: Option<std::path::PathBuf>,
}

fn settings() -> Settings {
    let mut settings = Settings {
        seconds: 0.3,
        rounds: 9,
        streams: 10_000,
        bytes: 200,
        appenders: vec![1, 16, 256],
        only_store: false,
        dir: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic_with(HELP));
        match arg.as_str() {
            "--seconds" => settings.seconds = value().parse().unwrap(),
            "--rounds" => settings.rounds = value().parse().unwrap(),
            "--streams" => settings.streams = value().parse().unwrap(),
            "--bytes" => settings.bytes = value().parse().unwrap(),
            "--appenders" => settings.appenders = value().split(',').map(|n| n.parse().unwrap()).collect(),
            "--only-store" => settings.only_store = true,
            "--dir" => settings.dir = Some(value().into()),
            // What cargo itself passes.
            "--bench" => {}
            _ => panic_with(HELP),
        }
    }
    settings
}

fn panic_with(text: &str) -> ! {
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

#[derive(Default, Clone, Copy)]
struct Measured {
    appends: u64,
    seconds: f64,
    cpu_seconds: f64,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.appends as f64 / self.seconds
    }

    fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.appends.max(1) as f64
    }

    fn add(&mut self, other: Self) {
        self.appends += other.appends;
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
    }
}

/// Runs `appenders` tasks that each append, wait for the acknowledgement, and append again.
async fn measure<F, Fut>(appenders: usize, seconds: f64, append: F) -> Measured
where
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), cpu_time());
    let tasks: Vec<_> = (0..appenders)
        .map(|appender| {
            let (stop, done, append) = (Arc::clone(&stop), Arc::clone(&done), append.clone());
            tokio::spawn(async move {
                let mut n = appender;
                while !stop.load(Ordering::Relaxed) {
                    append(n).await;
                    n += appenders;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    Measured {
        appends: done.load(Ordering::Relaxed),
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: (cpu_time() - cpu).as_secs_f64(),
    }
}

fn payload(bytes: usize) -> Bytes {
    let frame = r#"{"type":"chunk","text":""}"#;
    let text = "x".repeat(bytes.saturating_sub(frame.len()));
    Bytes::from(frame.replace("\"\"}", &format!("\"{text}\"}}")))
}

async fn create_streams(store: &Arc<dyn StreamStore>, count: usize) -> Vec<StreamPath> {
    let paths: Vec<StreamPath> = (0..count).map(|n| format!("bench/stream-{n}").parse().unwrap()).collect();
    for some in paths.chunks(4_096) {
        let tasks: Vec<_> = some
            .iter()
            .map(|path| {
                let (store, path) = (Arc::clone(store), path.clone());
                tokio::spawn(async move {
                    let create = CreateStream::of(ContentType::json());
                    store.create(&path, create).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    paths
}

fn main() {
    let settings = settings();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&settings));
}

async fn run(settings: &Settings) {
    // Not the system's temporary directory: that may be memory.
    let base = settings
        .dir
        .clone()
        .unwrap_or_else(|| std::env::current_exe().unwrap().parent().unwrap().to_path_buf());
    let dir = tempfile::tempdir_in(base).unwrap();
    let store: Arc<dyn StreamStore> =
        Arc::new(EmbeddedStore::open(&dir.path().join("store"), StoreOptions::default()).unwrap());
    let started = Instant::now();
    let paths = Arc::new(create_streams(&store, settings.streams).await);
    println!("created {} streams in {:.2} s", paths.len(), started.elapsed().as_secs_f64());
    let log = Arc::new(BareLog::create(&dir.path().join("bare.log")));
    let payload = payload(settings.bytes);

    for &appenders in &settings.appenders {
        let (mut ours, mut bare) = (Measured::default(), Measured::default());
        // Short slices in turn, and the median of their ratios: how long a sync takes drifts by the second.
        let mut ratios = Vec::new();
        for _ in 0..settings.rounds {
            let (log, bytes) = (Arc::clone(&log), payload.clone());
            let bare_seconds = if settings.only_store { 0.0 } else { settings.seconds };
            let bare_slice = measure(appenders, bare_seconds, move |_| {
                let (log, bytes) = (Arc::clone(&log), bytes.clone());
                async move { log.append(bytes).await }
            })
            .await;
            let (store, paths, bytes) = (Arc::clone(&store), Arc::clone(&paths), payload.clone());
            let our_slice = measure(appenders, settings.seconds, move |n| {
                // A stride that is no divisor spreads neighbours over all streams.
                let path = paths[n.wrapping_mul(7_919) % paths.len()].clone();
                let (store, bytes) = (Arc::clone(&store), bytes.clone());
                async move {
                    let batch = Some(Batch::message(bytes).unwrap());
                    store.append(&path, Append { batch, ..Append::default() }).await.unwrap();
                }
            })
            .await;
            ratios.push(our_slice.per_second() / bare_slice.per_second());
            bare.add(bare_slice);
            ours.add(our_slice);
        }
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios[ratios.len() / 2];
        println!(
            "{appenders:>4} appenders: store {:>7.0}/s ({:.1} us CPU each), bare log {:>7.0}/s ({:.1} us), ratio {ratio:.2}",
            ours.per_second(),
            ours.cpu_us(),
            bare.per_second(),
            bare.cpu_us(),
        );
        println!("bench storage_append_{appenders} {:.0} appends/s", ours.per_second());
        println!("bench storage_bare_log_{appenders} {:.0} appends/s", bare.per_second());
        println!("bench storage_append_ratio_{appenders} {ratio:.3} ratio");
        println!("bench storage_append_cpu_{appenders} {:.2} us", ours.cpu_us());
        println!("bench storage_bare_log_cpu_{appenders} {:.2} us", bare.cpu_us());
    }
    store.shutdown().await;
    drop(store);
    let started = Instant::now();
    let store = EmbeddedStore::open(&dir.path().join("store"), StoreOptions::default()).unwrap();
    println!("reopened {} streams in {:.2} s", paths.len(), started.elapsed().as_secs_f64());
    println!("bench storage_reopen {:.3} s", started.elapsed().as_secs_f64());
    drop(store);
}
