//! `load` and `soak`: the tests of those names in `tests/`, as long and as large as asked, against the release server.

use crate::cli::{LoadOptions, SoakOptions};
use crate::command::Invocation;
use crate::report::{Outcome, Stopped};
use crate::verbs::build;
use crate::workbench::Workbench;

pub(super) fn run(bench: &Workbench, options: &LoadOptions) -> Result<(), Stopped> {
    build::server_and_agent(bench)?;
    if options.overload {
        return overload(bench);
    }
    let seconds = options.seconds.unwrap_or(options.minutes * 60);
    bench.report.step("load", "subscribers that compare all they get, while sessions are appended to", || {
        test(bench, "load")
            .env("DURABLE_SESSIONS_LOAD_SUBSCRIBERS", options.subscribers.to_string())
            .env("DURABLE_SESSIONS_LOAD_SESSIONS", options.sessions.to_string())
            .env("DURABLE_SESSIONS_LOAD_APPENDS_PER_SECOND", options.appends_per_second.to_string())
            .env("DURABLE_SESSIONS_LOAD_SECONDS", seconds.to_string())
            .advice("what does not hold is marked FAIL above")
            .run()?;
        Ok(Outcome::Done)
    })
}

/// The test itself is of the command line's crate; only the server is the release binary.
fn overload(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("overload", "a minute of far more appends than the server takes", || {
        bench
            .cargo()
            .args(["test", "--locked", "-p", "durable-sessions", "--test", "overload"])
            .args(["--", "--ignored", "--nocapture"])
            .env("DURABLE_SESSIONS_OVERLOAD_BIN", bench.checkout.server_binary())
            .run()?;
        Ok(Outcome::Done)
    })
}

pub(super) fn soak(bench: &Workbench, options: &SoakOptions) -> Result<(), Stopped> {
    build::server_and_agent(bench)?;
    let seconds = options.seconds.unwrap_or(options.minutes * 60);
    bench.report.step("soak", "sessions come, are written, read and deleted, again and again", || {
        test(bench, "soak")
            .env("DURABLE_SESSIONS_SOAK_SESSIONS", options.sessions.to_string())
            .env("DURABLE_SESSIONS_SOAK_SECONDS", seconds.to_string())
            .advice("what does not hold is marked FAIL above")
            .run()?;
        Ok(Outcome::Done)
    })
}

/// Optimised, because what drives the server shares the machine with it.
fn test(bench: &Workbench, name: &str) -> Invocation {
    bench.cargo().args([
        "test",
        "--release",
        "--locked",
        "-p",
        "durable-sessions-tests",
        "--test",
        name,
        "--",
        "--nocapture",
    ])
}
