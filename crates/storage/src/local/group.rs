//! Decides the operations of one group, in order, and collects what to write, to publish and to answer.
//! Must not commit or publish anything itself.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::{Offset, ProducerId, StreamPath, Unit};
use tokio::sync::oneshot;

use super::producers::Producers;
use super::reclaim::Range;
use super::stream::{Origin, Parent, Stream};
use super::{lock, read};
use crate::engine::{Engine, EngineError, Writes};
use crate::layout::{self, TAG_ATTRIBUTES, TAG_DELETED, TAG_STREAM, id_key};
use crate::semantics::{AppendLimits, Decision, Deletion, ProducerState, StreamState, admit, inherited};
use crate::{
    Append, AppendError, Appended, Batch, CreateError, CreateStream, Created, DeleteError, Fork, Lifetime,
    TrimError,
};

/// Longest chain of forks: a read walks it.
const FORK_DEPTH_MAX: u32 = 1_024;
/// What an operation takes in an engine beside its payload, at most; for engines with a ceiling.
const OVERHEAD_BYTES: u64 = 2_048;

/// What becomes visible when the group is durable, in order.
pub(super) enum Effect {
    Appended {
        stream: Arc<Stream>,
        first: u64,
        next: u64,
        batch: Option<Batch>,
        closed: bool,
        attributes: Option<(Bytes, u64)>,
    },
    Created {
        stream: Arc<Stream>,
        initial: Option<(u64, Batch)>,
    },
    /// The trim point is the end of the range.
    Trimmed {
        stream: Arc<Stream>,
        range: Range,
    },
    /// The last fork of a trimmed stream is gone, and nobody reads these rows any more.
    Released {
        stream: Arc<Stream>,
        range: Range,
    },
    /// Hidden or gone.
    Removed {
        stream: Arc<Stream>,
        deletion: Deletion,
    },
}

/// Who is answered what when the group is durable.
pub(super) enum Answer {
    Append(oneshot::Sender<Result<Appended, AppendError>>, Result<Appended, AppendError>),
    Create(oneshot::Sender<Result<Created, CreateError>>, Result<(bool, Arc<Stream>), CreateError>),
    Trim(oneshot::Sender<Result<Offset, TrimError>>, Result<Offset, TrimError>),
    Delete(oneshot::Sender<Result<(), DeleteError>>, Result<(), DeleteError>),
}

/// One group. Its buffers are used again for the next.
pub(super) struct Group {
    engine: Arc<dyn Engine>,
    limits: AppendLimits,
    pub(super) now_ms: i64,
    pub(super) writes: Writes,
    pub(super) effects: Vec<Effect>,
    pub(super) answers: Vec<Answer>,
    /// Paths changed by this group: nothing of it is in the catalog yet.
    overlay: HashMap<StreamPath, Option<Arc<Stream>>>,
    pub(super) producers: Producers,
    next_id: u64,
    next_id_changed: bool,
    room_bytes: u64,
}

