//! The body of one SSE answer. It holds as little as it can: between batches there are thousands of these.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use durable_sessions_protocol::{LiveCursor, Offset, sse};
use durable_sessions_storage::{Page, ReadError};
use http_body::Frame as BodyFrame;

use super::Wants;
use super::frames::{Standing, encode_control, encode_data};
use super::hub::{Ending, Hub, SeatIndex, Take};
use super::ring::{Frame, pieces};
use crate::app::{App, Slot};
use crate::stream::unix_secs;

const PING: Bytes = Bytes::from_static(b": ping\n\n");
const CUT: &str = "cut off: too slow a reader; the control event says where it was";

/// How whoever sends an answer tells it to come to its end: it is for a reader that takes nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, ReadError>> + Send>>;

/// One subscriber of a hub, as the stream of its frames.
pub(crate) struct Subscriber {
    app: Arc<App>,
    hub: Arc<Hub>,
    seat: SeatIndex,
    next: Offset,
    deadline: Instant,
    heartbeats_seen: u32,
    /// Of a subscriber that wants what is not stored.
    ephemeral_seen: Option<u64>,
    finished: bool,
    cut: Cut,
    /// A cursor beyond the current interval, because the client echoed one that is not behind it.
    own_cursor: u64,
    /// Encoded, not yet taken by the connection.
    pending: VecDeque<Bytes>,
    reading: Option<Reading>,
    _slot: Slot,
}

impl Subscriber {
    /// Joins a hub after `first`, the page that its request read; `None` when the hub is over.
    pub(crate) fn join(
        app: &Arc<App>,
        hub: Arc<Hub>,
        slot: Slot,
        first: &Page,
        wants: &Wants,
    ) -> Result<Self, Slot> {
        let deadline = super::hub::deadline(app.config.sse_max_age, app.jitter.next());
        let Some(seated) = hub.join(deadline, first.from, wants.ephemeral) else { return Err(slot) };
        let mut subscriber = Self {
            app: app.clone(),
            hub,
            seat: seated.seat,
            next: first.from,
            deadline,
            heartbeats_seen: seated.heartbeats,
            ephemeral_seen: wants.ephemeral.then_some(seated.ephemeral),
            finished: false,
            cut: Cut::default(),
            own_cursor: wants.own_cursor,
            pending: wants.preamble.iter().cloned().collect(),
            reading: None,
            _slot: slot,
        };
        subscriber.send_page(first);
        Ok(subscriber)
    }

    /// A page that was read for this subscriber alone.
    fn send_page(&mut self, page: &Page) {
        if page.stream_id != self.hub.stream_id {
            // Deleted and created again in between: what follows belongs to another stream.
            self.finished = true;
            return;
        }
        let more = page.next < page.tail.next_offset;
        let payload: usize = page.rows.iter().map(|row| row.body().len()).sum();
        let mut out = Vec::with_capacity(payload + 256);
        self.next = page.next;
        if !page.rows.is_empty() {
            self.next = encode_data(&mut out, self.hub.framing, &page.rows, page.next, more);
        }
        let standing = match (more, page.tail.closed) {
            (true, _) => Standing::Behind,
            (false, false) => Standing::UpToDate,
            (false, true) => Standing::Closed,
        };
        // Without control events there may be nothing to say.
        let cursor = self.own_cursor.max(LiveCursor::answer(unix_secs(), None, 0).number());
        encode_control(&mut out, self.hub.framing, self.next, cursor, standing);
        if !out.is_empty() {
            self.pending.push_back(Bytes::from(out));
        }
        self.finished = standing == Standing::Closed;
    }

