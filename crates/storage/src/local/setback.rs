//! What becomes of a group that failed: the writer's state goes back to what is durable, and the store tries to go on.
//! Must not know which engine it is.
//!
//! Readers notice nothing: what they see was never ahead. The writer's state of every stream that the group touched is
//! made again from what is published and from the stored record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::catalog::Catalog;
use super::group::Effect;
use super::lock;
use super::stream::Stream;
use crate::engine::{Engine, EngineError};
use crate::layout::{StreamRecord, TAG_STREAM, id_key};

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What is to be put right before anything is written again.
#[derive(Default)]
pub(super) struct Setback {
    /// Streams whose writer's state ran ahead.
    touched: Vec<Arc<Stream>>,
    attempts: u32,
    next_at: Option<Instant>,
}

impl Setback {
    /// Notes what a failed group has touched, and that it has to be put right.
    pub(super) fn note(&mut self, effects: impl Iterator<Item = Effect>) {
        for effect in effects {
            let stream = match effect {
                Effect::Appended { stream, .. }
                | Effect::Created { stream, .. }
                | Effect::Trimmed { stream, .. }
                | Effect::Released { stream, .. }
                | Effect::Removed { stream, .. } => stream,
            };
            self.touched.extend(stream.parent.as_ref().map(|parent| Arc::clone(&parent.source)));
            self.touched.push(stream);
        }
        self.touched.sort_unstable_by_key(|stream| stream.id);
        self.touched.dedup_by_key(|stream| stream.id);
        self.wait();
    }

    /// How long until the next attempt; `None` when there is none any more.
    pub(super) fn until_next(&self, now: Instant) -> Option<Duration> {
        self.next_at.map(|at| at.saturating_duration_since(now))
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Makes the engine and the writer's state usable again.
    ///
    /// # Errors
    /// As the engine says; the next attempt is due later then.
    pub(super) fn put_right(&mut self, engine: &dyn Engine, catalog: &Catalog) -> Result<(), EngineError> {
        self.attempts += 1;
        let done = engine.recover().and_then(|()| {
            let forked_below = catalog.forked_below(&self.touched);
            let below = |stream: &Stream| forked_below.get(&stream.id).copied().unwrap_or(0);
            self.touched.iter().try_for_each(|stream| roll_back(stream, engine, below(stream)))
        });
        match &done {
            Ok(()) => *self = Self::default(),
            Err(_) => self.wait(),
        }
        done
    }

    /// The next attempt is due now.
    pub(super) fn at_once(&mut self) {
        self.next_at = Some(Instant::now());
    }

    /// No more attempts.
    pub(super) fn give_up(&mut self) {
        self.next_at = None;
    }

    fn wait(&mut self) {
        let pause = PAUSE_MIN.saturating_mul(1 << self.attempts.min(16)).min(PAUSE_MAX);
        self.next_at = Some(Instant::now() + pause);
    }
}

fn roll_back(stream: &Stream, engine: &dyn Engine, forked_below: u64) -> Result<(), EngineError> {
    let key = id_key(TAG_STREAM, stream.id);
    // One that the group has made is known to nobody.
    let Some(stored) = engine.get(&key)? else { return Ok(()) };
    let record = StreamRecord::read(&key, &stored)
        .map_err(|_| EngineError::Damaged(format!("the record of stream {} is damaged", stream.id)))?;
    let published = {
        let live = lock(&stream.live);
        (live.first, live.next, live.closed, live.deletion, live.attributes_version)
    };
    let mut state = lock(&stream.writer);
    (state.first, state.next, state.closed, state.deletion, state.attributes_version) = published;
    state.closed_by = record.closed_by;
    state.stream_seq = record.stream_seq;
    state.references = record.references;
    state.forked_below = forked_below;
    Ok(())
}
