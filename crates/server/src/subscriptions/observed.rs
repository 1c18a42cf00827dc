//! Appends, creations and deletions as subscriptions see them: what changes a stream goes through here.

use std::future::Future;

use durable_sessions_protocol::StreamPath;
use durable_sessions_storage::{
    Append, AppendError, Appended, Batch, CreateError, CreateStream, Created, DeleteError,
};

use crate::app::App;

/// What becomes of a task that does not end by itself: the runtime is going down.
const STOPPED: &str = "the server stops";

/// An append that wakes who waits for it.
pub(crate) async fn append(app: &App, path: &StreamPath, append: Append) -> Result<Appended, AppendError> {
    let shared = app.subscriptions.shared.clone();
    let followed = shared.concerns(path.as_str());
    let (path, open_streams) = (path.clone(), app.open_streams.clone());
    let write = async move {
        let units = append.batch.as_ref().map_or(0, Batch::units);
        let appended = shared.store.append(&path, append).await?;
        if appended.closed {
            open_streams.ended(&path);
        }
        if units > 0 {
            let before = appended.next_offset.position().checked_sub(units);
            shared.changed(path.as_str(), before.filter(|_| !appended.duplicate));
        }
        Ok(appended)
    };
    to_the_end(followed, write).await.unwrap_or_else(|| Err(AppendError::Unavailable(STOPPED.into())))
}

/// A creation; its first content wakes as an append does.
pub(crate) async fn create(
    app: &App,
    path: &StreamPath,
    create: CreateStream,
) -> Result<Created, CreateError> {
    let shared = app.subscriptions.shared.clone();
    let followed = shared.concerns(path.as_str());
    let (path, open_streams) = (path.clone(), app.open_streams.clone());
    let write = async move {
        let created = shared.store.create(&path, create).await?;
        if created.is_new {
            open_streams.opened(&path, &created.head);
            let start = created.head.forked_from.as_ref().map_or(0, |(_, at)| at.position());
            shared.changed(path.as_str(), Some(start));
        }
        Ok(created)
    };
    to_the_end(followed, write).await.unwrap_or_else(|| Err(CreateError::Unavailable(STOPPED.into())))
}

/// A deletion; links of a pattern go with their stream.
pub(crate) async fn delete(app: &App, path: &StreamPath) -> Result<(), DeleteError> {
    let shared = app.subscriptions.shared.clone();
    let followed = shared.concerns(path.as_str());
    let (path, open_streams) = (path.clone(), app.open_streams.clone());
    let write = async move {
        shared.store.delete(&path).await?;
        open_streams.ended(&path);
        shared.changed(path.as_str(), None);
        Ok(())
    };
    to_the_end(followed, write).await.unwrap_or_else(|| Err(DeleteError::Unavailable(STOPPED.into())))
}

/// A client that goes away takes the future of its request with it. Where somebody waits to be woken the write
/// is a task of its own, so that whoever is owed a wake gets it; elsewhere it costs nothing more.
async fn to_the_end<T: Send + 'static>(
    followed: bool,
    write: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    if followed { tokio::spawn(write).await.ok() } else { Some(write.await) }
}
