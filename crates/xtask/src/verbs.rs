//! One module per verb, and which verb runs which.

mod bench;
mod build;
mod chaos;
mod crash;
mod fmt;
mod lint;
mod load;
mod setup;
mod test;

use std::fs;

use crate::checkout::Checkout;
use crate::cli::{TestOptions, Verb};
use crate::demo;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::Workbench;

pub(crate) use build::{browser_package, server_and_agent, web_demo};
pub(crate) use setup::for_building;

/// Runs a verb; false when something failed.
pub(crate) fn run(checkout: Checkout, verb: Verb) -> bool {
    match verb {
        Verb::Setup => with(checkout, "setup", setup::everything),
        Verb::Demo(options) => demo::run(checkout, &options),
        Verb::Test(options) => test::run(checkout, "test", &options),
        Verb::Bench(options) => with(checkout, "bench", |bench| bench::run(bench, options.what)),
        Verb::Ci => test::run(checkout, "ci", &TestOptions::default()),
        Verb::Wasm => with(checkout, "wasm", build::browser_package_from_nothing),
        Verb::Fmt(options) => with(checkout, "fmt", |bench| fmt::run(bench, options.check)),
        Verb::Lint(options) => with(checkout, "lint", |bench| lint::run(bench, &options)),
        Verb::Generate => with(checkout, "generate", build::generated_files),
        Verb::E2e => {
            let only = vec![crate::cli::Part::E2e];
            test::run(checkout, "e2e", &TestOptions { only, ..TestOptions::default() })
        }
        Verb::Crash(options) => with(checkout, "crash", |bench| crash::run(bench, options.rounds)),
        Verb::Chaos(options) => with(checkout, "chaos", |bench| chaos::run(bench, &options)),
        Verb::Load(options) => with(checkout, "load", |bench| load::run(bench, &options)),
        Verb::Soak(options) => with(checkout, "soak", |bench| load::soak(bench, &options)),
        Verb::Screenshots => with(checkout, "screenshots", test::screenshots),
        Verb::CleanTools => with(checkout, "clean-tools", clean_tools),
    }
}

fn with(
    checkout: Checkout,
    verb: &'static str,
    work: impl FnOnce(&Workbench) -> Result<(), Stopped>,
) -> bool {
    let bench = Workbench::new(checkout, verb);
    let finished = work(&bench).is_ok();
    bench.report.finish() && finished
}

fn clean_tools(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("clean tools", "removes what was built into the tools directory", || {
        let tools = bench.checkout.tools();
        if !tools.is_dir() {
            return Ok(Outcome::UpToDate);
        }
        fs::remove_dir_all(tools).map_err(|source| StepError::file("remove", tools, source))?;
        Ok(Outcome::Done)
    })
}
