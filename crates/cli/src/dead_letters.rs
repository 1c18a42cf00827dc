//! `dead-letters`: queued appends that were given up. Must not know HTTP.

use serde_json::Value;

use crate::args::{DeadLettersArgs, DeadLettersCommand};
use crate::failure::Failure;
use crate::notice::notice;
use crate::output::Output;
use crate::remote::Remote;

pub(crate) async fn run(command: &DeadLettersCommand) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(args) => list(&Remote::new(&args.connection)?).await,
        DeadLettersCommand::Show(args) => {
            let letter = Remote::new(&args.connection)?.dead_letter(&args.id).await?;
            let mut output = Output::lock();
            output.line(format!("{:#}", Value::Object(letter)).as_bytes())?;
            output.flush()
        }
        DeadLettersCommand::Redrive(args) => sweep(args, Change::Redrive).await,
        DeadLettersCommand::Purge(args) => sweep(args, Change::Purge).await,
    }
}

async fn list(remote: &Remote) -> Result<(), Failure> {
    let mut output = Output::lock();
    let mut after = None;
    loop {
        let page = remote.dead_letters(after.as_deref()).await?;
        for letter in page.letters {
            output.line(Value::Object(letter).to_string().as_bytes())?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return output.flush(),
        }
    }
}

/// What is done to them.
#[derive(Debug, Clone, Copy)]
enum Change {
    Redrive,
    Purge,
}

/// Each of those that were named, or all until there is no other; says how many, also when it ends in a failure.
async fn sweep(args: &DeadLettersArgs, change: Change) -> Result<(), Failure> {
    let remote = Remote::new(&args.connection)?;
    let mut count = 0;
    let outcome = async {
        if args.all {
            loop {
                let swept = once(&remote, change, None).await?;
                count += swept.count;
                if !swept.more {
                    return Ok(());
                }
            }
        }
        for id in &args.ids {
            count += once(&remote, change, Some(id)).await?.count;
        }
        Ok(())
    }
    .await;
    let done = match change {
        Change::Redrive => "queued again",
        Change::Purge => "deleted",
    };
    notice(&format!("{count} dead letters {done}"));
    outcome
}

async fn once(
    remote: &Remote,
    change: Change,
    id: Option<&str>,
) -> Result<durable_sessions_client::Swept, Failure> {
    match change {
        Change::Redrive => remote.redrive(id).await,
        Change::Purge => remote.purge(id).await,
    }
}
