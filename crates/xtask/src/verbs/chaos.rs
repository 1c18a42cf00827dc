//! `chaos`: the chaos test of `tests/`, for as long as asked, against a binary whose disk fails; and the proof that it
//! notices bugs.

use std::fs;
use std::path::PathBuf;

use crate::cli::{ChaosOptions, Plant};
use crate::command::Invocation;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::{BINARY_VARIABLE, Workbench};

/// Of so many calls to the disk about one fails.
const DISK_FAILS_ONE_OF: u32 = 60;
/// Long enough for every planted bug to show: a few kills.
const PLANTED_SECONDS: u32 = 8;

pub(super) fn run(bench: &Workbench, options: &ChaosOptions) -> Result<(), Stopped> {
    let binary = failing_server(bench)?;
    let seconds = options.seconds.unwrap_or(options.minutes * 60);
    bench.report.step("chaos", "kills, broken connections and a failing disk, then everything is compared", || {
        let mut test = test(bench, &binary, seconds);
        if let Some(seed) = options.seed {
            test = test.env("DURABLE_SESSIONS_CHAOS_SEED", seed.to_string());
        }
        if let Some(plant) = options.plant {
            test = test.env("DURABLE_SESSIONS_CHAOS_PLANT", plant.as_str());
        }
        test.advice("violations, seed and data directory are above; `--seed` repeats what happens, not its timing")
            .run()?;
        Ok(Outcome::Done)
    })
}

/// What CI runs: a minute that must pass, and short runs in which each planted bug must be noticed.
pub(super) fn in_ci(
    bench: &Workbench,
    only_watched: impl Fn(Invocation) -> Invocation,
) -> Result<(), Stopped> {
    let binary = failing_server(bench)?;
    bench.report.step("chaos", "a minute of kills, broken connections and a failing disk", || {
        only_watched(test(bench, &binary, 60)).run()?;
        Ok(Outcome::Done)
    })?;
    for plant in [Plant::DropAck, Plant::DoubleAppend, Plant::SkipRow] {
        let name = format!("chaos with {}", plant.as_str());
        bench.report.step(&name, "the same with a planted bug, which must be noticed", || {
            only_watched(test(bench, &binary, PLANTED_SECONDS))
                .env("DURABLE_SESSIONS_CHAOS_PLANT", plant.as_str())
                .env("DURABLE_SESSIONS_CHAOS_EXPECT", "violations")
                .advice("the chaos test has gone blind for this kind of bug")
                .run()?;
            Ok(Outcome::Done)
        })?;
    }
    Ok(())
}

fn test(bench: &Workbench, binary: &PathBuf, seconds: u32) -> Invocation {
    bench
        .cargo()
        .args(["test", "--locked", "-p", "durable-sessions-tests", "--test", "chaos", "--", "--nocapture"])
        .env(BINARY_VARIABLE, binary)
        .env("DURABLE_SESSIONS_CHAOS_SECONDS", seconds.to_string())
        .env("DURABLE_SESSIONS_CHAOS_DISK", DISK_FAILS_ONE_OF.to_string())
}

/// The binary with failing disks and planted bugs in it. It is built like what tests start, and put where nobody takes it
/// for that.
fn failing_server(bench: &Workbench) -> Result<PathBuf, Stopped> {
    let target = bench.checkout.target();
    let (built, place) = (target.join("debug/durable-sessions"), target.join("chaos/durable-sessions"));
    bench.report.step("build failing server", "the binary whose disk fails when it is told to", || {
        bench
            .cargo()
            .args(["build", "--locked", "--bin", "durable-sessions", "--features", "durable-sessions/faults"])
            .run()?;
        let copied = fs::create_dir_all(target.join("chaos")).and_then(|()| fs::copy(&built, &place));
        copied.map_err(|source| StepError::file("copy to", place.clone(), source))?;
        Ok(Outcome::Done)
    })?;
    Ok(place)
}
