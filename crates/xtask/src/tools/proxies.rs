//! nginx and Caddy, behind which the server is tested: found wherever they are, installed from Debian's packages.

use std::path::Path;

use super::apt;
use crate::command::find_program;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::workbench::Workbench;

/// A proxy, and the package that has it.
struct Proxy {
    name: &'static str,
    package: &'static str,
    instead: &'static str,
}

const PROXIES: [Proxy; 2] = [
    Proxy { name: "nginx", package: "nginx-light", instead: "install nginx with your package manager" },
    Proxy { name: "caddy", package: "caddy", instead: "install Caddy with your package manager" },
];

impl Proxy {
    /// Debian keeps nginx where only administrators look.
    fn is_there(&self) -> bool {
        find_program(self.name).is_some() || Path::new("/usr/sbin").join(self.name).is_file()
    }

    fn ensure(&self, bench: &Workbench) -> Result<(), Stopped> {
        let what = "a proxy that some tests put before the server (only tests need it)";
        bench.report.step(self.name, what, || {
            if self.is_there() {
                return Ok(Outcome::UpToDate);
            }
            let outcome = apt::ensure(&[self.package], self.instead)?;
            if self.is_there() {
                return Ok(outcome);
            }
            Err(StepError::unmet(format!("{} is still not there", self.name), self.instead))
        })
    }
}

/// The steps that install those that are missing.
pub(crate) fn ensure(bench: &Workbench) -> Result<(), Stopped> {
    PROXIES.iter().try_for_each(|proxy| proxy.ensure(bench))
}