impl Group {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        limits: AppendLimits,
        producers_cached_max: usize,
        next_id: u64,
    ) -> Self {
        Self {
            engine,
            limits,
            now_ms: 0,
            writes: Writes::default(),
            effects: Vec::new(),
            answers: Vec::new(),
            overlay: HashMap::new(),
            producers: Producers::new(producers_cached_max),
            next_id,
            next_id_changed: false,
            room_bytes: 0,
        }
    }

    pub(super) fn begin(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        self.writes.clear();
        self.effects.clear();
        self.answers.clear();
        self.overlay.clear();
        self.producers.between_groups();
        self.next_id_changed = false;
        self.room_bytes = self.engine.room_bytes().unwrap_or(u64::MAX);
    }

    /// Completes the batch.
    pub(super) fn finish(&mut self) {
        if self.next_id_changed {
            let next_id = self.next_id;
            self.writes.put(layout::KEY_NEXT_ID, |value| value.extend_from_slice(&next_id.to_le_bytes()));
        }
    }

    /// Whether there was no room at all when the group began.
    pub(super) fn is_full(&self) -> bool {
        self.room_bytes == 0
    }

    /// Takes the bytes from what the engine has room for.
    fn reserve(&mut self, payload: usize) -> bool {
        let left = self.room_bytes.checked_sub(payload as u64 + OVERHEAD_BYTES);
        self.room_bytes = left.unwrap_or(self.room_bytes);
        left.is_some()
    }

    pub(super) fn append(&mut self, stream: &Arc<Stream>, append: Append) -> Result<Appended, AppendError> {
        if stream.is_expired(self.now_ms) {
            self.remove(stream);
        }
        let producer_key = append.producer.as_ref().map(|claim| (stream.id, claim.id.clone()));
        let producer = match &producer_key {
            None => None,
            Some(key) => self.producer(key).map_err(|error| AppendError::Unavailable(error.to_string()))?,
        };
        let mut state = lock(&stream.writer);
        let decision = admit(&state, &append, producer, &self.limits)?;
        #[cfg(feature = "faults")]
        let decision = match decision {
            Decision::Answer(answer)
                if answer.duplicate && crate::plant::strikes(crate::plant::Plant::DoubleAppend) =>
            {
                let again = Append { producer: None, ..append.clone() };
                admit(&state, &again, None, &self.limits)?
            }
            decision => decision,
        };
        let change = match decision {
            Decision::Answer(answer) => {
                stream.touch(self.now_ms);
                return Ok(answer);
            }
            Decision::Change(change) => change,
        };
        let payload = append.batch.as_ref().map_or(0, |batch| batch.body().len() + 4 * batch.ends().len())
            + append.attributes.as_ref().map_or(0, |attributes| attributes.value.len());
        if !self.reserve(payload) {
            return Err(AppendError::StorageFull);
        }
        let first = state.next;
        state.apply(&append, &change);
        stream.touch(self.now_ms);
        if let Some(batch) = &append.batch {
            layout::put_row(&mut self.writes, stream.id, first, self.now_ms, batch);
        }
        if let (Some(key), Some(producer)) = (producer_key, change.producer) {
            layout::put_producer(&mut self.writes, key.0, &key.1, producer);
            self.producers.set(key, producer);
        }
        if change.closes || append.stream_seq.is_some() {
            stream.record(&state, self.now_ms).put(&mut self.writes, stream.id);
        }
        let attributes = append.attributes.zip(change.attributes_version);
        if let Some((attributes, version)) = &attributes {
            layout::put_attributes(&mut self.writes, stream.id, *version, self.now_ms, &attributes.value);
        }
        let closed = state.closed;
        drop(state);
        self.effects.push(Effect::Appended {
            stream: Arc::clone(stream),
            first,
            next: change.next,
            batch: append.batch,
            closed,
            attributes: attributes.map(|(attributes, version)| (attributes.value, version)),
        });
        Ok(change.appended(closed))
    }

    fn producer(&mut self, key: &(u64, ProducerId)) -> Result<Option<ProducerState>, EngineError> {
        if let Some(state) = self.producers.find(key) {
            return Ok(Some(state));
        }
        let stored_key = layout::producer_key(key.0, &key.1);
        let Some(value) = self.engine.get(&stored_key)? else { return Ok(None) };
        let state = layout::read_producer(&stored_key, &value)
            .map_err(|damaged| EngineError::Failed(format!("producer of stream {}: {damaged}", key.0)))?;
        self.producers.set(key.clone(), state);
        Ok(Some(state))
    }

    /// The stream at a path as this group sees it, an expired one removed.
    fn find(
        &mut self,
        published: impl Fn(&StreamPath) -> Option<Arc<Stream>>,
        path: &StreamPath,
    ) -> Option<Arc<Stream>> {
        let stream = match self.overlay.get(path) {
            Some(changed) => changed.clone(),
            None => published(path),
        }?;
        if stream.is_expired(self.now_ms) {
            self.remove(&stream);
        }
        let deletion = lock(&stream.writer).deletion;
        (deletion != Deletion::Gone).then_some(stream)
    }

    pub(super) fn create(
        &mut self,
        published: impl Fn(&StreamPath) -> Option<Arc<Stream>>,
        path: StreamPath,
        create: CreateStream,
    ) -> Result<(bool, Arc<Stream>), CreateError> {
        if let Some(stream) = self.find(&published, &path) {
            confirm(&stream, &create)?;
            stream.touch(self.now_ms);
            return Ok((false, stream));
        }
        let attributes_len = create.attributes.as_ref().map_or(0, Bytes::len);
        if attributes_len > self.limits.attributes_bytes_max {
            return Err(CreateError::Full("the attributes are too long"));
        }
        let source = match &create.fork {
            None => None,
            Some(fork) => Some(self.branch(&published, fork, create.content_type.as_ref())?),
        };
        let content_type = match (&source, create.content_type) {
            (Some(parent), None) => parent.source.content_type.clone(),
            (_, Some(given)) => given,
            (None, None) => durable_sessions_protocol::ContentType::octet_stream(),
        };
        if create.initial.as_ref().is_some_and(|batch| batch.unit() != content_type.unit()) {
            return Err(CreateError::InitialContent);
        }
        let base = source.as_ref().map_or(0, |parent| parent.position);
        let (retention, retention_inherited) = match &source {
            Some(parent) if create.retention.is_none() => (parent.source.retention(), true),
            _ => (create.retention, false),
        };
        if retention.count.is_some() && content_type.unit() != Unit::Message {
            return Err(CreateError::RetentionCount);
        }
        let units = create.initial.as_ref().map_or(0, Batch::units);
        let next = base
            .checked_add(units)
            .filter(|&next| next < u64::MAX)
            .ok_or(CreateError::Full("the stream is at the end of its positions"))?;
        let payload = create.initial.as_ref().map_or(0, |b| b.body().len() + 4 * b.ends().len());
        if !self.reserve(payload + attributes_len) {
            return Err(CreateError::StorageFull);
        }

        let id = self.next_id;
        self.next_id += 1;
        self.next_id_changed = true;
        if let Some(parent) = &source {
            let mut state = lock(&parent.source.writer);
            state.references += 1;
            state.forked_below = state.forked_below.max(parent.position);
            let updated_at_ms = lock(&parent.source.live).updated_at_ms;
            parent.source.record(&state, updated_at_ms).put(&mut self.writes, parent.source.id);
        }
        let lifetime = match &source {
            None => create.lifetime,
            Some(parent) => inherited(parent.source.lifetime, create.lifetime),
        };
        let mut state = StreamState::new(content_type, next);
        state.closed = create.closed;
        state.attributes_version = u64::from(create.attributes.is_some());
        state.first = source.as_ref().map_or(0, |parent| lock(&parent.source.writer).first);
        let origin = Origin {
            id,
            path: path.clone(),
            created_at_ms: self.now_ms,
            accessed_at_ms: self.now_ms,
            updated_at_ms: self.now_ms,
            lifetime,
            lifetime_inherited: source.is_some() && create.lifetime == Lifetime::Unlimited,
            retention,
            retention_inherited,
            parent: source.map(Box::new),
            attributes: create.attributes.clone().map(Box::new),
        };
        let stream = Arc::new(Stream::new(origin, state.clone()));
        stream.record(&state, self.now_ms).put(&mut self.writes, id);
        if let Some(attributes) = &create.attributes {
            layout::put_attributes(&mut self.writes, id, 1, self.now_ms, attributes);
        }
        if let Some(batch) = &create.initial {
            layout::put_row(&mut self.writes, id, base, self.now_ms, batch);
        }
        self.overlay.insert(path, Some(Arc::clone(&stream)));
        let initial = create.initial.map(|batch| (base, batch));
        self.effects.push(Effect::Created { stream: Arc::clone(&stream), initial });
        Ok((true, stream))
    }

    /// Finds where a fork branches off. Takes no reference yet: a refused fork leaves none.
    fn branch(
        &mut self,
        published: impl Fn(&StreamPath) -> Option<Arc<Stream>>,
        fork: &Fork,
        content_type: Option<&durable_sessions_protocol::ContentType>,
    ) -> Result<Parent, CreateError> {
        let source = self.find(published, &fork.source).ok_or(CreateError::SourceNotFound)?;
        let state = lock(&source.writer);
        if state.deletion == Deletion::Soft {
            return Err(CreateError::SourceDeleted);
        }
        if content_type.is_some_and(|given| *given != state.content_type) {
            return Err(CreateError::SourceContentType(state.content_type.clone()));
        }
        let (first, tail) = (state.first, state.next);
        drop(state);
        let at = fork.at.map_or(tail, Offset::position);
        if at > tail || at < first {
            return Err(CreateError::ForkOffset);
        }
        let position = match fork.sub_offset {
            0 => at,
            units => {
                // Section 4.2: the anchor is refined within the data up to the next boundary only.
                let boundary = read::row_end(&*self.engine, &source, at, tail)
                    .map_err(|error| CreateError::Unavailable(error.to_string()))?;
                at.checked_add(units)
                    .filter(|&position| position <= boundary)
                    .ok_or(CreateError::ForkOffset)?
            }
        };
        let depth = source.depth() + 1;
        if depth > FORK_DEPTH_MAX {
            return Err(CreateError::Full("the chain of forks is too long"));
        }
        Ok(Parent { source, position, asked_at: fork.at, asked_sub_offset: fork.sub_offset, depth })
    }

    pub(super) fn delete(
        &mut self,
        published: impl Fn(&StreamPath) -> Option<Arc<Stream>>,
        path: &StreamPath,
    ) -> Result<(), DeleteError> {
        let stream = self.find(published, path).ok_or(DeleteError::NotFound)?;
        if lock(&stream.writer).deletion == Deletion::Soft {
            return Err(DeleteError::Gone);
        }
        self.remove(&stream);
        Ok(())
    }

    /// Moves the trim point. Nothing is done when it is there or beyond already.
    pub(super) fn trim(&mut self, stream: &Arc<Stream>, before: u64) -> Result<Offset, TrimError> {
        if stream.is_expired(self.now_ms) {
            self.remove(stream);
        }
        let mut state = lock(&stream.writer);
        match state.deletion {
            Deletion::Live => {}
            Deletion::Soft => return Err(TrimError::Gone),
            Deletion::Gone => return Err(TrimError::NotFound),
        }
        if before > state.next {
            return Err(TrimError::BeyondTail { tail: Offset::new(state.next) });
        }
        if before == state.next && state.tail_damaged {
            // Where the stream really ends is not known.
            return Err(TrimError::Damaged { at: Offset::new(before - 1) });
        }
        if before > state.first {
            let range =
                Range { floor: stream.base().max(state.forked_below), start: state.first, below: before };
            state.first = before;
            let updated_at_ms = lock(&stream.live).updated_at_ms;
            stream.record(&state, updated_at_ms).put(&mut self.writes, stream.id);
            self.effects.push(Effect::Trimmed { stream: Arc::clone(stream), range });
        }
        Ok(Offset::new(state.first))
    }

    pub(super) fn record_access(&mut self, stream: &Stream) {
        let state = lock(&stream.writer);
        if state.deletion == Deletion::Live {
            let updated_at_ms = lock(&stream.live).updated_at_ms;
            stream.record(&state, updated_at_ms).put(&mut self.writes, stream.id);
        }
    }

    pub(super) fn expire(&mut self, stream: &Arc<Stream>) {
        if stream.is_expired(self.now_ms) {
            self.remove(stream);
        }
    }

    /// Removes a stream, or hides it while forks read through it.
    fn remove(&mut self, stream: &Arc<Stream>) {
        let mut state = lock(&stream.writer);
        if state.deletion != Deletion::Live {
            return;
        }
        if state.references == 0 {
            drop(state);
            self.erase(stream);
            return;
        }
        state.deletion = Deletion::Soft;
        stream.record(&state, self.now_ms).put(&mut self.writes, stream.id);
        self.effects.push(Effect::Removed { stream: Arc::clone(stream), deletion: Deletion::Soft });
    }

    /// Erases a stream without forks, and every hidden source that it was the last fork of.
    fn erase(&mut self, stream: &Arc<Stream>) {
        let mut erased = Arc::clone(stream);
        loop {
            {
                let mut state = lock(&erased.writer);
                state.deletion = Deletion::Gone;
                self.writes.delete(&id_key(TAG_STREAM, erased.id));
                if state.attributes_version > 0 {
                    self.writes.delete(&id_key(TAG_ATTRIBUTES, erased.id));
                }
                self.writes.put(&id_key(TAG_DELETED, erased.id), |_| {});
            }
            self.overlay.insert(erased.path.clone(), None);
            self.effects.push(Effect::Removed { stream: Arc::clone(&erased), deletion: Deletion::Gone });
            let Some(parent) = &erased.parent else { return };
            let source = Arc::clone(&parent.source);
            let mut state = lock(&source.writer);
            state.references = state.references.saturating_sub(1);
            if state.references > 0 || state.deletion != Deletion::Soft {
                let updated_at_ms = lock(&source.live).updated_at_ms;
                source.record(&state, updated_at_ms).put(&mut self.writes, source.id);
                if state.references == 0 {
                    state.forked_below = 0;
                    let range = Range { floor: source.base(), start: 0, below: state.first };
                    self.effects.push(Effect::Released { stream: Arc::clone(&source), range });
                }
                return;
            }
            drop(state);
            erased = source;
        }
    }
}

