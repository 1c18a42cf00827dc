//! `lint`: all that can be said about the code without running it.

use crate::cli::LintOptions;
use crate::report::{Outcome, Stopped};
use crate::tidy;
use crate::tools::wasm_toolchain::TARGET;
use crate::tools::{cargo_tools, python_tools};
use crate::verbs::{build, fmt};
use crate::workbench::Workbench;

/// All checks, whatever one of them says; an error when one of them failed.
pub(super) fn run(bench: &Workbench, options: &LintOptions) -> Result<(), Stopped> {
    let mut results =
        vec![fmt::rust(bench, true), tidy::check(bench), dependencies(bench, options.advisories)];
    if !options.quick {
        results.push(clippy(bench));
        results.push(build::generated_files_are_fresh(bench));
        results.push(clippy_for_wasm(bench));
        results.push(dockerfile(bench));
    }
    results.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

/// Licences, bans and sources; with `advisories` also known vulnerabilities.
fn dependencies(bench: &Workbench, advisories: bool) -> Result<(), Stopped> {
    cargo_tools::ensure(bench, &cargo_tools::CARGO_DENY)?;
    bench.report.step("dependencies", "licences, bans and sources of every crate we use (deny.toml)", || {
        bench
            .run("cargo-deny")
            .path_prefix([bench.checkout.tools_bin()])
            .args(["--all-features", "--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
            .advice("deny.toml says what is allowed and why; a new licence or crate is a decision to talk about")
            .run()?;
        Ok(Outcome::Done)
    })?;
    bench.report.step("advisories", "known vulnerabilities in the crates we use", || {
        if !advisories {
            return Ok(Outcome::Skipped("needs the network; ask with --advisories".to_owned()));
        }
        bench
            .run("cargo-deny")
            .path_prefix([bench.checkout.tools_bin()])
            .args(["--all-features", "--locked", "check", "advisories"])
            .advice("the advisory database is a git repository that has to be reached")
            .run()?;
        Ok(Outcome::Done)
    })
}

fn clippy(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("clippy", "the compiler's and clippy's warnings, all of them errors", || {
        bench
            .cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(build::OPTIONAL_FEATURES)
            .args(["--", "-D", "warnings"])
            .advice("fix the warning; a justified exception is #[expect(clippy::…, reason = \"…\")]")
            .run()?;
        Ok(Outcome::Done)
    })
}

fn dockerfile(bench: &Workbench) -> Result<(), Stopped> {
    python_tools::hadolint(bench)?;
    bench.report.step("Dockerfile", "hadolint's rules for images", || {
        bench
            .run("hadolint")
            .path_prefix([bench.checkout.tools_bin()])
            .arg("docs/deploy/Dockerfile")
            .advice("https://github.com/hadolint/hadolint/wiki explains each rule by its number")
            .run()?;
        Ok(Outcome::Done)
    })
}

fn clippy_for_wasm(bench: &Workbench) -> Result<(), Stopped> {
    bench.wasm_target()?;
    bench.report.step("clippy (wasm)", "the same for what is only compiled for the browser", || {
        bench
            .run_with_wasm("cargo", bench.checkout.root().to_path_buf())
            .args(["clippy", "-p", "durable-sessions-client-wasm", "--lib", "--tests", "--locked"])
            .args(["--target", TARGET, "--", "-D", "warnings"])
            .advice("fix the warning; a justified exception is #[expect(clippy::…, reason = \"…\")]")
            .run()?;
        Ok(Outcome::Done)
    })
}
