//! `crash`: the crash test of `tests/`, more often than `test` runs it.

use crate::report::{Outcome, Stopped};
use crate::verbs::build;
use crate::workbench::Workbench;

pub(super) fn run(bench: &Workbench, rounds: u32) -> Result<(), Stopped> {
    build::server_and_agent(bench)?;
    bench.report.step("crash", "kill -9 at random points, then everything acknowledged is looked for", || {
        bench
            .cargo()
            .args([
                "test",
                "--locked",
                "-p",
                "durable-sessions-tests",
                "--test",
                "crash",
                "--",
                "--nocapture",
            ])
            .env("DURABLE_SESSIONS_CRASH_ROUNDS", rounds.to_string())
            .advice("the data directory is named above, and stays where it is")
            .run()?;
        Ok(Outcome::Done)
    })
}
