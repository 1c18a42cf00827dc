//! Debian packages: which are missing, and installing them.

use std::time::Duration;

use crate::command::{Invocation, find_program};
use crate::failure::StepError;
use crate::report::Outcome;

/// An `apt-get` that waits longer than this has no network.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Installs those of `packages` that are missing; `instead` says what to install where there is no
/// `apt-get`.
pub(crate) fn ensure(packages: &[&str], instead: &str) -> Result<Outcome, StepError> {
    if find_program("apt-get").is_none() || find_program("dpkg-query").is_none() {
        return Err(StepError::unmet("this system has no apt-get, so nothing was installed", instead));
    }
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(Outcome::UpToDate);
    }
    apt_get(&["update", "-q"], instead)?;
    let mut arguments =
        vec!["-o", "DPkg::Lock::Timeout=300", "install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(missing);
    apt_get(&arguments, instead)?;
    Ok(Outcome::Done)
}

fn is_installed(package: &str) -> bool {
    Invocation::new("dpkg-query", ".")
        .args(["-W", "-f=${Status}", package])
        .read_quietly()
        .is_some_and(|status| status.contains("install ok installed"))
}

fn apt_get(arguments: &[&str], instead: &str) -> Result<(), StepError> {
    let root = rustix::process::geteuid().is_root();
    if !root && find_program("sudo").is_none() {
        return Err(StepError::unmet("installing Debian packages needs root or sudo", instead));
    }
    let advice = format!("is the network up and another apt-get not at work? Otherwise {instead}");
    if root {
        return Invocation::new("apt-get", ".")
            .args(arguments.iter().copied())
            .env("DEBIAN_FRONTEND", "noninteractive")
            .limit(LIMIT)
            .advice(advice)
            .run();
    }
    // sudo may ask for a password, so it has to have the terminal.
    Invocation::new("sudo", ".")
        .args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(arguments.iter().copied())
        .advice(advice)
        .run_in_foreground()
}
