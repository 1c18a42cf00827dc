//! The bounded queue between callers and the committer. Must not know what operations do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use durable_sessions_protocol::{Offset, StreamPath};
use tokio::sync::oneshot;

use super::lock;
use super::stream::Stream;
use crate::{Append, AppendError, Appended, CreateError, CreateStream, Created, DeleteError, TrimError};

/// What the committer is asked to do.
pub(super) enum Operation {
    Append {
        stream: Arc<Stream>,
        append: Append,
        reply: oneshot::Sender<Result<Appended, AppendError>>,
    },
    Create {
        path: StreamPath,
        create: Box<CreateStream>,
        reply: oneshot::Sender<Result<Created, CreateError>>,
    },
    Trim {
        stream: Arc<Stream>,
        before: u64,
        reply: oneshot::Sender<Result<Offset, TrimError>>,
    },
    Delete {
        path: StreamPath,
        reply: oneshot::Sender<Result<(), DeleteError>>,
    },
    /// Record the last access.
    RecordAccess(Arc<Stream>),
    /// Remove it if it is expired.
    Expire(Arc<Stream>),
}

impl Operation {
    /// Payload bytes, for the bounds.
    pub(super) fn bytes(&self) -> usize {
        let attributes = |value: &bytes::Bytes| value.len();
        match self {
            Self::Append { append, .. } => {
                append.batch.as_ref().map_or(0, |batch| batch.body().len())
                    + append.attributes.as_ref().map_or(0, |change| attributes(&change.value))
            }
            Self::Create { create, .. } => {
                create.initial.as_ref().map_or(0, |batch| batch.body().len())
                    + create.attributes.as_ref().map_or(0, attributes)
            }
            Self::Trim { .. } | Self::Delete { .. } | Self::RecordAccess(_) | Self::Expire(_) => 0,
        }
    }
}

/// Why an operation was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Stopped,
}

/// What the committer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Operations,
    /// Nothing came in time.
    Nothing,
    /// Stopped, and empty.
    Stopped,
}

pub(super) struct Queue {
    pending: Mutex<Pending>,
    arrived: Condvar,
    refused: AtomicU64,
    len_max: usize,
    bytes_max: usize,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) len: usize,
    pub(super) bytes: usize,
    /// Operations that found no place so far.
    pub(super) refused: u64,
}

#[derive(Default)]
struct Pending {
    operations: VecDeque<Operation>,
    bytes: usize,
    stopped: bool,
    /// The committer sleeps; a wake-up costs a system call, so it is not sent to one that is awake.
    waiting: bool,
}

impl Queue {
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        Self {
            pending: Mutex::default(),
            arrived: Condvar::new(),
            refused: AtomicU64::new(0),
            len_max,
            bytes_max,
        }
    }

    pub(super) fn push(&self, operation: Operation) -> Result<(), Refused> {
        let bytes = operation.bytes();
        let mut pending = lock(&self.pending);
        if pending.stopped {
            return Err(Refused::Stopped);
        }
        // One that is larger than the bound alone gets its turn when nothing else is pending.
        let too_many_bytes = pending.bytes + bytes > self.bytes_max && !pending.operations.is_empty();
        if pending.operations.len() >= self.len_max || too_many_bytes {
            drop(pending);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        pending.bytes += bytes;
        pending.operations.push_back(operation);
        let wake = std::mem::take(&mut pending.waiting);
        drop(pending);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Takes pending operations in order, up to the bounds of one group but at least one.
    pub(super) fn take(
        &self,
        group: &mut VecDeque<Operation>,
        len_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Taken {
        let mut pending = lock(&self.pending);
        if pending.operations.is_empty() && !pending.stopped && !wait.is_zero() {
            pending.waiting = true;
            pending = self.arrived.wait_timeout(pending, wait).unwrap_or_else(PoisonError::into_inner).0;
            pending.waiting = false;
        }
        let mut bytes = 0;
        let fits = pending.operations.len() <= len_max && pending.bytes <= bytes_max;
        if fits && group.is_empty() {
            // Nothing is moved, and callers are not kept waiting for the lock.
            std::mem::swap(group, &mut pending.operations);
            bytes = pending.bytes;
        }
        while let Some(next) = pending.operations.front() {
            let next_bytes = next.bytes();
            if !group.is_empty() && (group.len() >= len_max || bytes + next_bytes > bytes_max) {
                break;
            }
            bytes += next_bytes;
            group.extend(pending.operations.pop_front());
        }
        pending.bytes -= bytes;
        match (group.is_empty(), pending.stopped) {
            (false, _) => Taken::Operations,
            (true, true) => Taken::Stopped,
            (true, false) => Taken::Nothing,
        }
    }

    pub(super) fn depth(&self) -> Depth {
        let pending = lock(&self.pending);
        Depth {
            len: pending.operations.len(),
            bytes: pending.bytes,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Drops what is pending, so that nobody waits for a committer that has failed.
    pub(super) fn abandon(&self) {
        let mut pending = lock(&self.pending);
        pending.stopped = true;
        pending.bytes = 0;
        let abandoned = std::mem::take(&mut pending.operations);
        drop(pending);
        drop(abandoned);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.pending).operations.is_empty()
    }

    /// Takes nothing more; what is pending is still done.
    pub(super) fn stop(&self) {
        lock(&self.pending).stopped = true;
        self.arrived.notify_all();
    }
}
