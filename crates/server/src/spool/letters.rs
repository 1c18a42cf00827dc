//! Dead letters in the spool's store: kept, listed, deleted, queued again. Must not know HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{Offset, StreamPath};
use durable_sessions_storage::{Batch, DeleteError, ReadError, StreamStore};

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
    /// The spool's store does not work, or what it holds is damaged.
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

pub(super) async fn for_each_id(
    store: &dyn StreamStore,
    mut visit: impl FnMut(u64),
) -> Result<(), ReadError> {
    let mut after = None;
    loop {
        let found = store.list(DEAD, after.as_ref(), LIST_LEN).await?;
        found.iter().filter_map(|(path, _)| id_of(path)).for_each(&mut visit);
        match found.last() {
            Some((last, _)) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}

async fn read(opened: &Opened, id: u64) -> Result<DeadLetter, LetterError> {
    let page = opened.store.read(&path(id)?, Offset::ZERO, 1).await?;
    let message = page.rows.first().and_then(|row| Batch::messages(row).next());
    let message = message.ok_or(LetterError::NotFound)?;
    serde_json::from_slice(&message).map_err(|_| LetterError::Unavailable("it cannot be read back".into()))
}

impl Spool {
    /// Dead letters after `after`, oldest first, at most `limit`.
    pub(crate) async fn letters(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, DeadLetter)>, LetterError> {
        let Some(opened) = self.opened.get() else { return Ok(Vec::new()) };
        let after = after.map(path).transpose()?;
        let found = opened.store.list(DEAD, after.as_ref(), limit).await?;
        let mut letters = Vec::with_capacity(found.len());
        for id in found.iter().filter_map(|(path, _)| id_of(path)) {
            match read(opened, id).await {
                Ok(letter) => letters.push((id, letter)),
                // Deleted since it was listed.
                Err(LetterError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(letters)
    }

    /// Ids of the oldest letters, at most `limit`.
    pub(crate) async fn letter_ids(&self, limit: usize) -> Result<Vec<u64>, LetterError> {
        let Some(opened) = self.opened.get() else { return Ok(Vec::new()) };
        let found = opened.store.list(DEAD, None, limit).await?;
        Ok(found.iter().filter_map(|(path, _)| id_of(path)).collect())
    }

    pub(crate) async fn letter(&self, id: u64) -> Result<DeadLetter, LetterError> {
        read(self.opened.get().ok_or(LetterError::NotFound)?, id).await
    }

    /// Deletes a letter for good.
    pub(crate) async fn purge(&self, id: u64) -> Result<(), LetterError> {
        let opened = self.opened.get().ok_or(LetterError::NotFound)?;
        match opened.store.delete(&path(id)?).await {
            Ok(()) => {
                let mut state = self.state();
                state.dead_letters = state.dead_letters.saturating_sub(1);
                Ok(())
            }
            Err(DeleteError::NotFound | DeleteError::Gone) => Err(LetterError::NotFound),
            Err(error) => Err(LetterError::Unavailable(error.to_string())),
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
