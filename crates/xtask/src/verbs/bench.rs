//! `bench`: runs the benchmarks, gathers their `bench NAME VALUE UNIT` lines and holds them against the
//! targets. The benchmarks measure; this only collects.

mod results;
mod targets;

use std::sync::Arc;

use crate::cli::Bench;
use crate::command::Invocation;
use crate::report::{Outcome, Stopped};
use crate::tools::browsers;
use crate::verbs::{build, setup};
use crate::workbench::Workbench;

use results::Results;

pub(super) fn run(bench: &Workbench, what: Bench) -> Result<(), Stopped> {
    let results = Arc::new(Results::default());
    let wants = |one: Bench| what == Bench::All || what == one;
    let mut outcomes = Vec::new();
    if wants(Bench::Client) {
        outcomes.push(client(bench, &results));
    }
    if wants(Bench::Storage) {
        outcomes.push(storage(bench, &results));
    }
    if wants(Bench::Sse) {
        outcomes.push(sse(bench, &results));
    }
    outcomes.push(bench.report.step("results", "all that was measured, beside its target", || {
        results.keep(&bench.checkout.target().join("bench/latest.json"))?;
        results.print();
        Ok(Outcome::Done)
    }));
    outcomes.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

fn client(bench: &Workbench, results: &Arc<Results>) -> Result<(), Stopped> {
    setup::for_building_package(bench)?;
    browsers::ensure(bench)?;
    build::browser_package(bench)?;
    measure(
        bench,
        results,
        "client",
        "parse, validate and deliver, against zod and JSON.parse alone",
        || bench.npm(bench.checkout.pkg()).args(["run", "bench"]),
    )?;
    measure(bench, results, "size", "wasm and JavaScript as a page loads them", || {
        bench.npm(bench.checkout.pkg()).args(["run", "size"])
    })
}

fn storage(bench: &Workbench, results: &Arc<Results>) -> Result<(), Stopped> {
    measure(bench, results, "storage", "durable appends, against a bare fsynced log file", || {
        bench.cargo().args(["bench", "--locked", "-p", "durable-sessions-storage", "--bench", "append"])
    })?;
    measure(
        bench,
        results,
        "restart",
        "a million messages in 100,000 streams: opening, retention, backup",
        || bench.cargo().args(["bench", "--locked", "-p", "durable-sessions-storage", "--bench", "restart"]),
    )
}

fn sse(bench: &Workbench, results: &Arc<Results>) -> Result<(), Stopped> {
    build::server_and_agent(bench)?;
    measure(
        bench,
        results,
        "sse",
        "appends over HTTP, delivery to 1, 100 and 1,000 subscribers, memory",
        || bench.cargo().args(["bench", "--locked", "-p", "durable-sessions-tests", "--bench", "sse"]),
    )?;
    measure(
        bench,
        results,
        "coalesce",
        "recorded runs with chunks joined, against one message for each",
        || bench.cargo().args(["bench", "--locked", "-p", "durable-sessions-tests", "--bench", "coalesce"]),
    )
}

fn measure(
    bench: &Workbench,
    results: &Arc<Results>,
    name: &str,
    purpose: &str,
    command: impl FnOnce() -> Invocation,
) -> Result<(), Stopped> {
    bench.report.step(name, purpose, || {
        let watcher: Arc<Results> = Arc::clone(results);
        command().watch(watcher).advice("nothing else should run on the machine while this does").run()?;
        Ok(Outcome::Done)
    })
}
