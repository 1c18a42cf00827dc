//! Programs that cargo builds for us, into the checkout's own tools directory: nothing is installed for
//! the user, and two checkouts may need two versions.

use std::fs;

use crate::command::Invocation;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::screen;
use crate::workbench::Workbench;

/// One program and where its version is decided.
pub(crate) struct CargoTool {
    package: &'static str,
    program: &'static str,
    purpose: &'static str,
    version: Version,
}

enum Version {
    /// Pinned here.
    Exactly(&'static str),
    /// The same as that of a package in Cargo.lock.
    LikeLocked(&'static str),
}

/// Writes the JavaScript side of the wasm module; refuses any module that was not built with exactly its
/// own version of the library.
pub(crate) const WASM_BINDGEN: CargoTool = CargoTool {
    package: "wasm-bindgen-cli",
    program: "wasm-bindgen",
    purpose: "writes the JavaScript half of the wasm module (same version as the library in Cargo.lock)",
    version: Version::LikeLocked("wasm-bindgen"),
};

/// Runs wasm tests in browsers and Node.
pub(crate) const WASM_PACK: CargoTool = CargoTool {
    package: "wasm-pack",
    program: "wasm-pack",
    purpose: "runs the wasm client's tests in browsers and in Node",
    version: Version::Exactly("0.15.1"),
};

/// Drives Firefox. Debian has no package of it.
pub(crate) const GECKODRIVER: CargoTool = CargoTool {
    package: "geckodriver",
    program: "geckodriver",
    purpose: "drives Firefox in tests",
    version: Version::Exactly("0.37.1"),
};

/// Checks licences, bans and sources of all dependencies. From source it costs three minutes of one core,
/// less than a checker of our own would cost to keep right.
pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    package: "cargo-deny",
    program: "cargo-deny",
    purpose: "checks licences, bans and sources of all dependencies (deny.toml)",
    version: Version::Exactly("0.20.2"),
};

/// The step that builds a tool unless the right version is there.
pub(crate) fn ensure(bench: &Workbench, tool: &CargoTool) -> Result<(), Stopped> {
    bench.report.step(tool.package, tool.purpose, || install(bench, tool))
}

fn install(bench: &Workbench, tool: &CargoTool) -> Result<Outcome, StepError> {
    let version = match tool.version {
        Version::Exactly(version) => version.to_owned(),
        Version::LikeLocked(package) => locked_version(bench, package)?,
    };
    let program = bench.checkout.tools_bin().join(tool.program);
    let present = program.is_file()
        && Invocation::new(&program, bench.checkout.root())
            .arg("--version")
            .read_quietly()
            .is_some_and(|answer| names_version(&answer, &version));
    if present {
        return Ok(Outcome::UpToDate);
    }
    match build(bench, tool, &version, true) {
        Err(StepError::Command { .. }) => {
            // A mirror of the registry may lack a version that the tool's own lock file names.
            screen::line("    again with the newest compatible versions of what it depends on");
            build(bench, tool, &version, false)?;
        }
        other => other?,
    }
    Ok(Outcome::Done)
}

fn build(bench: &Workbench, tool: &CargoTool, version: &str, locked: bool) -> Result<(), StepError> {
    let command = bench.run("cargo").args(["install", "--force", "--root"]).arg(bench.checkout.tools());
    let command = if locked { command.arg("--locked") } else { command };
    command
        .arg(format!("{}@{version}", tool.package))
        // An interrupted build goes on where it was, and the tools share what they have in common.
        .env("CARGO_TARGET_DIR", bench.checkout.tools().join("build"))
        // They work on small files, so a short build beats a fast program.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .advice(
            "cargo has to reach its package registry; run the same command again, it goes on where it was",
        )
        .run()
}

fn locked_version(bench: &Workbench, package: &str) -> Result<String, StepError> {
    let path = bench.checkout.root().join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(|source| StepError::file("read", &path, source))?;
    version_in_lock(&lock, package).map(str::to_owned).ok_or_else(|| {
        StepError::unmet(format!("Cargo.lock has no package {package}"), "is Cargo.lock the committed one?")
    })
}

fn version_in_lock<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| **line != *name).skip(1);
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// Whether the output of `--version` says exactly `version` (0.2.13 is not in 0.2.130).
fn names_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().any(|word| word == version || word.strip_prefix('v') == Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_whole_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(version_in_lock(lock, "wasm"), None);
    }

    #[test]
    fn a_version_is_compared_as_a_whole() {
        assert!(names_version("wasm-bindgen 0.2.130\n", "0.2.130"));
        assert!(names_version("geckodriver 0.37.1 (abc 2026)", "0.37.1"));
        assert!(!names_version("wasm-bindgen 0.2.130", "0.2.13"));
    }
}
