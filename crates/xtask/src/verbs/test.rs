//! `test`: every check and every test. A failure does not keep the rest from running, unless asked to.

use std::sync::Arc;

use crate::checkout::Checkout;
use crate::cli::{LintOptions, Part, TestOptions};
use crate::command::Invocation;
use crate::failure::StepError;
use crate::interrupt;
use crate::relay::TestCount;
use crate::report::{Outcome, Stopped};
use crate::screen;
use crate::tools::{browsers, node, proxies, python_tools};
use crate::verbs::fmt::has_script;
use crate::verbs::{build, chaos, lint, setup};
use crate::workbench::Workbench;

/// Time a browser gets for one suite of wasm tests; the runner's own default is short for two cores.
const BROWSER_TIMEOUT_S: &str = "180";

/// Runs the chosen parts; false when something failed.
pub(super) fn run(checkout: Checkout, verb: &'static str, options: &TestOptions) -> bool {
    let tests = Tests {
        bench: Workbench::new(checkout, verb),
        count: Arc::default(),
        only: options.only.clone(),
        fail_fast: options.fail_fast,
        advisories: options.advisories,
    };
    // Stopped or not, the report knows.
    let _ = tests.all();
    let good = tests.bench.report.finish() && tests.count.failed() == 0;
    screen::line(format_args!(
        "total: {} passed, {} failed, {} skipped",
        tests.count.passed(),
        tests.count.failed(),
        tests.count.skipped()
    ));
    good
}

/// `screenshots`: by the web demo's own script, over the same build that the tests use.
pub(super) fn screenshots(bench: &Workbench) -> Result<(), Stopped> {
    setup::for_building(bench)?;
    browsers::ensure(bench)?;
    build::browser_package(bench)?;
    build::web_demo(bench)?;
    build::server_and_agent(bench)?;
    bench.report.step("screenshots", "the demo, wide, narrow, dark and without a connection", || {
        let place = [bench.checkout.web_demo(), bench.checkout.browser_tests()]
            .into_iter()
            .find(|directory| has_script(directory, "screenshots"))
            .ok_or_else(|| {
                StepError::unmet("no npm package has a script `screenshots`", "add one to web-demo")
            })?;
        bench.npm(place).args(["run", "screenshots"]).run()?;
        Ok(Outcome::Done)
    })
}

struct Tests {
    bench: Workbench,
    count: Arc<TestCount>,
    only: Vec<Part>,
    fail_fast: bool,
    advisories: bool,
}

impl Tests {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// What can fail in seconds comes first, what is slow last.
    fn all(&self) -> Result<(), Stopped> {
        let parts = [Part::Lint, Part::Rust, Part::Chaos, Part::Wasm, Part::Npm, Part::E2e]
            .into_iter()
            .filter(|part| self.wants(*part));
        for part in parts {
            self.go_on(match part {
                Part::Lint => self.lint(),
                Part::Rust => self.rust(),
                Part::Chaos => self.chaos(),
                Part::Wasm => self.wasm(),
                Part::Npm => self.npm(),
                Part::E2e => self.end_to_end(),
            })?;
        }
        Ok(())
    }

    /// Whether to go on after a result.
    fn go_on(&self, result: Result<(), Stopped>) -> Result<(), Stopped> {
        if interrupt::requested() || (self.fail_fast && result.is_err()) { Err(Stopped) } else { Ok(()) }
    }

    fn lint(&self) -> Result<(), Stopped> {
        lint::run(&self.bench, &LintOptions { quick: false, advisories: self.advisories })
    }

    fn rust(&self) -> Result<(), Stopped> {
        // The tests of the released artifacts start this binary, and put proxies before it.
        proxies::ensure(&self.bench)?;
        build::server_and_agent(&self.bench)?;
        self.suite("cargo test", "unit, property and conformance tests of every crate", || {
            self.bench
                .cargo()
                .args(["test", "--workspace", "--locked", "--no-fail-fast"])
                .args(build::OPTIONAL_FEATURES)
                .advice("the failures are listed above; `cargo test -p CRATE NAME` repeats one")
        })
    }

    fn chaos(&self) -> Result<(), Stopped> {
        chaos::in_ci(&self.bench, |test| {
            let watcher: Arc<TestCount> = Arc::clone(&self.count);
            test.watch(watcher)
        })
    }

