//! `demo`: builds only what the demo needs, starts the server, prints the page and runs the agent.

mod keys;
mod run;
mod server;

use std::thread;

use crate::checkout::Checkout;
use crate::cli::DemoOptions;
use crate::report::{Outcome, Stopped};
use crate::screen;
use crate::verbs;
use crate::workbench::Workbench;

/// Builds and runs until somebody quits; false when something failed.
pub(crate) fn run(checkout: Checkout, options: &DemoOptions) -> bool {
    let bench = Workbench::new(checkout, "demo");
    let built = build(&bench).is_ok();
    // The table comes before the demo, since the demo ends when the person wants it to.
    if !(bench.report.finish() && built) {
        return false;
    }
    match run::live(&bench, options) {
        Ok(good) => good,
        Err(error) => {
            let result = bench.report.step("demo", "the server and the agent", || Err::<Outcome, _>(error));
            result.is_ok()
        }
    }
}

/// The page and the server have nothing in common, so they are built side by side.
fn build(bench: &Workbench) -> Result<(), Stopped> {
    thread::scope(|scope| {
        let server = scope.spawn(|| screen::in_lane("server", || verbs::server_and_agent(bench)));
        let page = screen::in_lane("page", || page(bench));
        let server = server.join().unwrap_or(Err(Stopped));
        page.and(server)
    })
}

fn page(bench: &Workbench) -> Result<(), Stopped> {
    verbs::for_building(bench)?;
    verbs::browser_package(bench)?;
    verbs::web_demo(bench)
}
