//! `kill -9` over HTTP: the released server is killed at random points under idempotent producers, plain appends,
//! forks, closures, deletions and retention; after each restart everything that was acknowledged is there, once, whole,
//! in order, and nothing that was not sent.
//!
//! `DURABLE_SESSIONS_CRASH_ROUNDS` says how many times (3 by default); `cargo xtask crash` runs 50.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod check;
mod ledger;
mod workload;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use durable_sessions_tests::{ServerProcess, Store};

use ledger::Ledger;

const ROUNDS_DEFAULT: u64 = 3;
/// Acknowledgements after which a round is killed, at most.
const ACKNOWLEDGEMENTS_MAX: u64 = 1_500;
/// Far longer than a round takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// xorshift: where a run is killed need not be repeatable, because it would not be.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn start(dir: &Path) -> ServerProcess {
    ServerProcess::start(Store::Embedded(dir), &["--retention-interval", "20ms"]).unwrap()
}

#[test]
fn everything_acknowledged_survives_kill_9_over_http() {
    let rounds = match std::env::var("DURABLE_SESSIONS_CRASH_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("DURABLE_SESSIONS_CRASH_ROUNDS must be a number"),
        Err(_) => ROUNDS_DEFAULT,
    };
    let mut dir = tempfile::tempdir().unwrap();
    // What a failure leaves is worth a look.
    dir.disable_cleanup(true);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    let mut random = Random(seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut ledger = Ledger::default();
    println!("crash: {rounds} rounds in {}", dir.path().display());
    for round in 0..rounds {
        let wanted = 1 + random.below(ACKNOWLEDGEMENTS_MAX);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let server = start(dir.path());
        let work = runtime.block_on(workload::start(server.address(), round, Arc::clone(&acknowledged)));
        let begun = Instant::now();
        while acknowledged.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < PATIENCE, "the server does not get on");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(random.below(3_000)));
        server.kill();
        let told = runtime.block_on(work.told());
        println!(
            "round {round}: killed after {} acknowledgements: {told}",
            acknowledged.load(Ordering::Relaxed)
        );
        ledger.add(told);
        // Every third time once more, while it recovers from the last time.
        if round % 3 == 2 {
            let after = Duration::from_micros(random.below(40_000));
            ServerProcess::kill_while_starting(Store::Embedded(dir.path()), after).unwrap();
        }
        let server = start(dir.path());
        runtime.block_on(check::everything(server.address(), &mut ledger, round, round + 1 == rounds));
        server.kill();
    }
    println!("crash: {}", ledger.summary());
    dir.disable_cleanup(false);
}
