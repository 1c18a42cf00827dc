//! Chromium and Firefox with their drivers: found wherever they are, installed from Debian's packages.

use std::path::PathBuf;

use super::apt;
use crate::command::find_program;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::Workbench;

/// Names the browser that tests and screenshots drive.
pub(crate) const CHROMIUM_VARIABLE: &str = "CHROMIUM";

const INSTEAD: &str = "install Chromium with its chromedriver (of the same version) and Firefox with your \
    package manager, so that `chromium`, `chromedriver` and `firefox` are on PATH";

/// The Chromium to use: the one named by the environment, or the first on PATH.
pub(crate) fn chromium() -> Option<PathBuf> {
    std::env::var_os(CHROMIUM_VARIABLE)
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find_program))
}

pub(crate) fn chromedriver() -> Option<PathBuf> {
    find_program("chromedriver")
}

pub(crate) fn firefox() -> Option<PathBuf> {
    ["firefox-esr", "firefox"].into_iter().find_map(find_program)
}

/// The step that installs what is missing.
pub(crate) fn ensure(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step(
        "browsers",
        "Chromium and Firefox, which the tests drive (only tests need them)",
        || {
            let mut packages = Vec::new();
            if chromium().is_none() {
                packages.push("chromium");
            }
            if chromedriver().is_none() {
                packages.push("chromium-driver");
            }
            if firefox().is_none() {
                packages.push("firefox-esr");
            }
            if packages.is_empty() {
                return Ok(Outcome::UpToDate);
            }
            let outcome = apt::ensure(&packages, INSTEAD)?;
            if chromium().is_some() && chromedriver().is_some() && firefox().is_some() {
                Ok(outcome)
            } else {
                Err(StepError::unmet("a browser or its driver is still not on PATH", INSTEAD))
            }
        },
    )
}
