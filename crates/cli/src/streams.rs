//! `create`, `fork`, `close`, `delete` and `list`: streams as wholes. Must not know HTTP.

use durable_sessions_client::{CreateOptions, Fork, Lifetime};

use crate::args::{CreateArgs, ForkArgs, ListArgs, StreamArgs};
use crate::failure::Failure;
use crate::notice::notice;
use crate::output::Output;
use crate::remote::Remote;

/// Creates a stream, or finds it there already.
pub(crate) async fn create(args: &CreateArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    let lifetime = match (args.ttl, &args.expires_at) {
        (Some(ttl), _) => Some(Lifetime::Idle(ttl)),
        (None, Some(at)) => Some(Lifetime::Until(at.clone())),
        (None, None) => None,
    };
    let options =
        CreateOptions { content_type: Some(args.content_type.clone()), lifetime, ..CreateOptions::default() };
    Remote::new(&args.connection)?.create(&path, &options).await?;
    notice(&format!("{path} exists"));
    Ok(())
}

/// Creates a stream that continues another one, or finds it there already.
pub(crate) async fn fork(args: &ForkArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    let source = args.target.sibling(&args.source)?;
    let fork = Fork {
        source: source.clone(),
        at: args.offset.clone().unwrap_or_default(),
        sub_offset: args.sub_offset,
    };
    let tail = Remote::new(&args.connection)?.fork(&path, fork).await?;
    let at = tail.map(|tail| format!("; next cursor {tail}")).unwrap_or_default();
    notice(&format!("{path} is a fork of {source}{at}"));
    Ok(())
}

/// Closes a stream.
pub(crate) async fn close(args: &StreamArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    Remote::new(&args.connection)?.close(&path).await?;
    notice(&format!("{path} is closed"));
    Ok(())
}

/// Deletes a stream.
pub(crate) async fn delete(args: &StreamArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    Remote::new(&args.connection)?.delete(&path).await?;
    notice(&format!("{path} is deleted"));
    Ok(())
}

/// Writes the sessions, one JSON object a line.
pub(crate) async fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut output = Output::lock();
    for session in Remote::new(&args.connection)?.sessions().await? {
        let mut line = session.extra;
        line.insert("id".to_owned(), session.id.as_str().into());
        let status = session.status.map(|status| status.to_string());
        for (name, value) in [("status", status), ("title", session.title)] {
            if let Some(value) = value {
                line.insert(name.to_owned(), value.into());
            }
        }
        output.line(serde_json::Value::Object(line).to_string().as_bytes())?;
    }
    output.flush()
}
