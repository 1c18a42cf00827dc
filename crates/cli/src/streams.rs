//! `create`, `close`, `delete` and `list`: streams as wholes. Must not know HTTP.

use crate::args::{CreateArgs, ListArgs, StreamArgs};
use crate::failure::Failure;
use crate::notice::notice;
use crate::output::Output;
use crate::remote::Remote;

/// Creates a stream, or finds it there already.
pub(crate) async fn create(args: &CreateArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    Remote::new(&args.connection)?.create(&path).await?;
    notice(&format!("{path} exists"));
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
        for (name, value) in [("status", session.status), ("title", session.title)] {
            if let Some(value) = value {
                line.insert(name.to_owned(), value.into());
            }
        }
        output.line(serde_json::Value::Object(line).to_string().as_bytes())?;
    }
    output.flush()
}
