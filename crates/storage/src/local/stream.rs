//! One stream as the store keeps it in memory. Must not know queues or engines.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, Retention, StreamPath};
use tokio::sync::watch;

use super::retain::Ledger;
use super::window::Window;
use crate::layout::{ForkRecord, StreamRecord};
use crate::semantics::{Deletion, StreamState, access_slack_ms, is_expired};
use crate::{Clock, Lifetime, StreamHead, Tail};

/// A stream: what never changes, the writer's state, and what is published.
pub(super) struct Stream {
    pub(super) id: u64,
    pub(super) path: StreamPath,
    pub(super) content_type: ContentType,
    pub(super) created_at_ms: i64,
    pub(super) lifetime: Lifetime,
    pub(super) lifetime_inherited: bool,
    /// Most streams have none.
    pub(super) retention: Option<Box<Retention>>,
    pub(super) retention_inherited: bool,
    pub(super) parent: Option<Box<Parent>>,
    accessed_at_ms: AtomicI64,
    /// The last access that was sent to the engine.
    access_recorded_ms: AtomicI64,
    /// Watches that are open; counted for sliding lifetimes only.
    readers: AtomicU32,
    pub(super) window_used: AtomicBool,
    /// Runs ahead of `live` within a group. Only the committer locks it.
    pub(super) writer: Mutex<StreamState>,
    /// What is durable. Held shortly, never across a commit.
    pub(super) live: Mutex<Live>,
}

/// What a fork branched off.
pub(super) struct Parent {
    pub(super) source: Arc<Stream>,
    /// First position of the fork's own; below, positions are the source's.
    pub(super) position: u64,
    pub(super) asked_at: Option<Offset>,
    pub(super) asked_sub_offset: u64,
    /// Sources above this stream.
    pub(super) depth: u32,
}

/// The published part. An idle stream has neither window nor watch channel.
pub(super) struct Live {
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) closed: bool,
    pub(super) deletion: Deletion,
    pub(super) updated_at_ms: i64,
    pub(super) attributes: Option<Box<Bytes>>,
    pub(super) attributes_version: u64,
    pub(super) window: Option<Box<Window>>,
    /// Of streams that are trimmed by a retention.
    pub(super) ledger: Option<Box<Ledger>>,
    pub(super) watch: Option<watch::Sender<Tail>>,
}

/// The parts of a stream that are given at creation or found at opening.
pub(super) struct Origin {
    pub(super) id: u64,
    pub(super) path: StreamPath,
    pub(super) created_at_ms: i64,
    pub(super) accessed_at_ms: i64,
    pub(super) updated_at_ms: i64,
    pub(super) lifetime: Lifetime,
    pub(super) lifetime_inherited: bool,
    pub(super) retention: Retention,
    pub(super) retention_inherited: bool,
    pub(super) parent: Option<Box<Parent>>,
    pub(super) attributes: Option<Box<Bytes>>,
}

impl Stream {
    pub(super) fn new(origin: Origin, state: StreamState) -> Self {
        let live = Live {
            first: state.first,
            next: state.next,
            closed: state.closed,
            deletion: state.deletion,
            updated_at_ms: origin.updated_at_ms,
            attributes: origin.attributes,
            attributes_version: state.attributes_version,
            window: None,
            ledger: None,
            watch: None,
        };
        Self {
            id: origin.id,
            path: origin.path,
            content_type: state.content_type.clone(),
            created_at_ms: origin.created_at_ms,
            lifetime: origin.lifetime,
            lifetime_inherited: origin.lifetime_inherited,
            retention: (!origin.retention.is_none()).then(|| Box::new(origin.retention)),
            retention_inherited: origin.retention_inherited,
            parent: origin.parent,
            accessed_at_ms: AtomicI64::new(origin.accessed_at_ms),
            access_recorded_ms: AtomicI64::new(origin.accessed_at_ms),
            readers: AtomicU32::new(0),
            window_used: AtomicBool::new(false),
            writer: Mutex::new(state),
            live: Mutex::new(live),
        }
    }

    pub(super) fn is_expired(&self, now_ms: i64) -> bool {
        // In this order: who leaves notes the access first, and is counted off then.
        !self.is_being_read()
            && is_expired(self.lifetime, self.accessed_at_ms.load(Ordering::Relaxed), now_ms)
    }

    /// Whether somebody waits for more, which holds a sliding lifetime.
    pub(super) fn is_being_read(&self) -> bool {
        self.readers.load(Ordering::Acquire) > 0
    }

