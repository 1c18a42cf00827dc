//! Tools that come from Python's package index, each in an environment of its own below the tools' directory.

use crate::command::Invocation;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::Workbench;

const SCHEMATHESIS: &str = "4.32.5";
const ADVICE: &str = "install Python 3.10 or newer with venv and pip (Debian: python3-venv), and see that pip reaches its package index; run the same command again";

/// The step that installs schemathesis, which tests the HTTP surface against its OpenAPI document.
pub(crate) fn schemathesis(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("schemathesis", "tests the HTTP surface against its OpenAPI document", || {
        let home = bench.checkout.tools().join("schemathesis");
        let program = home.join("bin/schemathesis");
        let present = program.is_file()
            && Invocation::new(&program, bench.checkout.root())
                .arg("--version")
                .read_quietly()
                .is_some_and(|answer| answer.split_whitespace().any(|word| word == SCHEMATHESIS));
        if !present {
            bench.run("python3").args(["-m", "venv", "--clear"]).arg(&home).advice(ADVICE).run()?;
            Invocation::new(home.join("bin/pip"), bench.checkout.root())
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .arg(format!("schemathesis=={SCHEMATHESIS}"))
                .advice(ADVICE)
                .run()?;
        }
        link(bench, &program)?;
        Ok(if present { Outcome::UpToDate } else { Outcome::Done })
    })
}

/// Where suites look for tools.
fn link(bench: &Workbench, program: &std::path::Path) -> Result<(), StepError> {
    let link = bench.checkout.tools_bin().join("schemathesis");
    if std::fs::read_link(&link).is_ok_and(|target| target == program) {
        return Ok(());
    }
    std::fs::create_dir_all(bench.checkout.tools_bin())
        .and_then(|()| if link.symlink_metadata().is_ok() { std::fs::remove_file(&link) } else { Ok(()) })
        .and_then(|()| std::os::unix::fs::symlink(program, &link))
        .map_err(|source| StepError::file("link", &link, source))
}
