//! Live delivery: each batch of a stream is encoded once, whoever listens. Must not know HTTP requests.

mod ephemeral;
mod frames;
mod hub;
mod ring;
mod subscriber;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use durable_sessions_protocol::{Offset, StreamPath, sse};
use durable_sessions_storage::{Page, ReadError};

use crate::app::{App, Slot};
use hub::{Hub, SeatIndex};

pub(crate) use frames::{Framing, Standing, encode_control, encode_data};
pub(crate) use subscriber::{Cut, Subscriber};

/// Name of the frames of what is not stored.
const EVENT_EPHEMERAL: &str = "ephemeral";

/// The streams that have a hub: a plain `EventSource` is served by one of its own, since its frames are others.
#[derive(Default)]
struct Hubs {
    protocol: HashMap<StreamPath, Arc<Hub>>,
    event_source: HashMap<StreamPath, Arc<Hub>>,
}

impl Hubs {
    fn of(&mut self, framing: Framing) -> &mut HashMap<StreamPath, Arc<Hub>> {
        if framing == Framing::EventSource { &mut self.event_source } else { &mut self.protocol }
    }

    /// Unless another one has taken its place.
    fn remove(&mut self, hub: &Arc<Hub>) {
        let hubs = self.of(hub.framing);
        if hubs.get(&hub.path).is_some_and(|found| Arc::ptr_eq(found, hub)) {
            hubs.remove(&hub.path);
        }
    }
}

/// What a subscriber wants beside the stream itself.
#[derive(Debug, Clone)]
pub(crate) struct Wants {
    pub(crate) framing: Framing,
    /// A cursor that the client echoed and that is not behind the current interval.
    pub(crate) own_cursor: u64,
    /// Also what is not stored.
    pub(crate) ephemeral: bool,
    /// Sent before everything else.
    pub(crate) preamble: Option<Bytes>,
}

/// The hubs of all streams with live subscribers.
pub(crate) struct Fanout {
    hubs: Mutex<Hubs>,
    ring_bytes_max: usize,
    rings_bytes_max: usize,
    rings_bytes: AtomicUsize,
}

/// How live delivery stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standings {
    /// Streams with subscribers.
    pub(crate) hubs: u64,
    /// Subscribers that have something left to take.
    pub(crate) lagging: u64,
    /// How far the last of them is behind, in units of its stream.
    pub(crate) lag_max: u64,
    /// Encoded frames that are kept.
    pub(crate) ring_bytes: u64,
}

/// Who follows one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Following {
    /// SSE answers that are open.
    pub(crate) subscribers: u64,
    /// Those of them that have something left to take.
    pub(crate) lagging: u64,
    /// How far the slowest of them is behind the tail, in units of the stream.
    pub(crate) lag_max: u64,
}

