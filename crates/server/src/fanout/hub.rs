//! One stream with live subscribers: follows its tail, encodes each batch once, and wakes whoever waits.
//!
//! A hub exists only while there are subscribers. Its one task owns every timer of theirs: the heartbeat falls due
//! for all of them at the same time, and the ends of their lives are looked up when the earliest is near.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use durable_sessions_protocol::{LiveCursor, Offset, StreamPath};
use durable_sessions_storage::{Tail, TailWatch};
use tokio::sync::Notify;

use super::ephemeral::Lane;
use super::frames::{Framing, Standing, encode_control};
use super::ring::{Frame, Ring};
use crate::app::{App, until_draining};
use crate::stream::unix_secs;

/// Ends of subscribers' lives are rounded up to this, so that many share one wake-up of the hub.
const DEADLINE_STEP: Duration = Duration::from_millis(250);

/// About how much a subscriber takes at once: what it holds is no part of the ring's bound any more.
const TAKE_BYTES_MAX: usize = 256 << 10;

/// Why a hub is over. Its subscribers end after what is pending.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// The stream is closed; this is its last control event.
    Closed(Bytes),
    /// The stream was deleted or has expired, or the store failed. The next request says which.
    Gone,
    /// The server is going down.
    Draining,
}

/// What a subscriber is to do next.
#[derive(Debug)]
pub(crate) enum Take {
    /// Send these, and then this control event if the stream has ended with them.
    Frames { frames: Vec<Frame>, at_tail: bool, ending: Option<Ending> },
    /// Read from storage: the ring does not have it.
    Behind,
    /// Send what is not stored, up to this number.
    Ephemeral(Bytes, u64),
    /// Send a comment; this is the number of the heartbeat.
    Heartbeat(u32),
    /// Nothing is left to send.
    End(Ending),
    /// Wait; the waker is kept.
    Idle,
}

pub(crate) struct Hub {
    pub(crate) path: StreamPath,
    pub(crate) stream_id: u64,
    pub(crate) framing: Framing,
    inner: Mutex<Inner>,
    /// Wakes the hub's task: the last subscriber left, or one came that must be woken earlier than all others.
    changed: Notify,
}

struct Inner {
    ring: Ring,
    lane: Lane,
    ending: Option<Ending>,
    heartbeats: u32,
    last_sent: Instant,
    /// Earliest deadline of a subscriber, or earlier.
    earliest: Instant,
    /// When the task wakes next by itself.
    wakes_at: Instant,
    seats: Vec<Option<Seat>>,
    free: Vec<u32>,
}

struct Seat {
    deadline: Instant,
    /// Up to where it has taken.
    next: Offset,
    /// Wants what is not stored as well.
    ephemeral: bool,
    waker: Option<Waker>,
}

/// How far the subscribers of a hub are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lag {
    /// All of them.
    pub(super) subscribers: u64,
    /// Those that have something left to take.
    pub(super) lagging: u64,
    /// The largest distance to the tail.
    pub(super) max: u64,
}

/// What a subscriber is told when it takes its seat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seated {
    pub(crate) seat: SeatIndex,
    /// The number of the last heartbeat.
    pub(crate) heartbeats: u32,
    /// The number of the newest frame that is not stored.
    pub(crate) ephemeral: u64,
}

/// A place of one subscriber in a hub.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeatIndex(u32);

impl Hub {
    pub(crate) fn new(path: StreamPath, stream_id: u64, framing: Framing, tail: Offset) -> Self {
        let now = Instant::now();
        Self {
            path,
            stream_id,
            framing,
            inner: Mutex::new(Inner {
                ring: Ring::new(tail),
                lane: Lane::default(),
                ending: None,
                heartbeats: 0,
                last_sent: now,
                earliest: now + Duration::from_secs(3600),
                wakes_at: now,
                seats: Vec::new(),
                free: Vec::new(),
            }),
            changed: Notify::new(),
        }
    }

