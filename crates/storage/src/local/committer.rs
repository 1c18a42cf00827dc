//! The one thread that writes: takes groups from the queue, commits each with one sync, publishes, answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::delivery::{Delivery, Parcel};
use super::group::{Answer, Effect, Group};
use super::lock;
use super::queue::{Operation, Taken};
use super::reclaim::Reclaim;
use super::setback::Setback;
use super::store::{Failure, Shared};
use super::stream::Stream;
use super::window::Windows;
use crate::engine::EngineError;
use crate::semantics::Deletion;
use crate::{AppendError, CreateError, Created, DeleteError, Lifetime, TrimError};

pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) group: Group,
    pub(super) windows: Windows,
    pub(super) delivery: Delivery,
    pub(super) reclaim: Reclaim,
    /// Streams that expire, by id.
    pub(super) mortal: BTreeMap<u64, Arc<Stream>>,
    /// Where the sweep goes on.
    pub(super) sweep_from: u64,
    /// What a failed group has left.
    pub(super) setback: Setback,
}

/// Streams looked at in one step of a sweep, and removed in it.
const SWEEP_STEP_LEN: usize = 1_024;
/// Keys given back in one step, with and without appends waiting.
const RECLAIM_STEP_BUSY: usize = 128;
const RECLAIM_STEP_IDLE: usize = 2_048;
/// How often a store that is full looks for room, and how long giving back waits after there was none for it.
const FULL_INTERVAL: Duration = Duration::from_secs(1);