impl Fanout {
    /// `ring_bytes_max` bounds one hub's ring, `rings_bytes_max` all of them together.
    pub(crate) fn new(ring_bytes_max: usize, rings_bytes_max: usize) -> Self {
        Self { hubs: Mutex::default(), ring_bytes_max, rings_bytes_max, rings_bytes: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Hubs> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a subscriber that goes on after `first`.
    pub(crate) async fn subscribe(
        &self,
        app: &Arc<App>,
        path: &StreamPath,
        mut slot: Slot,
        first: &Page,
        wants: &Wants,
    ) -> Result<Subscriber, ReadError> {
        loop {
            let found = self.lock().of(wants.framing).get(path).cloned();
            let hub = match found {
                Some(hub) => hub,
                None => self.start(app, path, first, wants.framing).await?,
            };
            match Subscriber::join(app, hub.clone(), slot, first, wants) {
                Ok(subscriber) => return Ok(subscriber),
                // It ended in between; the next one takes its place.
                Err(back) => slot = back,
            }
            self.forget(&hub);
        }
    }

    /// Passes on to who listens to a stream what is not stored; of each key only the newest counts.
    pub(crate) fn pass_on(&self, path: &StreamPath, key: &str, event: &[u8]) {
        let listening: Vec<_> = {
            let hubs = self.lock();
            [&hubs.protocol, &hubs.event_source].iter().filter_map(|hubs| hubs.get(path).cloned()).collect()
        };
        if listening.is_empty() {
            return;
        }
        let mut frame = Vec::with_capacity(event.len() + 32);
        sse::encode_frame(&mut frame, Some(EVENT_EPHEMERAL), None, &[event]);
        let frame = Bytes::from(frame);
        for hub in listening {
            hub.pass_on(key, frame.clone());
        }
    }

    async fn start(
        &self,
        app: &Arc<App>,
        path: &StreamPath,
        first: &Page,
        framing: Framing,
    ) -> Result<Arc<Hub>, ReadError> {
        let stream = app.store.watch(path).await?;
        let tail = *stream.borrow();
        let hub = Arc::new(Hub::new(path.clone(), first.stream_id, framing, tail.next_offset));
        {
            let mut hubs = self.lock();
            // Two came at once: the earlier hub goes on.
            let hubs = hubs.of(framing);
            if let Some(other) = hubs.get(path).filter(|other| !other.is_over()) {
                return Ok(other.clone());
            }
            hubs.insert(path.clone(), hub.clone());
        }
        tokio::spawn(hub.clone().run(app.clone(), stream));
        Ok(hub)
    }

    fn leave(&self, hub: &Arc<Hub>, seat: SeatIndex) {
        let mut hubs = self.lock();
        if let Some(ring_bytes) = hub.leave(seat) {
            hubs.remove(hub);
            drop(hubs);
            self.account(ring_bytes, 0);
        }
    }

    fn forget(&self, hub: &Arc<Hub>) {
        self.lock().remove(hub);
    }

    /// How live delivery stands. Looks at every subscriber: for metrics, not for every request.
    pub(crate) fn standing(&self) -> Standings {
        let hubs: Vec<_> = {
            let hubs = self.lock();
            hubs.protocol.values().chain(hubs.event_source.values()).cloned().collect()
        };
        let mut standings = Standings {
            hubs: hubs.len() as u64,
            ring_bytes: self.rings_bytes.load(Ordering::Relaxed) as u64,
            ..Standings::default()
        };
        for lag in hubs.iter().map(|hub| hub.lag()) {
            standings.lagging += lag.lagging;
            standings.lag_max = standings.lag_max.max(lag.max);
        }
        standings
    }

    /// Who follows the stream with this id at this path, and how far they are behind its tail.
    pub(crate) fn following(&self, path: &StreamPath, stream_id: u64, tail: Offset) -> Following {
        let hubs: Vec<_> = {
            let hubs = self.lock();
            [&hubs.protocol, &hubs.event_source].iter().filter_map(|hubs| hubs.get(path).cloned()).collect()
        };
        let lags = hubs.iter().filter(|hub| hub.stream_id == stream_id).map(|hub| hub.lag_behind(tail));
        lags.fold(Following::default(), |following, lag| Following {
            subscribers: following.subscribers + lag.subscribers,
            lagging: following.lagging + lag.lagging,
            lag_max: following.lag_max.max(lag.max),
        })
    }

    /// Paths that somebody follows and that begin with `prefix`, in order, after `after`, at most `limit`. Looks at
    /// all of them: for administrators, not for every request.
    pub(crate) fn followed(&self, prefix: &str, after: Option<&StreamPath>, limit: usize) -> Vec<StreamPath> {
        let hubs = self.lock();
        let paths = hubs.protocol.keys().chain(hubs.event_source.keys());
        let wanted = |path: &&StreamPath| {
            path.as_str().starts_with(prefix) && after.is_none_or(|after| path.as_str() > after.as_str())
        };
        let mut found: Vec<_> = paths.filter(wanted).cloned().collect();
        drop(hubs);
        found.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        found.dedup();
        found.truncate(limit);
        found
    }

    /// How large a ring of `own` bytes may be now. Over the common bound every ring shrinks to its newest frame.
    fn ring_bytes_allowed(&self, own: usize) -> usize {
        let others = self.rings_bytes.load(Ordering::Relaxed).saturating_sub(own);
        self.ring_bytes_max.min(self.rings_bytes_max.saturating_sub(others))
    }

    fn account(&self, before: usize, after: usize) {
        self.rings_bytes.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }
}
