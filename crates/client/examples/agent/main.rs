//! A small agent that works on a checkout with real tools and streams what happens into a session.
//!
//! It is what `cargo xtask demo` shows. Its sentences are scripted and the first one says so; the tools are real,
//! and what it says about their results comes from them. Terminal output reaches the session live, through
//! `durable-sessions exec`.
//!
//! ```text
//! cargo run -p durable-sessions-client --example agent -- --repo . --cli target/release/durable-sessions
//! ```
//!
//! The session stays open unless `--close` is given.

mod arguments;
mod script;
mod session;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match script::run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is nobody to tell then.
            let _ = writeln!(std::io::stderr(), "agent: {error}");
            ExitCode::FAILURE
        }
    }
}
