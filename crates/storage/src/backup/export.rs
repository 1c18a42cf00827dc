//! A backup as it is made: pieces of bytes from a thread that may wait. Must not know where they go.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::BackupError;
use super::file::{Encoder, INNER_MARK};
use crate::engine::{Engine, EngineError, Writes};

/// About so long is a part.
const PART_BYTES: usize = 256 << 10;
/// Pieces that wait for whoever takes them; the thread waits when there are so many.
const PIECES_MAX: usize = 4;

/// The pieces of one backup file, in order. Dropping it ends the work.
#[derive(Debug)]
pub struct Export(mpsc::Receiver<Result<Bytes, BackupError>>);

impl Export {
    /// Begins on a thread of the runtime it is called in, after all of `inner` has passed. The permit is given back when
    /// it ends.
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        now_ms: i64,
        inner: Option<Self>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (pieces, export) = mpsc::channel(PIECES_MAX);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut send = |piece| match pieces.blocking_send(Ok(piece)) {
                Ok(()) => ControlFlow::Continue(()),
                // Nobody wants it any more.
                Err(_) => ControlFlow::Break(()),
            };
            let done = match inner.map_or(Ok(ControlFlow::Continue(())), |inner| inner.pass_to(&mut send)) {
                Ok(ControlFlow::Continue(())) => {
                    pieces_of(&*engine, now_ms, send).map_err(|error| BackupError::Store(error.to_string()))
                }
                Ok(ControlFlow::Break(())) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::error!(id = "STORE-EXPORT-FAILED", %error, "a backup was not finished");
                let _ = pieces.blocking_send(Err(error));
            }
        });
        Self(export)
    }

    /// Gives all pieces away, as those of an inner store.
    fn pass_to(
        mut self,
        send: &mut impl FnMut(Bytes) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, BackupError> {
        let mut is_first = true;
        while let Some(piece) = self.0.blocking_recv() {
            // A store that has no copies says so before there is anything.
            let piece = piece?;
            if std::mem::take(&mut is_first) && send(Bytes::from_static(INNER_MARK)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if send(piece).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// [`BackupError::Store`], after which nothing comes any more.
    pub async fn next(&mut self) -> Option<Result<Bytes, BackupError>> {
        self.0.recv().await
    }
}

/// Makes the pieces one after the other until told to stop.
pub(super) fn pieces_of(
    engine: &dyn Engine,
    now_ms: i64,
    mut take: impl FnMut(Bytes) -> ControlFlow<()>,
) -> Result<(), EngineError> {
    let snapshot = engine.snapshot()?;
    let (mut encoder, head) = Encoder::new(now_ms, RandomState::new().build_hasher().finish());
    let mut flow = take(head);
    let mut writes = Writes::default();
    if flow.is_continue() {
        snapshot.scan(&mut |key, value| {
            writes.put(key, |into| into.extend_from_slice(&value));
            if writes.encoded().len() >= PART_BYTES {
                flow = take(encoder.part(writes.encoded()));
                writes.clear();
            }
            flow
        })?;
    }
    if flow.is_continue() && !writes.is_empty() {
        flow = take(encoder.part(writes.encoded()));
    }
    if flow.is_continue() {
        let _ = take(encoder.end());
    }
    Ok(())
}
