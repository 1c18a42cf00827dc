//! Dead letters in the spool's store: kept, listed, deleted, queued again. Must not know HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{Offset, StreamPath};
use durable_sessions_storage::{Batch, DeleteError, ReadError, StreamHead, StreamStore, Trim};
use serde_json::Value;

use super::dead_letter::{DeadLetter, id_text, parse_id};
use super::{AcceptError, DEAD, Opened, Spool, json_stream};

/// Ids looked up at a time.
const LIST_LEN: usize = 512;

/// Why nothing was done to a dead letter.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LetterError {
    /// There is none with this id.
    #[error("there is no such dead letter")]
    NotFound,
    /// It cannot be queued again now.
    #[error("too many appends are queued")]
    Full,
    /// The disk, or the memory, has no room for it.
    #[error("there is no storage left for queued appends")]
    StorageFull,
    /// What is stored of it is damaged.
    #[error("the dead letter cannot be read back")]
    Unreadable,
    /// The spool's store does not work.
    #[error("dead letters are unavailable: {0}")]
    Unavailable(String),
}

fn path(id: u64) -> Result<StreamPath, LetterError> {
    format!("{DEAD}{}", id_text(id)).parse().map_err(|_| LetterError::NotFound)
}

fn id_of(path: &StreamPath) -> Option<u64> {
    path.as_str().strip_prefix(DEAD).and_then(parse_id)
}

impl From<ReadError> for LetterError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound | ReadError::Gone => Self::NotFound,
            ReadError::Damaged { .. } => Self::Unreadable,
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// Keeps a letter; whether it was not there before.
pub(super) async fn write(store: &dyn StreamStore, id: u64, letter: &DeadLetter) -> Result<bool, String> {
    let text = serde_json::to_vec(letter).map_err(|error| error.to_string())?;
    let batch = Batch::message(Bytes::from(text)).map_err(|error| error.to_string())?;
    let path = path(id).map_err(|error| error.to_string())?;
    let created = store.create(&path, json_stream(Some(batch))).await;
    created.map(|created| created.is_new).map_err(|error| error.to_string())
}

