//! How commands are run in this checkout: with our tools on PATH, one target directory, and the
//! toolchain that can build WebAssembly where that is needed.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::checkout::Checkout;
use crate::command::Invocation;
use crate::report::{Report, Stopped};
use crate::tools;
use crate::tools::browsers::{self, CHROMIUM_VARIABLE};
use crate::tools::wasm_toolchain::WasmToolchain;

/// Names the release binary to suites that start the server.
pub(crate) const BINARY_VARIABLE: &str = "DURABLE_SESSIONS_BIN";

/// What every verb works with.
pub(crate) struct Workbench {
    pub(crate) checkout: Checkout,
    pub(crate) report: Report,
    wasm: OnceLock<WasmToolchain>,
}

impl Workbench {
    pub(crate) fn new(checkout: Checkout, verb: &'static str) -> Self {
        Self { checkout, report: Report::new(verb), wasm: OnceLock::new() }
    }

    /// The step that makes the wasm target available, and remembers how it is reached.
    pub(crate) fn wasm_target(&self) -> Result<(), Stopped> {
        if self.wasm.get().is_some() {
            return Ok(());
        }
        self.report.step(
            "wasm target",
            "the standard library for wasm32-unknown-unknown, which the browser package is compiled with",
            || {
                let (toolchain, outcome) = tools::wasm_toolchain::ensure(self)?;
                let _ = self.wasm.set(toolchain);
                Ok(outcome)
            },
        )
    }

    /// How wasm is built here, once [`wasm_target`](Self::wasm_target) has run.
    pub(crate) fn wasm_toolchain(&self) -> Option<&WasmToolchain> {
        self.wasm.get()
    }

    /// Any program, from the root of the checkout.
    pub(crate) fn run(&self, program: &str) -> Invocation {
        Invocation::new(program, self.checkout.root()).env("CARGO_TARGET_DIR", self.checkout.target())
    }

    /// cargo for this machine.
    pub(crate) fn cargo(&self) -> Invocation {
        self.run("cargo").env(BINARY_VARIABLE, self.checkout.server_binary())
    }

    /// A program in `directory` that may build or run WebAssembly.
    pub(crate) fn run_with_wasm(&self, program: &str, directory: PathBuf) -> Invocation {
        let mut invocation = Invocation::new(program, directory)
            .env("CARGO_TARGET_DIR", self.checkout.target())
            .env(BINARY_VARIABLE, self.checkout.server_binary());
        if let Some(chromium) = browsers::chromium() {
            invocation = invocation.env(CHROMIUM_VARIABLE, chromium);
        }
        invocation = invocation.path_prefix([self.checkout.tools_bin()]);
        match self.wasm.get() {
            Some(toolchain) => toolchain.apply(invocation),
            None => invocation,
        }
    }

    /// npm in one of our packages.
    pub(crate) fn npm(&self, directory: PathBuf) -> Invocation {
        self.run_with_wasm("npm", directory)
    }
}
