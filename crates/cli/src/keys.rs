//! `keys`: API keys of a server. Must not know HTTP.

use durable_sessions_client::NewApiKey;

use crate::args::{KeysCommand, KeysCreateArgs};
use crate::failure::Failure;
use crate::notice::notice;
use crate::output::Output;
use crate::remote::Remote;

pub(crate) async fn run(command: &KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Create(args) => create(args).await,
        KeysCommand::List(args) => {
            let mut output = Output::lock();
            for key in Remote::new(&args.connection)?.keys().await? {
                output.line(key.to_string().as_bytes())?;
            }
            output.flush()
        }
        KeysCommand::Revoke(args) => {
            Remote::new(&args.connection)?.revoke_key(&args.id).await?;
            notice(&format!("the key {} is revoked", args.id));
            Ok(())
        }
    }
}

/// The key alone goes to standard output, so that a script can keep it.
async fn create(args: &KeysCreateArgs) -> Result<(), Failure> {
    let expires_in_secs = match args.expires_in.map(|span| u32::try_from(span.as_secs())) {
        None => None,
        Some(Ok(secs @ 1..)) => Some(secs),
        Some(_) => {
            let reason = "expected from a second to a hundred years".to_owned();
            return Err(Failure::Usage { argument: "--expires-in", reason });
        }
    };
    let mut made = Remote::new(&args.connection)?
        .create_key(&NewApiKey {
            subject: args.subject.clone(),
            name: args.name.clone(),
            project: args.project.clone(),
            scope: args.scope.clone(),
            sessions: args.sessions.clone(),
            expires_in_secs,
        })
        .await?;
    let key = made.as_object_mut().and_then(|made| made.remove("key"));
    let mut output = Output::lock();
    output.line(key.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().as_bytes())?;
    output.flush()?;
    notice(&made.to_string());
    Ok(())
}
