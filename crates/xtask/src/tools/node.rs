//! Node, npm and the packages our npm projects name in their lock files.

use std::path::Path;

use crate::command::Invocation;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::stamp::Stamp;
use crate::workbench::Workbench;

const MAJOR_MIN: u32 = 20;
const ADVICE: &str =
    "install Node 20 or newer, which brings npm (https://nodejs.org, or your package manager)";

/// The step that checks Node and npm.
pub(crate) fn check(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("node", "Node 20 or newer and npm, which build and test the npm package", || {
        let answer = Invocation::new("node", bench.checkout.root()).arg("--version").read_quietly();
        let Some(major) = answer.as_deref().and_then(major) else {
            return Err(StepError::unmet("node was not found", ADVICE));
        };
        if major < MAJOR_MIN {
            return Err(StepError::unmet(format!("node {major} is too old"), ADVICE));
        }
        match Invocation::new("npm", bench.checkout.root()).arg("--version").read_quietly() {
            Some(_) => Ok(Outcome::UpToDate),
            None => Err(StepError::unmet("npm was not found", ADVICE)),
        }
    })
}

/// The step that installs what the lock file in `directory` names, when that has changed.
pub(crate) fn packages(bench: &Workbench, directory: &Path) -> Result<(), Stopped> {
    let place = bench.checkout.display(directory);
    bench.report.step(
        &format!("npm packages of {place}"),
        &format!("what {place}/package-lock.json names, into {place}/node_modules"),
        || {
            let lock = directory.join("package-lock.json");
            if !lock.is_file() {
                return Ok(Outcome::Skipped(format!("there is no {place}/package-lock.json")));
            }
            let name = format!("npm-{}", place.replace('/', "-"));
            let inputs = [lock, directory.join("package.json")];
            let stamp = Stamp::of(&bench.checkout, &name, &inputs, &[], "")?;
            if directory.join("node_modules").is_dir() && stamp.is_fresh() {
                return Ok(Outcome::UpToDate);
            }
            bench
                .npm(directory.to_path_buf())
                .args(["ci", "--no-audit", "--no-fund"])
                .advice("npm has to reach its registry; run the same command again")
                .run()?;
            stamp.keep()?;
            Ok(Outcome::Done)
        },
    )
}

fn major(answer: &str) -> Option<u32> {
    answer.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("20"), None);
    }
}
