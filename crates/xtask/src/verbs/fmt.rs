//! `fmt`: one formatter per language, the Rust one always, the TypeScript one where a package has it.

use std::fs;
use std::path::Path;

use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::screen;
use crate::tools::node;
use crate::workbench::Workbench;

pub(super) fn run(bench: &Workbench, check: bool) -> Result<(), Stopped> {
    rust(bench, check)?;
    for directory in [bench.checkout.pkg(), bench.checkout.web_demo(), bench.checkout.browser_tests()] {
        let script = if check { "format:check" } else { "format" };
        if !has_script(&directory, script) {
            continue;
        }
        node::packages(bench, &directory)?;
        let place = bench.checkout.display(&directory);
        bench.report.step(&format!("format {place}"), "the package's own formatter", || {
            bench.npm(directory.clone()).args(["run", script]).advice("run `cargo xtask fmt`").run()?;
            Ok(Outcome::Done)
        })?;
    }
    Ok(())
}

/// rustfmt over all crates.
pub(super) fn rust(bench: &Workbench, check: bool) -> Result<(), Stopped> {
    bench.report.step("rustfmt", "formatting of all crates (rustfmt.toml)", || {
        let command =
            bench.cargo().args(["fmt", "--all"]).advice("run `cargo xtask fmt` and commit what it changes");
        if check {
            let colour = if screen::is_terminal() { "auto" } else { "never" };
            command.args(["--check", "--", "--color", colour]).run()?;
        } else {
            command.run()?;
        }
        Ok(Outcome::Done)
    })
}

/// Whether package.json in `directory` has a script of this name.
pub(crate) fn has_script(directory: &Path, script: &str) -> bool {
    fs::read_to_string(directory.join("package.json"))
        .map_err(|source| StepError::file("read", directory, source))
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .is_some_and(|package| package["scripts"][script].is_string())
}
