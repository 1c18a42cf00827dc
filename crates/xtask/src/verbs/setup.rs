//! `setup`: everything all other verbs need. Each of them installs its own part too, so this verb is for
//! who wants the waiting over with.

use crate::report::Stopped;
use crate::tools::{browsers, cargo_tools, node, proxies, python_tools};
use crate::workbench::Workbench;

pub(super) fn everything(bench: &Workbench) -> Result<(), Stopped> {
    for_building(bench)?;
    for_testing(bench)?;
    node::packages(bench, &bench.checkout.conformance_tests())?;
    node::packages(bench, &bench.checkout.packaging_tests())?;
    python_tools::schemathesis(bench)?;
    node::packages(bench, &bench.checkout.browser_tests())
}

/// What `demo` needs besides a Rust compiler: no browsers.
pub(crate) fn for_building(bench: &Workbench) -> Result<(), Stopped> {
    for_building_package(bench)?;
    node::packages(bench, &bench.checkout.web_demo())
}

/// What `wasm` needs.
pub(crate) fn for_building_package(bench: &Workbench) -> Result<(), Stopped> {
    node::check(bench)?;
    bench.wasm_target()?;
    cargo_tools::ensure(bench, &cargo_tools::WASM_BINDGEN)?;
    node::packages(bench, &bench.checkout.pkg())
}

/// What only tests and benchmarks need.
pub(crate) fn for_testing(bench: &Workbench) -> Result<(), Stopped> {
    for_testing_wasm(bench)?;
    proxies::ensure(bench)?;
    cargo_tools::ensure(bench, &cargo_tools::CARGO_DENY)
}

/// What the wasm client's own tests need.
pub(crate) fn for_testing_wasm(bench: &Workbench) -> Result<(), Stopped> {
    for_driving_browsers(bench)?;
    cargo_tools::ensure(bench, &cargo_tools::WASM_PACK)
}

/// Both browsers and what drives them.
pub(crate) fn for_driving_browsers(bench: &Workbench) -> Result<(), Stopped> {
    browsers::ensure(bench)?;
    cargo_tools::ensure(bench, &cargo_tools::GECKODRIVER)
}