impl Committer {
    /// Runs until the queue is stopped and empty.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        // Whatever happens to this thread, nobody may wait for it in vain.
        let _ended = Ended(Arc::clone(&shared));
        let options = &shared.options;
        let mut pending = VecDeque::new();
        let mut sweep_at = Instant::now() + options.sweep_interval;
        let mut reclaim_at = Instant::now();
        loop {
            let now = Instant::now();
            let wait = if shared.poisoned().is_some() {
                // Nothing is given back any more, so nothing of that is due.
                self.setback.until_next(now).unwrap_or(options.sweep_interval)
            } else if self.reclaim.is_idle() || now < reclaim_at {
                let due = if self.reclaim.is_idle() { sweep_at } else { sweep_at.min(reclaim_at) };
                due.saturating_duration_since(now)
            } else {
                Duration::ZERO
            };
            let wait = if shared.is_full() { wait.min(FULL_INTERVAL) } else { wait };
            let wait = if wait.is_zero() && self.reclaim.is_idle() { Duration::from_millis(1) } else { wait };
            let taken = shared.queue.take(&mut pending, options.group_len_max, options.group_bytes_max, wait);
            match taken {
                Taken::Stopped => return,
                Taken::Operations => self.commit_pending(&mut pending),
                Taken::Nothing => {}
            }
            if shared.poisoned().is_some() {
                self.recover();
                continue;
            }
            if shared.is_full() {
                self.look_for_room();
            }
            if Instant::now() >= sweep_at && self.sweep_step() {
                sweep_at = Instant::now() + options.sweep_interval;
            }
            if Instant::now() < reclaim_at || shared.poisoned().is_some() {
                continue;
            }
            let step = if taken == Taken::Nothing { RECLAIM_STEP_IDLE } else { RECLAIM_STEP_BUSY };
            match self.reclaim.step(&*shared.engine, step) {
                Ok(()) => {}
                Err(EngineError::Full(_)) => reclaim_at = Instant::now() + FULL_INTERVAL,
                Err(error) => drop(self.fail(&error)),
            }
        }
    }

    /// Takes nothing until what has failed is put right.
    fn fail(&mut self, error: &EngineError) -> Failure {
        let failure = self.shared.poison(error);
        self.setback.note(self.group.effects.drain(..));
        failure
    }

    /// Tries to go on after a failure, when an attempt is due.
    fn recover(&mut self) {
        let shared = &self.shared;
        if self.setback.until_next(Instant::now()).is_none_or(|left| !left.is_zero()) {
            return;
        }
        let attempt = self.setback.attempts() + 1;
        match self.setback.put_right(&*shared.engine, &shared.catalog) {
            Ok(()) => {
                self.group.producers.clear();
                self.group.begin(shared.options.clock.now_ms());
                tracing::warn!(id = "STORE-RECOVERED", attempt, "the store takes appends again");
                shared.recovered();
                self.look_for_room();
            }
            Err(EngineError::Full(_)) => {}
            Err(error) if attempt >= shared.options.recovery_attempts_max => {
                tracing::error!(
                    id = "STORE-RECOVERY-GIVEN-UP",
                    attempt,
                    %error,
                    "the store takes no appends until it is opened again"
                );
                self.setback.give_up();
                shared.give_up();
            }
            Err(error) => {
                tracing::warn!(id = "STORE-RECOVERY-FAILED", attempt, %error, "the store takes no appends yet");
            }
        }
    }

    fn look_for_room(&mut self) {
        self.shared.has_room(self.shared.engine.room_bytes() != Some(0));
    }

    fn commit_pending(&mut self, pending: &mut VecDeque<Operation>) {
        while !pending.is_empty() {
            self.begin();
            while let Some(operation) = pending.pop_front() {
                if needs_durable_rows(&operation) && !self.group.writes.is_empty() {
                    pending.push_front(operation);
                    break;
                }
                self.decide(operation);
            }
            self.commit_group();
        }
    }

    fn begin(&mut self) {
        self.group.begin(self.shared.options.clock.now_ms());
        self.shared.has_room(!self.group.is_full());
    }

    fn decide(&mut self, operation: Operation) {
        let (group, shared) = (&mut self.group, &self.shared);
        let published = |path: &_| shared.catalog.find(path);
        let poisoned = shared.poisoned();
        match operation {
            Operation::Append { stream, append, reply } => {
                let result = match poisoned {
                    Some(reason) => Err(AppendError::Unavailable(reason.to_string())),
                    None => group.append(&stream, append),
                };
                group.answers.push(Answer::Append(reply, result));
            }
            Operation::Create { path, create, reply } => {
                let result = match poisoned {
                    Some(reason) => Err(CreateError::Unavailable(reason.to_string())),
                    None => group.create(published, path, *create),
                };
                group.answers.push(Answer::Create(reply, result));
            }
            Operation::Delete { path, reply } => {
                let result = match poisoned {
                    Some(reason) => Err(DeleteError::Unavailable(reason.to_string())),
                    None => group.delete(published, &path),
                };
                group.answers.push(Answer::Delete(reply, result));
            }
            Operation::Trim { stream, before, reply } => {
                let result = match poisoned {
                    Some(reason) => Err(TrimError::Unavailable(reason.to_string())),
                    None => group.trim(&stream, before),
                };
                group.answers.push(Answer::Trim(reply, result));
            }
            Operation::RecordAccess(stream) if poisoned.is_none() => group.record_access(&stream),
            Operation::Expire(stream) if poisoned.is_none() => group.expire(&stream),
            Operation::RecordAccess(_) | Operation::Expire(_) => {}
        }
    }

    /// Makes the group durable, then visible, then answers; or fails all of it.
    fn commit_group(&mut self) {
        self.group.finish();
        let committed = if self.group.writes.is_empty() {
            Ok(())
        } else {
            let began = Instant::now();
            let committed = self.shared.engine.commit(&self.group.writes, true);
            self.shared.counts.committed(self.group.effects.len(), began.elapsed());
            committed
        };
        if let Err(error) = committed {
            self.shared.counts.failed();
            let failure = self.fail(&error);
            for answer in self.group.answers.drain(..) {
                answer.fail(&failure);
            }
            if matches!(error, EngineError::Full(_)) {
                // Nothing was written, so there is nothing to wait for.
                self.setback.at_once();
                self.recover();
            }
            return;
        }
        let mut watched = Vec::new();
        let now_ms = self.group.now_ms;
        let mut effects = std::mem::take(&mut self.group.effects);
        self.count(&effects);
        for effect in effects.drain(..) {
            self.publish(effect, now_ms, &mut watched);
        }
        self.group.effects = effects;
        self.delivery.deliver(Parcel { answers: std::mem::take(&mut self.group.answers), watched });
        self.windows.shrink();
    }

    /// Counted by group, so that an append costs no atomic operation of its own.
    fn count(&self, effects: &[Effect]) {
        let batches = effects.iter().filter_map(|effect| match effect {
            Effect::Appended { batch, .. } => batch.as_ref(),
            Effect::Created { initial, .. } => initial.as_ref().map(|(_, batch)| batch),
            Effect::Trimmed { .. } | Effect::Released { .. } | Effect::Removed { .. } => None,
        });
        let (appends, bytes) =
            batches.fold((0, 0), |(count, bytes), batch| (count + 1, bytes + batch.body().len() as u64));
        if appends > 0 {
            self.shared.counts.appended(appends, bytes);
        }
    }

    fn publish(&mut self, effect: Effect, now_ms: i64, watched: &mut Vec<Arc<Stream>>) {
        match effect {
            Effect::Appended { stream, first, next, batch, closed, attributes } => {
                let mut live = lock(&stream.live);
                live.next = next;
                live.closed = closed;
                live.updated_at_ms = now_ms;
                if let Some((value, version)) = attributes {
                    live.attributes = Some(Box::new(value));
                    live.attributes_version = version;
                }
                if let Some(batch) = batch {
                    self.windows.push(&stream, &mut live, first, &batch);
                }
                let has_watch = live.watch.is_some();
                drop(live);
                if has_watch {
                    watched.push(stream);
                }
            }
            Effect::Created { stream, initial } => {
                if let Some((first, batch)) = initial {
                    self.windows.push(&stream, &mut lock(&stream.live), first, &batch);
                }
                if stream.lifetime != Lifetime::Unlimited {
                    self.mortal.insert(stream.id, Arc::clone(&stream));
                }
                self.shared.catalog.insert(&stream);
            }
            Effect::Trimmed { stream, range } => {
                let mut live = lock(&stream.live);
                live.first = range.below;
                self.windows.trim(&mut live, range.below);
                drop(live);
                self.reclaim.add_range(stream.id, range);
            }
            Effect::Released { stream, range } => self.reclaim.add_range(stream.id, range),
            Effect::Removed { stream, deletion } => {
                let mut live = lock(&stream.live);
                live.deletion = deletion;
                live.updated_at_ms = now_ms;
                if deletion == Deletion::Gone {
                    self.windows.forget(&mut live);
                    self.shared.catalog.remove(&stream);
                    self.reclaim.add(stream.id);
                }
                drop(live);
                self.mortal.remove(&stream.id);
                watched.push(stream);
            }
        }
    }

    /// Removes expired streams among the next few; whether the sweep has come to its end.
    fn sweep_step(&mut self) -> bool {
        self.begin();
        let mut step = self.mortal.range(self.sweep_from..).take(SWEEP_STEP_LEN).map(|(_, stream)| stream);
        let mut last = None;
        for stream in step.by_ref() {
            last = Some(stream.id);
            if stream.is_being_read() && stream.touch(self.group.now_ms) {
                self.group.record_access(stream);
            }
            self.group.expire(stream);
        }
        self.sweep_from = last.map_or(0, |id| id + 1);
        let ended = last.is_none_or(|last| self.mortal.range(last + 1..).next().is_none());
        if ended {
            self.sweep_from = 0;
        }
        self.commit_group();
        ended
    }
}