    fn wasm(&self) -> Result<(), Stopped> {
        setup::for_building_package(&self.bench)?;
        setup::for_testing_wasm(&self.bench)?;
        let chromedriver = browsers::chromedriver().unwrap_or_default();
        let geckodriver = self.bench.checkout.tools_bin().join("geckodriver");
        let in_chromium =
            self.suite("wasm in Chromium", "the wasm client's tests in headless Chromium", || {
                self.wasm_pack().args(["--headless", "--chrome", "--chromedriver"]).arg(chromedriver)
            });
        self.go_on(in_chromium)?;
        let in_firefox = self.suite("wasm in Firefox", "the same in headless Firefox", || {
            self.wasm_pack().args(["--headless", "--firefox", "--geckodriver"]).arg(geckodriver)
        });
        self.go_on(in_firefox)?;
        self.suite("wasm in Node", "the same, as far as it needs no browser, in Node", || {
            self.wasm_pack().arg("--node")
        })
    }

    fn wasm_pack(&self) -> Invocation {
        self.bench
            .run_with_wasm("wasm-pack", self.bench.checkout.client_wasm())
            .args(["test", "--mode", "no-install"])
            .env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TIMEOUT_S)
            .advice(
                "the lines above say what; if it is a driver: it has to be of its browser's version, and `cargo xtask \
                 setup` installs both",
            )
    }

    fn npm(&self) -> Result<(), Stopped> {
        let bench = &self.bench;
        setup::for_building(bench)?;
        // Some of their tests drive a browser or a server.
        browsers::ensure(bench)?;
        build::server_and_agent(bench)?;
        build::browser_package(bench)?;
        let size = bench.report.step("pkg: size", "what an application loads, against its budget", || {
            bench
                .npm(bench.checkout.pkg())
                .args(["run", "size", "--", "--enforce"])
                .advice("what does not have to be in the core moves to an entry of its own")
                .run()?;
            Ok(Outcome::Done)
        });
        self.go_on(size)?;
        let package = self.npm_test(&bench.checkout.pkg(), "pkg", "tests of the npm package");
        self.go_on(package)?;
        build::web_demo(bench)?;
        self.npm_test(&bench.checkout.web_demo(), "web-demo", "tests of the page")
    }

    fn end_to_end(&self) -> Result<(), Stopped> {
        let bench = &self.bench;
        setup::for_building(bench)?;
        setup::for_driving_browsers(bench)?;
        build::browser_package(bench)?;
        build::web_demo(bench)?;
        build::server_and_agent(bench)?;
        let conformance = self.protocol();
        self.go_on(conformance)?;
        let packaging = self.packaging();
        self.go_on(packaging)?;
        let directory = bench.checkout.browser_tests();
        node::packages(bench, &directory)?;
        self.npm_test(&directory, "end to end", "release server, real browser, kills and cuts")
    }

    /// The protocol as others see it: their suite, their clients, and the examples we print.
    fn protocol(&self) -> Result<(), Stopped> {
        let directory = self.bench.checkout.conformance_tests();
        node::packages(&self.bench, &directory)?;
        python_tools::schemathesis(&self.bench)?;
        self.npm_test(&directory, "protocol", "public conformance suite and clients, examples of the docs")
    }

    /// The npm package as applications take it in.
    fn packaging(&self) -> Result<(), Stopped> {
        let directory = self.bench.checkout.packaging_tests();
        node::packages(&self.bench, &directory)?;
        self.npm_test(
            &directory,
            "packaging",
            "the tarball in fresh Node, Vite, webpack, esbuild and Next.js projects, Chromium and Firefox",
        )
    }

    fn npm_test(&self, directory: &std::path::Path, name: &str, purpose: &str) -> Result<(), Stopped> {
        if !has_script(directory, "test") {
            return self.bench.report.step(name, purpose, || {
                Err(StepError::unmet(
                    format!("{} has no tests", self.bench.checkout.display(directory)),
                    "its package.json needs a script `test`",
                ))
            });
        }
        if has_script(directory, "typecheck") {
            let checked = self.bench.report.step(&format!("{name}: types"), "TypeScript's own check", || {
                self.bench.npm(directory.to_path_buf()).args(["run", "typecheck"]).run()?;
                Ok(Outcome::Done)
            });
            self.go_on(checked)?;
        }
        self.suite(name, purpose, || {
            self.bench.npm(directory.to_path_buf()).arg("test").advice(format!(
                "the failures are listed above; `npm test` in {} repeats them",
                self.bench.checkout.display(directory)
            ))
        })
    }

    /// One runner: its output as it is, its tests counted.
    fn suite(&self, name: &str, purpose: &str, command: impl FnOnce() -> Invocation) -> Result<(), Stopped> {
        self.bench.report.step(name, purpose, || {
            let before = self.count.failed();
            let watcher: Arc<TestCount> = Arc::clone(&self.count);
            command().watch(watcher).run()?;
            // A runner that reports failures and says it was fine is not believed.
            if self.count.failed() > before {
                return Err(StepError::unmet("tests failed", "the failures are listed above"));
            }
            Ok(Outcome::Done)
        })
    }
}