    // Nothing that runs under the lock can panic half way through a change.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat; `None` when the hub is over.
    pub(crate) fn join(&self, deadline: Instant, next: Offset, ephemeral: bool) -> Option<Seated> {
        let mut inner = self.lock();
        if inner.ending.is_some() {
            return None;
        }
        let seat = Seat { deadline, next, ephemeral, waker: None };
        let index = match inner.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(inner.seats.len()).ok()?;
                inner.seats.push(None);
                index
            }
        };
        inner.seats[index as usize] = Some(seat);
        if deadline < inner.earliest {
            inner.earliest = deadline;
            if deadline < inner.wakes_at {
                self.changed.notify_one();
            }
        }
        Some(Seated { seat: SeatIndex(index), heartbeats: inner.heartbeats, ephemeral: inner.lane.seq() })
    }

    /// Gives a seat back. When it was the last one, the hub is over in the same step, so that nobody can join it
    /// any more, and the size of its ring is returned.
    pub(crate) fn leave(&self, seat: SeatIndex) -> Option<usize> {
        let mut inner = self.lock();
        if inner.seats.get_mut(seat.0 as usize).and_then(Option::take).is_some() {
            inner.free.push(seat.0);
        }
        if inner.free.len() < inner.seats.len() {
            return None;
        }
        if inner.ending.is_none() {
            inner.ending = Some(Ending::Gone);
        }
        let bytes = inner.ring.bytes();
        inner.ring.clear();
        drop(inner);
        self.changed.notify_one();
        Some(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().ending.is_some()
    }

    /// What comes after `next`; keeps the waker when there is nothing. `ephemeral_seen` of a subscriber that wants it.
    pub(crate) fn take(
        &self,
        seat: SeatIndex,
        next: Offset,
        heartbeats_seen: u32,
        ephemeral_seen: Option<u64>,
        waker: &Waker,
    ) -> Take {
        let mut inner = self.lock();
        if let Some(Some(seat)) = inner.seats.get_mut(seat.0 as usize) {
            seat.next = next;
        }
        let tail = inner.ring.tail();
        if next < tail {
            return match inner.ring.since(next, TAKE_BYTES_MAX) {
                Some(frames) => {
                    let at_tail = frames.last().is_some_and(|newest| newest.end == tail);
                    let ending = inner.ending.clone().filter(|_| at_tail);
                    Take::Frames { frames, at_tail, ending }
                }
                // Who lags is not read to in the last moments; the client resumes from its cursor.
                None if matches!(inner.ending, Some(Ending::Draining)) => Take::End(Ending::Draining),
                None => Take::Behind,
            };
        }
        if let Some(ending) = &inner.ending {
            return Take::End(ending.clone());
        }
        if let Some(frames) = ephemeral_seen.and_then(|seen| inner.lane.since(seen)) {
            return Take::Ephemeral(frames, inner.lane.seq());
        }
        if inner.heartbeats != heartbeats_seen {
            return Take::Heartbeat(inner.heartbeats);
        }
        if let Some(Some(seat)) = inner.seats.get_mut(seat.0 as usize) {
            match &mut seat.waker {
                Some(kept) => kept.clone_from(waker),
                empty => *empty = Some(waker.clone()),
            }
        }
        Take::Idle
    }

    /// How far its subscribers are behind the newest frame.
    pub(super) fn lag(&self) -> Lag {
        let tail = self.tail();
        self.lag_behind(tail)
    }

    /// The same behind a tail that the caller has looked up.
    pub(super) fn lag_behind(&self, tail: Offset) -> Lag {
        let inner = self.lock();
        let seats = inner.seats.iter().flatten();
        let behind = seats.map(|seat| tail.position().saturating_sub(seat.next.position()));
        behind.fold(Lag::default(), |lag, behind| Lag {
            subscribers: lag.subscribers + 1,
            lagging: lag.lagging + u64::from(behind > 0),
            max: lag.max.max(behind),
        })
    }

    fn tail(&self) -> Offset {
        self.lock().ring.tail()
    }

    /// Whether anybody may still want it: what the ring of a hub takes when it is over nobody would give back.
    fn publish(&self, frame: Frame, app: &App) -> bool {
        let mut inner = self.lock();
        if inner.ending.is_some() {
            return false;
        }
        let before = inner.ring.bytes();
        inner.ring.push(frame);
        inner.ring.trim(app.fanout.ring_bytes_allowed(before));
        app.fanout.account(before, inner.ring.bytes());
        inner.last_sent = Instant::now();
        let wakers = inner.take_wakers(|_| true);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// Passes a frame on that is not stored; the hub's task wakes who wants it.
    pub(crate) fn pass_on(&self, key: &str, frame: Bytes) {
        let mut inner = self.lock();
        let wanted = inner.seats.iter().flatten().any(|seat| seat.ephemeral);
        if wanted && inner.lane.put(key, frame, Instant::now()) {
            drop(inner);
            self.changed.notify_one();
        }
    }

    fn end(&self, ending: Ending) {
        let mut inner = self.lock();
        inner.ending = Some(ending);
        let wakers = inner.take_wakers(|_| true);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// When a heartbeat or the end of a subscriber's life falls due next.
    fn next_due(&self, heartbeat: Duration) -> Instant {
        let mut inner = self.lock();
        let due = inner.earliest.min(inner.last_sent + heartbeat);
        inner.wakes_at = inner.lane.due().map_or(due, |ephemeral| ephemeral.min(due));
        inner.wakes_at
    }

    fn on_timer(&self, now: Instant, app: &App) {
        let mut inner = self.lock();
        let silent = now >= inner.last_sent + app.config.heartbeat;
        if silent {
            inner.heartbeats = inner.heartbeats.wrapping_add(1);
            inner.last_sent = now;
            // Who has not taken a frame after such a silence reads it from storage.
            let before = inner.ring.bytes();
            inner.ring.clear();
            app.fanout.account(before, 0);
        }
        let passed_on = inner.lane.wake(now);
        let wakers =
            inner.take_wakers(|seat| silent || seat.deadline <= now || (passed_on && seat.ephemeral));
        let coming = inner.seats.iter().flatten().map(|seat| seat.deadline).filter(|&at| at > now).min();
        inner.earliest = coming.unwrap_or(now + Duration::from_secs(3600));
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The life of a hub: one task, until its subscribers or its stream are gone.
    pub(crate) async fn run(self: Arc<Self>, app: Arc<App>, mut stream: TailWatch) {
        let mut draining = app.draining.clone();
        stream.mark_changed();
        loop {
            let due = tokio::time::Instant::from_std(self.next_due(app.config.heartbeat));
            tokio::select! {
                biased;
                () = until_draining(&mut draining) => {
                    // What is already durable still goes out, before the end.
                    let tail = *stream.borrow_and_update();
                    let ending = self.follow(&app, tail).await;
                    return self.end(ending.unwrap_or(Ending::Draining));
                }
                changed = stream.changed() => if changed.is_err() {
                    return self.end(Ending::Gone);
                },
                () = self.changed.notified() => if self.lock().ending.is_some() {
                    return;
                },
                () = tokio::time::sleep_until(due) => self.on_timer(due.into_std(), &app),
            }
            let tail = *stream.borrow_and_update();
            if let Some(ending) = self.follow(&app, tail).await {
                return self.end(ending);
            }
        }
    }

    /// Publishes everything up to the tail.
    async fn follow(&self, app: &App, tail: Tail) -> Option<Ending> {
        if tail.deleted {
            return Some(Ending::Gone);
        }
        let mut at = self.tail();
        while at < tail.next_offset {
            let page = match app.store.read(&self.path, at, app.config.limits.sse_page_bytes_max).await {
                Ok(page) if page.stream_id == self.stream_id && !page.rows.is_empty() => page,
                Ok(_) => return Some(Ending::Gone),
                Err(error) => {
                    tracing::warn!(error_id = "hub-read-failed", %error, "live subscribers are let go");
                    return Some(Ending::Gone);
                }
            };
            let more = page.next < page.tail.next_offset;
            let cursor = LiveCursor::answer(unix_secs(), None, 0).number();
            let frame = Frame::encode(self.framing, &page.rows, (page.from, page.next), more, cursor);
            at = frame.end;
            if !self.publish(frame, app) {
                return Some(Ending::Gone);
            }
        }
        tail.closed.then(|| {
            let mut control = Vec::with_capacity(128);
            encode_control(&mut control, self.framing, at, 0, Standing::Closed);
            Ending::Closed(Bytes::from(control))
        })
    }
}

impl Inner {
    fn take_wakers(&mut self, which: impl Fn(&Seat) -> bool) -> Vec<Waker> {
        self.seats
            .iter_mut()
            .flatten()
            .filter(|seat| which(seat))
            .filter_map(|seat| seat.waker.take())
            .collect()
    }
}

/// When a subscriber that comes now is to go: after `max_age`, a tenth more or less, rounded.
pub(crate) fn deadline(max_age: Duration, jitter: u64) -> Instant {
    let spread = max_age / 5;
    let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX).max(1);
    let age = max_age - spread / 2 + Duration::from_nanos(jitter % nanos);
    let step = DEADLINE_STEP.min(max_age / 4).max(Duration::from_millis(1));
    let steps = age.as_nanos().div_ceil(step.as_nanos());
    Instant::now() + step * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::broken_app;
    use durable_sessions_storage::Batch;

    #[tokio::test]
    async fn what_comes_after_the_last_subscriber_takes_no_memory() {
        let (app, _, path) = broken_app(|_| {}).await;
        let frame = |at: u64| {
            let row = Batch::message(Bytes::from_static(b"1")).unwrap();
            Frame::encode(Framing::Json, &[row], (Offset::new(at), Offset::new(at + 1)), false, 5)
        };
        let hub = Hub::new(path, 1, Framing::Json, Offset::ZERO);
        let seated = hub.join(deadline(Duration::from_secs(60), 0), Offset::ZERO, false).unwrap();
        assert!(hub.publish(frame(0), &app));
        assert!(app.fanout.standing().ring_bytes > 0);
        let bytes = hub.leave(seated.seat).unwrap();
        app.fanout.account(bytes, 0);
        // Its task was reading when the last one left.
        assert!(!hub.publish(frame(1), &app));
        assert_eq!(app.fanout.standing().ring_bytes, 0);
    }
}
