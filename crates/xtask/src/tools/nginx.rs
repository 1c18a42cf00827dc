//! nginx, behind which the server is tested: found wherever it is, installed from Debian's package.

use std::path::Path;

use super::apt;
use crate::command::find_program;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::Workbench;

const INSTEAD: &str = "install nginx with your package manager";

/// Debian keeps it where only administrators look.
fn is_there() -> bool {
    find_program("nginx").is_some() || Path::new("/usr/sbin/nginx").is_file()
}

/// The step that installs it if it is missing.
pub(crate) fn ensure(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("nginx", "the proxy that one test puts before the server (only tests need it)", || {
        if is_there() {
            return Ok(Outcome::UpToDate);
        }
        let outcome = apt::ensure(&["nginx-light"], INSTEAD)?;
        if is_there() { Ok(outcome) } else { Err(StepError::unmet("nginx is still not there", INSTEAD)) }
    })
}