/// Each letter there ever was whose stream is there: its id, and whether it has been emptied.
pub(super) async fn for_each(
    store: &dyn StreamStore,
    mut visit: impl FnMut(u64, bool),
) -> Result<(), ReadError> {
    let mut after = None;
    loop {
        let found = store.list(DEAD, after.as_ref(), LIST_LEN).await?;
        for (path, head) in &found {
            if let Some(id) = id_of(path) {
                visit(id, is_emptied(head));
            }
        }
        match found.last() {
            Some((last, _)) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}

fn is_emptied(head: &StreamHead) -> bool {
    head.first_offset == head.next_offset
}

/// Ids of letters after `after`, oldest first, at most `limit`.
async fn ids(opened: &Opened, after: Option<u64>, limit: usize) -> Result<Vec<u64>, LetterError> {
    let mut after = after.map(path).transpose()?;
    let mut ids = Vec::new();
    loop {
        let found = opened.store.list(DEAD, after.as_ref(), LIST_LEN).await?;
        let there = found.iter().filter(|(_, head)| !is_emptied(head));
        ids.extend(there.filter_map(|(path, _)| id_of(path)).take(limit - ids.len()));
        match found.last() {
            Some((last, _)) if ids.len() < limit => after = Some(last.clone()),
            _ => return Ok(ids),
        }
    }
}

async fn read(opened: &Opened, id: u64) -> Result<DeadLetter, LetterError> {
    let path = path(id)?;
    let page = match opened.store.read(&path, Offset::ZERO, 1).await {
        // Emptied.
        Err(ReadError::Trimmed { .. }) => return Err(LetterError::NotFound),
        page => page?,
    };
    let message = page.rows.first().and_then(|row| Batch::messages(row).next());
    let message = message.ok_or(LetterError::NotFound)?;
    serde_json::from_slice(&message).map_err(|_| LetterError::Unreadable)
}

impl Spool {
    /// What there is to say of the dead letters after `after`, oldest first, at most `limit`, and after which one the
    /// list goes on. One that cannot be read back is left out, and logged: it must not hide the others.
    pub(crate) async fn letters(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<u64>), LetterError> {
        let Some(opened) = self.opened.get() else { return Ok((Vec::new(), None)) };
        let mut ids = ids(opened, after, limit + 1).await?;
        let is_all = ids.len() <= limit;
        ids.truncate(limit);
        let next = ids.last().copied().filter(|_| !is_all);
        let mut letters = Vec::with_capacity(ids.len());
        // One payload at a time: there may be gigabytes of them.
        for id in ids {
            match read(opened, id).await {
                Ok(letter) => letters.push(letter.summary(id)),
                // Deleted since it was listed.
                Err(LetterError::NotFound) => {}
                Err(LetterError::Unreadable) => {
                    tracing::error!(
                        error_id = "dead-letter-unreadable",
                        dead_letter = id_text(id),
                        "a dead letter cannot be read back"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok((letters, next))
    }

    /// Ids of the oldest letters, at most `limit`.
    pub(crate) async fn letter_ids(&self, limit: usize) -> Result<Vec<u64>, LetterError> {
        match self.opened.get() {
            Some(opened) => ids(opened, None, limit).await,
            None => Ok(Vec::new()),
        }
    }

    pub(crate) async fn letter(&self, id: u64) -> Result<DeadLetter, LetterError> {
        read(self.opened.get().ok_or(LetterError::NotFound)?, id).await
    }

    /// Deletes a letter for good. While its place is still in the queue an empty one stays, or it would be delivered
    /// after all when the process starts again.
    pub(crate) async fn purge(&self, id: u64) -> Result<(), LetterError> {
        let opened = self.opened.get().ok_or(LetterError::NotFound)?;
        let path = path(id)?;
        let _changing = self.letters_changing.lock().await;
        let head = opened.store.head(&path).await?;
        if is_emptied(&head) {
            return Err(LetterError::NotFound);
        }
        if id < self.state().trimmed_to {
            match opened.store.delete(&path).await {
                Ok(()) => {}
                Err(DeleteError::NotFound | DeleteError::Gone) => return Err(LetterError::NotFound),
                Err(error) => return Err(LetterError::Unavailable(error.to_string())),
            }
        } else {
            let emptied = opened.store.trim(&path, Trim::Before(head.next_offset)).await;
            emptied.map_err(|error| LetterError::Unavailable(error.to_string()))?;
            self.state().emptied.insert(id);
        }
        let mut state = self.state();
        state.dead_letters = state.dead_letters.saturating_sub(1);
        Ok(())
    }

    /// Deletes what is left of letters whose places are not in the queue any more.
    pub(super) async fn forget_emptied(&self, opened: &Opened, trimmed_to: u64) {
        let ids: Vec<u64> = self.state().emptied.extract_if(..trimmed_to, |_| true).collect();
        for id in ids {
            let Ok(path) = path(id) else { continue };
            // It is found again after a restart, and is next to nothing.
            let _ = opened.store.delete(&path).await;
        }
    }

    /// Queues a letter again, behind everything that is queued, and deletes it.
    pub(crate) async fn redrive(self: &Arc<Self>, id: u64) -> Result<(), LetterError> {
        let letter = self.letter(id).await?;
        let mut entry = letter.entry;
        // A letter that is given up again keeps its first name, so that it is one append to its stream for ever.
        entry.origin = entry.origin.or(Some(id));
        // Who queues it again means the stream that is there now.
        entry.stream_id = None;
        let path = entry.path().map_err(|error| LetterError::Unavailable(error.to_string()))?;
        self.put(path, entry, Duration::ZERO).await.map_err(|error| match error {
            AcceptError::Full => LetterError::Full,
            AcceptError::StorageFull => LetterError::StorageFull,
            error => LetterError::Unavailable(error.to_string()),
        })?;
        match self.purge(id).await {
            // Somebody else was faster; both are the same append to the stream.
            Ok(()) | Err(LetterError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