    /// Frames shared with the other subscribers.
    fn send_frames(&mut self, frames: &[Frame], at_tail: bool, ending: Option<Ending>) {
        if let Some(newest) = frames.last() {
            self.next = newest.end;
        }
        let last = match ending {
            Some(Ending::Closed(control)) => {
                self.finished = true;
                Some(control)
            }
            // Handled once nothing is pending.
            Some(Ending::Gone | Ending::Draining) | None => None,
        };
        if frames.iter().all(|frame| frame.cursor >= self.own_cursor) {
            self.pending.extend(pieces(frames, at_tail, last));
            return;
        }
        let mut out = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            self.pending.push_back(frame.data());
            let is_last = index + 1 == frames.len();
            if let (true, Some(control)) = (is_last, &last) {
                self.pending.push_back(control.clone());
                continue;
            }
            let standing = if is_last && at_tail { Standing::UpToDate } else { Standing::Behind };
            out.clear();
            encode_control(
                &mut out,
                self.hub.framing,
                frame.end,
                self.own_cursor.max(frame.cursor),
                standing,
            );
            self.pending.push_back(Bytes::copy_from_slice(&out));
        }
    }

    fn send_ending(&mut self, ending: Ending) {
        self.finished = true;
        match ending {
            Ending::Closed(control) => self.pending.push_back(control),
            Ending::Draining => self.pending.push_back(self.going_down()),
            Ending::Gone => {}
        }
    }

    /// Asks each client to come back at another time, or all of them would at the same.
    fn going_down(&self) -> Bytes {
        let spread_ms = u64::try_from(self.app.config.reconnect_spread.as_millis()).unwrap_or(u64::MAX);
        let wait_ms = self.app.jitter.next() % spread_ms.saturating_add(1).max(1);
        let mut out = Vec::with_capacity(64);
        sse::encode_comment(&mut out, "server shutting down");
        sse::encode_retry(&mut out, u32::try_from(wait_ms).unwrap_or(u32::MAX));
        Bytes::from(out)
    }

    /// The end for a reader that is too slow: where it was, so that it can go on from there.
    fn cut_off(&mut self) {
        self.finished = true;
        self.reading = None;
        let mut out = Vec::with_capacity(256);
        sse::encode_comment(&mut out, CUT);
        let cursor = self.own_cursor.max(LiveCursor::answer(unix_secs(), None, 0).number());
        encode_control(&mut out, self.hub.framing, self.next, cursor, Standing::Behind);
        self.pending.push_back(Bytes::from(out));
    }

    /// For whoever sends this.
    pub(crate) fn cut(&self) -> Cut {
        self.cut.clone()
    }

    fn read_on(&mut self) {
        let (store, path, from) = (self.app.store.clone(), self.hub.path.clone(), self.next);
        let limit = self.app.config.limits.sse_page_bytes_max;
        self.reading = Some(Box::pin(async move { store.read(&path, from, limit).await }));
    }
}

impl http_body::Body for Subscriber {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let this = &mut *self;
        loop {
            if let Some(piece) = this.pending.pop_front() {
                if this.pending.is_empty() {
                    // The capacity of a burst is not kept by an idle subscriber.
                    this.pending = VecDeque::new();
                }
                return Poll::Ready(Some(Ok(BodyFrame::data(piece))));
            }
            if this.finished {
                return Poll::Ready(None);
            }
            if this.cut.is_requested() {
                this.cut_off();
                continue;
            }
            if let Some(reading) = &mut this.reading {
                match std::task::ready!(reading.as_mut().poll(cx)) {
                    Ok(page) if !page.rows.is_empty() => this.send_page(&page),
                    // Trimmed, deleted or failed: the next request of the client is told.
                    Ok(_) | Err(_) => this.finished = true,
                }
                this.reading = None;
                continue;
            }
            let (next, seen) = (this.next, this.heartbeats_seen);
            match this.hub.take(this.seat, next, seen, this.ephemeral_seen, cx.waker()) {
                Take::Frames { frames, at_tail, ending } => this.send_frames(&frames, at_tail, ending),
                Take::Behind => {
                    this.app.metrics.catch_ups.inc();
                    this.read_on();
                }
                Take::Ephemeral(frames, seq) => {
                    this.ephemeral_seen = Some(seq);
                    this.pending.push_back(frames);
                }
                Take::Heartbeat(number) => {
                    this.heartbeats_seen = number;
                    this.pending.push_back(PING);
                }
                Take::End(ending) => this.send_ending(ending),
                Take::Idle if Instant::now() >= this.deadline => this.finished = true,
                Take::Idle => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.finished && self.pending.is_empty()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.app.fanout.leave(&self.hub, self.seat);
    }
}