/// Whether an existing stream is what a create asks for, section 5.1.
fn confirm(stream: &Stream, create: &CreateStream) -> Result<(), CreateError> {
    let state = lock(&stream.writer);
    if state.deletion == Deletion::Soft {
        return Err(CreateError::PathBlocked);
    }
    let differs =
        |what, differs: bool| if differs { Err(CreateError::ConfigurationMismatch(what)) } else { Ok(()) };
    differs("fork", !same_fork(stream.parent.as_deref(), create.fork.as_ref()))?;
    let type_differs = match &create.content_type {
        Some(given) => *given != state.content_type,
        None if create.fork.is_some() => false,
        None => state.content_type != durable_sessions_protocol::ContentType::octet_stream(),
    };
    differs("content type", type_differs)?;
    let asked_to_inherit = create.lifetime == Lifetime::Unlimited && stream.lifetime_inherited;
    differs("lifetime", create.lifetime != stream.lifetime && !asked_to_inherit)?;
    let asked_to_inherit = create.retention.is_none() && stream.retention_inherited;
    differs("retention", create.retention != stream.retention() && !asked_to_inherit)?;
    differs("closure", create.closed != state.closed)
}

fn same_fork(parent: Option<&Parent>, asked: Option<&Fork>) -> bool {
    match (parent, asked) {
        (None, None) => true,
        (Some(parent), Some(asked)) => {
            let same_words = parent.asked_at == asked.at && parent.asked_sub_offset == asked.sub_offset;
            let same_place = asked
                .at
                .is_some_and(|at| at.position().checked_add(asked.sub_offset) == Some(parent.position));
            parent.source.path == asked.source && (same_words || same_place)
        }
        _ => false,
    }
}
