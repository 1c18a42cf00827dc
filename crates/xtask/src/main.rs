//! Every chore of this repository as a verb: `cargo xtask <verb>`.
//!
//! What is absent: any dependency on our own crates (a broken crate must not take the chores with it), an
//! async runtime, and anything that only one person's machine has.

mod checkout;
mod cli;
mod command;
mod demo;
mod failure;
mod guard;
mod interrupt;
mod relay;
mod report;
mod screen;
mod stamp;
mod tidy;
mod tools;
mod verbs;
mod workbench;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == guard::VERB) {
        return guard::run(arguments);
    }
    let cli = cli::Cli::parse();
    if let Err(error) = interrupt::install_impatient() {
        screen::line(format_args!("cannot listen for Ctrl-C: {error}"));
        return ExitCode::FAILURE;
    }
    match checkout::Checkout::find() {
        Ok(checkout) => {
            if verbs::run(checkout, cli.verb) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            screen::line(error);
            ExitCode::FAILURE
        }
    }
}
