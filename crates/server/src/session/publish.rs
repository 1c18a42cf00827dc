//! Events whose ids count once, into a session. Must not know who sends them, nor whether they waited in a queue before.

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, ProducerClaim, StreamPath};
use durable_sessions_storage::{Append, AppendError, Batch, DegradedCause, StoreHealth};
use tokio::time::timeout;

use super::change::{append, as_append_error};
use super::event_ids::{Claim, Claimed};
use crate::app::{App, until_draining};
use crate::coalesce::{self, Events};

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) batch: Batch,
    /// The ids that count once, message by message; of those without one the ids are new by nature.
    pub(crate) ids: Vec<Option<String>>,
    /// Whether it says more than who comes and goes.
    pub(crate) is_work: bool,
    /// Who writes, if repetitions are to be recognised by that as well.
    pub(crate) producer: Option<ProducerClaim>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    /// The cursor behind the last of the events; of those that were there before, behind the last of these.
    pub(crate) offset: Offset,
    /// How many were there before.
    pub(crate) duplicates: usize,
}

/// Which events of a publication are new. Their ids are nobody else's as long as this lives.
pub(crate) struct Sifted {
    pub(crate) is_new: Vec<bool>,
    /// Behind the last of those that were there before.
    pub(crate) before: Option<Offset>,
    _claim: Option<Claim>,
}

impl Sifted {
    pub(crate) fn duplicates(&self) -> usize {
        self.is_new.iter().filter(|is_new| !**is_new).count()
    }

    /// The new events.
    pub(crate) fn of(&self, batch: Batch) -> Option<Batch> {
        if self.duplicates() == 0 { Some(batch) } else { only(&batch, &self.is_new) }
    }
}

/// Tells new events from those that the session has.
pub(crate) async fn sift(
    app: &App,
    path: &StreamPath,
    ids: &[Option<String>],
) -> Result<Sifted, AppendError> {
    let given: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
    let claim = if given.is_empty() {
        None
    } else {
        Some(app.event_ids.claim(&*app.store, path, &given).await.map_err(as_append_error)?)
    };
    let mut claimed = claim.iter().flat_map(|claim| &claim.ids);
    let mut is_new = Vec::with_capacity(ids.len());
    let mut before = None;
    for id in ids {
        let known = if id.is_some() { claimed.next().copied().flatten() } else { Some(Claimed::New) };
        is_new.push(known == Some(Claimed::New));
        if let Some(Claimed::Written(end)) = known {
            before = before.max(Some(end));
        }
    }
    Ok(Sifted { is_new, before, _claim: claim })
}

/// Writes those events whose ids are new. Must run to the end whatever becomes of a request: the claim on the ids must
/// not be dropped before it is known whether they are written.
pub(crate) async fn publish(
    app: &Arc<App>,
    path: &StreamPath,
    publication: Publication,
) -> Result<Published, AppendError> {
    let Publication { batch, ids, is_work, producer } = publication;
    let sifted = sift(app, path, &ids).await?;
    let duplicates = sifted.duplicates();
    let new_ids = ids.into_iter().zip(&sifted.is_new).filter(|(_, is_new)| **is_new).map(|(id, _)| id);
    let ids: Vec<_> = new_ids.collect();
    let Some(mut batch) = sifted.of(batch) else {
        return Ok(Published { offset: sifted.before.unwrap_or_default(), duplicates });
    };
    let mut saved = None;
    if let Some(window) = coalesce::window_of(app, path) {
        if producer.is_none() {
            let stream_id = app.store.head(path).await.map_err(as_append_error)?.stream_id;
            let events = Events { batch, ids, is_work, stream_id, _claimed: sifted };
            let offset = coalesce::write(app, path, window, events).await?;
            return Ok(Published { offset, duplicates });
        }
        coalesce::flush(app, path).await;
        if let Some(joined) = coalesce::join_batch(window, &batch, &ids) {
            saved = Some((joined.chunks, joined.messages, joined.bytes_saved));
            batch = joined.batch;
        }
    }
    let write =
        Append { content_type: Some(ContentType::json()), batch: Some(batch), producer, ..Append::default() };
    let appended = append(app, path, write, is_work).await?;
    // What failed, or was there, has saved nothing.
    if let Some((chunks, messages, bytes_saved)) = saved.filter(|_| !appended.duplicate) {
        app.metrics.coalesced(chunks, messages, bytes_saved);
    }
    Ok(Published { offset: appended.next_offset, duplicates })
}

/// Lets an append that is not queued wait for those that were queued for its session before it: whoever was told of one
/// and then writes the next finds them in this order.
///
/// # Errors
/// [`AppendError::Overloaded`] when it would wait for too long (`ServerConfig::queued_wait_max`), when too many wait, or
/// the server stops; [`AppendError::NotFound`] when the session has become another one meanwhile. A store that takes
/// nothing, and would not for longer than this waits, answers at once.
pub(crate) async fn after_queued(app: &App, path: &StreamPath) -> Result<(), AppendError> {
    if !app.spool.holds(path) {
        return Ok(());
    }
    match app.store.health() {
        StoreHealth::Ready(_) | StoreHealth::Degraded { cause: DegradedCause::CommitFailed, .. } => {}
        StoreHealth::Degraded { cause: DegradedCause::StorageFull, .. } => {
            return Err(AppendError::StorageFull);
        }
        StoreHealth::Degraded { cause: DegradedCause::RecoveryGivenUp, reason }
        | StoreHealth::Down(reason) => return Err(AppendError::Unavailable(reason.to_string())),
    }
    // First a place, then a seat in the lane: a lane that stands still lets go of nobody.
    let Ok(_place) = app.behind_queued.try_acquire() else { return Err(AppendError::Overloaded) };
    let session = app.store.head(path).await.map_err(as_append_error)?.stream_id;
    let Some(done) = app.spool.wait(path) else { return Ok(()) };
    let mut draining = app.draining.clone();
    let waiting = async {
        tokio::select! {
            biased;
            done = done => done.map_err(|_| AppendError::Overloaded),
            () = until_draining(&mut draining) => Err(AppendError::Overloaded),
        }
    };
    timeout(app.config.queued_wait_max, waiting).await.unwrap_or(Err(AppendError::Overloaded))?;
    // Whoever may write to the session of before has not been asked about this one.
    let is_same = app.store.head(path).await.map_err(as_append_error)?.stream_id == session;
    if is_same { Ok(()) } else { Err(AppendError::NotFound) }
}

/// The messages of a batch that are marked.
fn only(batch: &Batch, marked: &[bool]) -> Option<Batch> {
    let mut joined = Vec::with_capacity(batch.body().len());
    let mut ends = Vec::new();
    for (message, _) in batch.messages().zip(marked).filter(|(_, marked)| **marked) {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(&message);
        ends.push(u32::try_from(joined.len()).ok()?);
    }
    Batch::joined_messages(Bytes::from(joined), ends).ok()
}
