//! The three things that are built: the npm package, the web demo and the native programs. Each is left
//! alone while nothing that it is made from has changed.

use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::stamp::Stamp;
use crate::tools::node;
use crate::verbs::fmt::has_script;
use crate::verbs::setup;
use crate::workbench::Workbench;

/// What pkg/ writes and git keeps: changes there are results of the schema.
const GENERATED: &str = "src/generated";

/// Features that a release may leave out: tests and lints have them all. What is compiled only without them is little,
/// and is compiled with every release build.
pub(super) const OPTIONAL_FEATURES: [&str; 2] =
    ["--features", "durable-sessions/otlp,durable-sessions/sentry"];

/// `wasm`: the npm package with all that it needs.
pub(super) fn browser_package_from_nothing(bench: &Workbench) -> Result<(), Stopped> {
    setup::for_building_package(bench)?;
    browser_package(bench)
}

/// The npm package; needs the wasm target, wasm-bindgen and pkg's npm packages.
pub(crate) fn browser_package(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("build pkg", "the npm package: Rust to WebAssembly, TypeScript to JavaScript", || {
        let stamp = package_stamp(bench)?;
        let entry = bench.checkout.pkg().join("dist/index.js");
        let wasm = bench.checkout.pkg().join("dist/wasm");
        if entry.is_file() && wasm.is_dir() && stamp.is_fresh() {
            return Ok(Outcome::UpToDate);
        }
        bench
            .npm(bench.checkout.pkg())
            .args(["run", "build"])
            .advice("the first error above says what; `cargo xtask wasm` repeats only this")
            .run()?;
        stamp.keep()?;
        Ok(Outcome::Done)
    })
}

/// The page; needs the npm package and its own npm packages.
pub(crate) fn web_demo(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("build web-demo", "the page that the server serves", || {
        let demo = bench.checkout.web_demo();
        let package = package_stamp(bench)?;
        let stamp =
            Stamp::of(&bench.checkout, "web-demo", std::slice::from_ref(&demo), &[], package.digest())?;
        if demo.join("dist/index.html").is_file() && stamp.is_fresh() {
            return Ok(Outcome::UpToDate);
        }
        bench.npm(demo).args(["run", "build"]).advice("the first error above says what").run()?;
        stamp.keep()?;
        Ok(Outcome::Done)
    })
}

/// The release binary, and the agent of the demo. cargo itself knows what is up to date.
pub(crate) fn server_and_agent(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("build server", "the release binary `durable-sessions`, and the example agent", || {
        // One command without `-p`: the features of dependencies are then those of the README's
        // `cargo build --release --bin durable-sessions`, and nothing is compiled twice.
        bench
            .cargo()
            .args(["build", "--release", "--locked", "--bin", "durable-sessions", "--example", "agent"])
            .advice("the first error above says what; a C compiler is needed for one dependency (ring)")
            .run()?;
        Ok(Outcome::Done)
    })
}

/// `generate`: what is committed but written by a program.
pub(super) fn generated_files(bench: &Workbench) -> Result<(), Stopped> {
    bench.report.step("generate", "TypeScript that comes from crates/schema, into pkg/src/generated", || {
        if !has_script(&bench.checkout.pkg(), "generate") {
            return Ok(Outcome::Skipped("pkg has no script `generate`".to_owned()));
        }
        bench.npm(bench.checkout.pkg()).args(["run", "generate"]).run()?;
        Ok(Outcome::Done)
    })
}

/// Generates again and says what that changed.
pub(super) fn generated_files_are_fresh(bench: &Workbench) -> Result<(), Stopped> {
    node::check(bench)?;
    bench.report.step("generated files", "are what crates/schema would generate now", || {
        if !has_script(&bench.checkout.pkg(), "generate") {
            return Ok(Outcome::Skipped("pkg has no script `generate`".to_owned()));
        }
        let generated = bench.checkout.pkg().join(GENERATED);
        let digest = || Stamp::of(&bench.checkout, "generated", std::slice::from_ref(&generated), &[], "");
        let before = digest()?;
        bench.npm(bench.checkout.pkg()).args(["run", "generate"]).run()?;
        if digest()?.digest() == before.digest() {
            Ok(Outcome::Done)
        } else {
            Err(StepError::unmet(
                "pkg/src/generated was not what the schema says; it has been generated again",
                "commit the files below pkg/src/generated",
            ))
        }
    })
}

fn package_stamp(bench: &Workbench) -> Result<Stamp, StepError> {
    let root = bench.checkout.root();
    let crates =
        ["schema", "protocol", "client-core", "client-wasm"].map(|name| root.join("crates").join(name));
    let mut inputs = crates.to_vec();
    inputs.extend([root.join("Cargo.toml"), root.join("Cargo.lock"), bench.checkout.pkg()]);
    let compiler = bench.cargo().arg("--version").read_quietly().unwrap_or_default();
    let wasm = bench.wasm_toolchain().map_or("", |toolchain| toolchain.describe());
    Stamp::of(&bench.checkout, "pkg", &inputs, &[], &format!("{compiler}{wasm}"))
}