/// A fork within a row looks for that row in the engine, so everything before must be there.
fn needs_durable_rows(operation: &Operation) -> bool {
    let Operation::Create { create, .. } = operation else { return false };
    create.fork.as_ref().is_some_and(|fork| fork.sub_offset > 0)
}

impl Answer {
    /// A caller that has gone away is no error.
    pub(super) fn send(self) {
        match self {
            Self::Append(reply, result) => drop(reply.send(result)),
            Self::Create(reply, result) => {
                let created = result.map(|(is_new, stream)| {
                    let head = stream.head(&lock(&stream.live));
                    Created { is_new, head }
                });
                drop(reply.send(created));
            }
            Self::Trim(reply, result) => drop(reply.send(result)),
            Self::Delete(reply, result) => drop(reply.send(result)),
        }
    }

    fn fail(self, failure: &Failure) {
        let reason = || failure.reason.to_string();
        match self {
            Self::Append(reply, _) => drop(reply.send(Err(match failure.is_full {
                true => AppendError::StorageFull,
                false => AppendError::Unavailable(reason()),
            }))),
            Self::Create(reply, _) => drop(reply.send(Err(match failure.is_full {
                true => CreateError::StorageFull,
                false => CreateError::Unavailable(reason()),
            }))),
            Self::Trim(reply, _) => drop(reply.send(Err(TrimError::Unavailable(reason())))),
            Self::Delete(reply, _) => drop(reply.send(Err(DeleteError::Unavailable(reason())))),
        }
    }
}

/// Tells everybody when the thread ends, also by a panic.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended(std::thread::panicking());
    }
}
