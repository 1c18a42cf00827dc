//! Which compiler builds for `wasm32-unknown-unknown`: the one on PATH (its standard library added by
//! rustup), or, where rustup cannot reach its server, Debian's compiler with a standard library built
//! here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::debian_toolchain;
use crate::command::{Invocation, find_program};
use crate::failure::StepError;
use crate::report::Outcome;
use crate::screen;
use crate::workbench::Workbench;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// `auto` (default), `rustup` or `debian`.
const ROUTE_VARIABLE: &str = "DURABLE_SESSIONS_WASM_TOOLCHAIN";
/// A download of 20 MB that takes longer than this does not come.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// The compiler for wasm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WasmToolchain {
    /// The one on PATH has the target.
    OnPath,
    /// Programs in this directory shadow those on PATH.
    Private(PathBuf),
}

impl WasmToolchain {
    /// Makes a command use this compiler, and everything that it starts too (wasm-pack, npm scripts).
    pub(crate) fn apply(&self, invocation: Invocation) -> Invocation {
        match self {
            Self::OnPath => invocation,
            // rustup's choice of toolchain must not get in between. No `rustup toolchain link`: its names
            // are global, and two checkouts would fight for one.
            Self::Private(bin) => {
                ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
                    .into_iter()
                    .fold(invocation, Invocation::env_remove)
                    .path_prefix([bin.clone()])
            }
        }
    }

    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::OnPath => "the compiler on PATH",
            Self::Private(_) => "Debian's compiler with a standard library built in target/tools",
        }
    }
}

enum Route {
    Auto,
    Rustup,
    Debian,
}

/// Finds or installs a compiler for wasm.
pub(crate) fn ensure(bench: &Workbench) -> Result<(WasmToolchain, Outcome), StepError> {
    let route = route()?;
    let private = debian_toolchain::bin_directory(bench.checkout.tools());
    if !matches!(route, Route::Debian) {
        if has_target(bench, &WasmToolchain::OnPath) {
            return Ok((WasmToolchain::OnPath, Outcome::UpToDate));
        }
        let ready = matches!(route, Route::Auto) && debian_toolchain::is_ready(bench.checkout.tools());
        if !ready {
            match add_with_rustup(bench) {
                Ok(()) => return checked(bench, WasmToolchain::OnPath),
                Err(StepError::Interrupted) => return Err(StepError::Interrupted),
                Err(error) if matches!(route, Route::Rustup) => return Err(error),
                Err(error) => screen::line(format_args!("    {error}; trying Debian's compiler instead")),
            }
        }
    }
    let outcome = debian_toolchain::ensure(bench)?;
    let (toolchain, _) = checked(bench, WasmToolchain::Private(private))?;
    screen::line(format_args!("    wasm is built with {}", toolchain.describe()));
    Ok((toolchain, outcome))
}

fn route() -> Result<Route, StepError> {
    match std::env::var(ROUTE_VARIABLE).unwrap_or_default().as_str() {
        "" | "auto" => Ok(Route::Auto),
        "rustup" => Ok(Route::Rustup),
        "debian" => Ok(Route::Debian),
        other => Err(StepError::unmet(
            format!("{ROUTE_VARIABLE} is {other:?}"),
            "set it to auto, rustup or debian, or unset it",
        )),
    }
}

fn add_with_rustup(bench: &Workbench) -> Result<(), StepError> {
    if find_program("rustup").is_none() {
        return Err(StepError::unmet("rustup was not found", "install Rust with rustup (https://rustup.rs)"));
    }
    bench
        .run("rustup")
        .args(["target", "add", TARGET])
        .limit(RUSTUP_LIMIT)
        .advice("rustup has to reach its server; or set DURABLE_SESSIONS_WASM_TOOLCHAIN=debian on Debian")
        .run()
}

fn checked(bench: &Workbench, toolchain: WasmToolchain) -> Result<(WasmToolchain, Outcome), StepError> {
    if has_target(bench, &toolchain) {
        Ok((toolchain, Outcome::Done))
    } else {
        Err(StepError::unmet(
            format!("{} still has no standard library for {TARGET}", toolchain.describe()),
            "which rustc is on PATH? `rustc --print target-libdir --target wasm32-unknown-unknown` names the \
             directory that should hold it",
        ))
    }
}

/// Looks where this compiler would look for `std`; much faster than compiling something.
fn has_target(bench: &Workbench, toolchain: &WasmToolchain) -> bool {
    let question = bench.run("rustc").args(["--print", "target-libdir", "--target", TARGET]);
    toolchain.apply(question).read_quietly().is_some_and(|dir| has_std(Path::new(dir.trim())))
}

pub(super) fn has_std(libdir: &Path) -> bool {
    std::fs::read_dir(libdir).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libstd-") && name.ends_with(".rlib")
            })
        })
    })
}
