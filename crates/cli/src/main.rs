//! The binary `durable-sessions`: the server, and commands that speak to one.
//!
//! Every command is a module with one `run`; [`failure`] maps what can go wrong to exit codes.

mod append;
mod appender;
mod args;
mod backup;
mod dead_letters;
mod event_ids;
mod exec;
mod failure;
mod follow;
mod keys;
mod notice;
mod output;
mod read;
mod record;
mod recording;
mod remote;
mod render;
mod replay;
mod serve;
mod streams;
mod tail;
mod token;
mod top;
mod wire;

use std::future::Future;
use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser as _;
use failure::{EXIT_INTERRUPTED, EXIT_REFUSED, Failure};
use notice::notice;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if !matches!(command, Command::Serve(_)) {
        // A client's own work is little, but one thread may wait for a reader of standard output while the other
        // hears a second interrupt.
        builder.worker_threads(2);
    }
    match builder.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(command));
            // A read of standard input that is still blocked must not keep the program.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            notice(&format!("error: cannot start: {error}"));
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

async fn run(command: Command) -> u8 {
    match command {
        Command::Serve(args) => match serve::run(*args).await {
            Ok(()) => 0,
            Err(error) => {
                let hope = if error.is_retryable() { "; trying again may help" } else { "" };
                notice(&format!("error: {error}{hope}"));
                EXIT_REFUSED
            }
        },
        Command::Exec(args) => exec::run(&args).await,
        Command::Create(args) => conclude(streams::create(&args)).await,
        Command::Fork(args) => conclude(streams::fork(&args)).await,
        Command::Append(args) => conclude(append::run(&args)).await,
        Command::Read(args) => conclude(read::run(&args)).await,
        Command::Tail(args) => conclude(tail::run(&args)).await,
        Command::Replay(args) => conclude(replay::run(&args)).await,
        Command::Record(args) => conclude(record::run(&args)).await,
        Command::Close(args) => conclude(streams::close(&args)).await,
        Command::Delete(args) => conclude(streams::delete(&args)).await,
        Command::Keys(command) => conclude(keys::run(&command)).await,
        Command::List(args) => conclude(streams::list(&args)).await,
        Command::Backup(args) => conclude(backup::backup(&args)).await,
        Command::Restore(args) => conclude(backup::restore(&args)).await,
        Command::Verify(args) => conclude(backup::verify(&args)).await,
        Command::Top(args) => conclude(top::run(&args)).await,
        Command::DeadLetters(command) => conclude(dead_letters::run(&command)).await,
    }
}

/// Runs a command until it ends or the user interrupts it, says what failed, and gives the exit code.
async fn conclude(command: impl Future<Output = Result<(), Failure>>) -> u8 {
    let outcome = tokio::select! {
        outcome = command => outcome,
        () = interrupted() => Err(Failure::Interrupted),
    };
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            if !failure.is_silent() {
                notice(&format!("error: {failure}"));
            }
            failure.exit_code()
        }
    }
}

/// The first interrupt or termination ends the command where it stands, so that no line is written half. The
/// second, or one while standard output blocks, ends the program.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals do what they do to any program.
        return std::future::pending().await;
    };
    let (first, heard) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // Nobody listens when the command has just ended.
        let _ = first.send(());
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {}
        }
        std::process::exit(i32::from(EXIT_INTERRUPTED));
    });
    if heard.await.is_err() {
        std::future::pending::<()>().await;
    }
}