    /// Notes an access. Whether it is so long since the last recorded one that it should be recorded now.
    pub(super) fn touch(&self, now_ms: i64) -> bool {
        let Lifetime::SlidingSecs(ttl_secs) = self.lifetime else { return false };
        self.accessed_at_ms.fetch_max(now_ms, Ordering::Relaxed);
        let recorded = self.access_recorded_ms.load(Ordering::Relaxed);
        now_ms.saturating_sub(recorded) >= access_slack_ms(ttl_secs) / 2
            && self
                .access_recorded_ms
                .compare_exchange(recorded, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// The metadata to store, as the writer sees it.
    pub(super) fn record(&self, state: &StreamState, updated_at_ms: i64) -> StreamRecord {
        StreamRecord {
            path: self.path.clone(),
            content_type: self.content_type.clone(),
            created_at_ms: self.created_at_ms,
            updated_at_ms,
            accessed_at_ms: self.accessed_at_ms.load(Ordering::Relaxed),
            first: state.first,
            references: state.references,
            closed: state.closed,
            soft_deleted: state.deletion == Deletion::Soft,
            lifetime: self.lifetime,
            lifetime_inherited: self.lifetime_inherited,
            retention: self.retention(),
            retention_inherited: self.retention_inherited,
            stream_seq: state.stream_seq.clone(),
            closed_by: state.closed_by.clone(),
            fork: self.parent.as_ref().map(|parent| ForkRecord {
                source_id: parent.source.id,
                source_path: parent.source.path.clone(),
                position: parent.position,
                asked_at: parent.asked_at,
                asked_sub_offset: parent.asked_sub_offset,
            }),
        }
    }

    /// The stream whose rows hold `position`, and the position up to which they do.
    pub(super) fn holder_of(&self, position: u64) -> (&Self, u64) {
        let (mut holder, mut upper) = (self, u64::MAX);
        while let Some(parent) = holder.parent.as_deref().filter(|parent| position < parent.position) {
            upper = upper.min(parent.position);
            holder = &parent.source;
        }
        (holder, upper)
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention.as_deref().copied().unwrap_or_default()
    }

    /// First position whose rows are its own.
    pub(super) fn base(&self) -> u64 {
        self.parent.as_ref().map_or(0, |parent| parent.position)
    }

    pub(super) fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |parent| parent.depth)
    }

    pub(super) fn head(&self, live: &Live) -> StreamHead {
        StreamHead {
            stream_id: self.id,
            content_type: self.content_type.clone(),
            first_offset: Offset::new(live.first),
            next_offset: Offset::new(live.next),
            closed: live.closed,
            lifetime: self.lifetime,
            retention: self.retention(),
            created_at_ms: self.created_at_ms,
            updated_at_ms: live.updated_at_ms,
            forked_from: self
                .parent
                .as_ref()
                .map(|parent| (parent.source.path.clone(), Offset::new(parent.position))),
            attributes: live.attributes.as_deref().cloned(),
            attributes_version: live.attributes_version,
        }
    }
}

/// One open watch of a stream with a sliding lifetime.
pub(super) struct Reading {
    stream: Arc<Stream>,
    clock: Arc<dyn Clock>,
}

impl Reading {
    /// `None` for streams whose lifetime does not depend on readers.
    pub(super) fn begin(stream: &Arc<Stream>, clock: &Arc<dyn Clock>) -> Option<Self> {
        if !matches!(stream.lifetime, Lifetime::SlidingSecs(_)) {
            return None;
        }
        stream.readers.fetch_add(1, Ordering::AcqRel);
        Some(Self { stream: Arc::clone(stream), clock: Arc::clone(clock) })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Not recorded: what was recorded last is within the slack.
        self.stream.accessed_at_ms.fetch_max(self.clock.now_ms(), Ordering::Relaxed);
        self.stream.readers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Live {
    pub(super) fn tail(&self) -> Tail {
        Tail {
            next_offset: Offset::new(self.next),
            closed: self.closed,
            deleted: self.deletion != Deletion::Live,
        }
    }

    /// Follows the tail; the channel exists as long as somebody listens.
    pub(super) fn subscribe(&mut self) -> watch::Receiver<Tail> {
        let tail = self.tail();
        let sender = self.watch.get_or_insert_with(|| watch::channel(tail).0);
        // Watchers are told after writers are answered; who comes in between must not begin with the past.
        tell(sender, tail);
        sender.subscribe()
    }

    pub(super) fn tell_watchers(&mut self) {
        let tail = self.tail();
        match &self.watch {
            Some(sender) if sender.receiver_count() > 0 => tell(sender, tail),
            _ => self.watch = None,
        }
    }
}

fn tell(sender: &watch::Sender<Tail>, tail: Tail) {
    sender.send_if_modified(|seen| {
        let changed = *seen != tail;
        *seen = tail;
        changed
    });
}
