//! The spool's store once it is open: reading entries, and who writes them. Must not know when.

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::{Offset, ProducerClaim, ProducerEpoch, ProducerSeq, StreamPath};
use durable_sessions_storage::{Batch, ReadError, StreamStore};

use super::PRODUCER;
use super::dead_letter::id_text;
use super::entry::{Entry, QueuedAppend, Unreadable};

pub(super) struct Opened {
    pub(super) store: Arc<dyn StreamStore>,
    pub(super) queue: StreamPath,
    /// What the producers of entries without a generation begin with: another one for each spool there ever was, so that
    /// its places mean nothing to streams that know another.
    pub(super) producer_prefix: String,
}

/// Why an entry was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It may be read later.
    Now(String),
    /// It is damaged: what is there, if anything.
    Ever(Option<Bytes>, String),
}

impl Opened {
    pub(super) async fn read(&self, place: u64) -> Result<Entry, Unread> {
        let page = match self.store.read(&self.queue, Offset::new(place), 1).await {
            Ok(page) => page,
            Err(error @ ReadError::Damaged { .. }) => return Err(Unread::Ever(None, error.to_string())),
            Err(error) => return Err(Unread::Now(error.to_string())),
        };
        let message = page.rows.first().and_then(|row| Batch::messages(row).next());
        let message = message.ok_or_else(|| Unread::Now("the queue ends before it".to_owned()))?;
        Entry::decode(&message).map_err(|error| Unread::Ever(Some(message), error.to_string()))
    }

    /// Who writes an entry. A place is a new epoch of one producer per stream and generation, whose first sequence is the
    /// entry: so entries that became dead letters leave no gap.
    pub(super) fn claim(
        &self,
        append: &QueuedAppend,
        entry: &Entry,
        place: u64,
    ) -> Result<ProducerClaim, Unreadable> {
        if let Some(claim) = &append.producer {
            return Ok(claim.clone());
        }
        let prefix = match &entry.generation {
            Some(generation) => format!("{PRODUCER}{generation}"),
            None => self.producer_prefix.clone(),
        };
        let (id, epoch) = match entry.origin {
            // Queued twice, when the process ended before the dead letter was deleted: the same producer both times.
            Some(origin) => (format!("{prefix}-dead-{}", id_text(origin)), 0),
            None => (prefix, place),
        };
        Ok(ProducerClaim {
            id: id.parse().map_err(|_| Unreadable("producer"))?,
            epoch: ProducerEpoch::new(epoch).map_err(|_| Unreadable("place"))?,
            seq: ProducerSeq::ZERO,
        })
    }
}
