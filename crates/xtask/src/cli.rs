//! The verbs and their options, with the help a newcomer reads. Does nothing itself.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Every chore of durable-sessions. Start with `cargo xtask demo`.
///
/// Each verb installs what it needs and is missing, says each step before it does it, and ends with a
/// table of steps. Running a verb again does only what is not done yet. Everything that is built or
/// installed for this checkout lives below target/, except what only the system can hold: browsers
/// (Debian's packages, for tests) and the wasm target of your Rust toolchain.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
#[command(after_help = "Environment:
  DURABLE_SESSIONS_TOOLS_DIR       where built tools go (default target/tools)
  DURABLE_SESSIONS_WASM_TOOLCHAIN  auto, rustup or debian: which compiler builds wasm (default auto)
  CHROMIUM                         the Chromium that tests drive (default: the first on PATH)")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Install everything all other verbs need, browsers included
    Setup,
    /// Build everything, start the server and show a real agent run live in the browser
    Demo(DemoOptions),
    /// Run every check and every test: Rust, wasm in two browsers and Node, npm packages, end to end
    Test(TestOptions),
    /// Measure, and compare with the targets
    Bench(BenchOptions),
    /// What CI runs: `test`, with every step, on a machine that has nothing yet
    Ci,
    /// Build the npm package (WebAssembly and TypeScript) into pkg/
    Wasm,
    /// Format Rust (and TypeScript where a package has a formatter)
    Fmt(FmtOptions),
    /// Run only the checks that run no tests: formatting, clippy, arrows between crates, files, licences
    Lint(LintOptions),
    /// Write the files that are generated from the schema and committed
    Generate,
    /// Run only the end-to-end tests: release server, real browser, faults
    E2e,
    /// Kill the release server without warning, again and again under load, and check what it has kept
    Crash(CrashOptions),
    /// Break everything at once: kills, connections, the disk; then compare what was acknowledged, stored and seen
    Chaos(ChaosOptions),
    /// Ten thousand subscribers while their sessions are written to; nobody may lose anything, nothing may grow
    Load(LoadOptions),
    /// What applications do, for half an hour: memory, descriptors, disk and latency must stay flat
    Soak(SoakOptions),
    /// Take the screenshots of the demo that README.md and docs/ show
    Screenshots,
    /// Remove the tools that were built for this checkout
    CleanTools,
}

#[derive(Args, Clone)]
pub(crate) struct DemoOptions {
    /// Port of the server; another free one is taken when it is busy
    #[arg(long, default_value_t = 4437)]
    pub(crate) port: u16,
    /// Do not run the example agent
    #[arg(long)]
    pub(crate) no_agent: bool,
    /// Exit when the agent (or the replay) is finished
    #[arg(long)]
    pub(crate) once: bool,
    /// Replay a recorded run (our JSON lines, or .traj) instead of running the example agent
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
}

#[derive(Args, Clone, Default)]
pub(crate) struct TestOptions {
    /// Only these parts (repeat, or separate with commas); all of them by default
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Stop at the first failure instead of running everything else too
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Also ask the advisory database for known vulnerabilities (needs cargo-deny and the network)
    #[arg(long)]
    pub(crate) advisories: bool,
}

/// A part of `cargo xtask test`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// Formatting, clippy, arrows, files, generated files, licences
    Lint,
    /// Unit, property and conformance tests of all crates
    Rust,
    /// The wasm client in Chromium, in Firefox and under Node
    Wasm,
    /// The npm package and the web demo
    Npm,
    /// Release server, real browser, faults
    E2e,
    /// A minute of chaos, and planted bugs that it must notice
    Chaos,
}

#[derive(Args, Clone)]
pub(crate) struct CrashOptions {
    /// How many times
    #[arg(long, default_value_t = 50)]
    pub(crate) rounds: u32,
}

#[derive(Args, Clone)]
pub(crate) struct ChaosOptions {
    /// How long
    #[arg(long, default_value_t = 1)]
    pub(crate) minutes: u32,
    /// How long, in seconds, instead of --minutes
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    /// What happens; a run says its seed. When it happens is still up to the machine
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Plant a bug, which must make the run fail
    #[arg(long, value_enum)]
    pub(crate) plant: Option<Plant>,
}

/// A bug that chaos must notice.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plant {
    /// Some commits are acknowledged and not stored
    DropAck,
    /// A repeated append is stored once more
    DoubleAppend,
    /// Some pages lack their first row
    SkipRow,
}

impl Plant {
    /// As the binary knows it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::DropAck => "drop-ack",
            Self::DoubleAppend => "double-append",
            Self::SkipRow => "skip-row",
        }
    }
}

#[derive(Args, Clone)]
pub(crate) struct LoadOptions {
    /// EventSources on the session API
    #[arg(long, default_value_t = 10_000)]
    pub(crate) subscribers: u32,
    /// Sessions they are spread over
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sessions: u32,
    /// Appends, spread over the sessions
    #[arg(long, default_value_t = 200)]
    pub(crate) appends_per_second: u32,
    /// How long
    #[arg(long, default_value_t = 5)]
    pub(crate) minutes: u32,
    /// How long, in seconds, instead of --minutes
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    /// Instead, a minute of far more appends than a server with small bounds takes
    #[arg(long)]
    pub(crate) overload: bool,
}

#[derive(Args, Clone)]
pub(crate) struct SoakOptions {
    /// How long
    #[arg(long, default_value_t = 30)]
    pub(crate) minutes: u32,
    /// How long, in seconds, instead of --minutes
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    /// Sessions that are written to at a time
    #[arg(long, default_value_t = 60)]
    pub(crate) sessions: u32,
}

#[derive(Args, Clone)]
pub(crate) struct BenchOptions {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    pub(crate) what: Bench,
}

/// A group of benchmarks.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bench {
    /// Parse, validate and deliver in Chromium and Node; package size
    Client,
    /// Durable appends against a bare fsynced log file
    Storage,
    /// Delivery over SSE, memory per subscriber
    Sse,
    /// All of them
    All,
}

#[derive(Args, Clone)]
pub(crate) struct FmtOptions {
    /// Only say what is not formatted
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args, Clone)]
pub(crate) struct LintOptions {
    /// Only what needs no compiler, in seconds: formatting, arrows, files, licences
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also ask the advisory database for known vulnerabilities (needs cargo-deny and the network)
    #[arg(long)]
    pub(crate) advisories: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn parts_can_be_listed_in_both_ways() {
        let cli = Cli::parse_from(["cargo xtask", "test", "--only", "rust,wasm", "--only", "e2e"]);
        let Verb::Test(options) = cli.verb else { panic!("not test") };
        assert_eq!(options.only, [Part::Rust, Part::Wasm, Part::E2e]);
    }
}
