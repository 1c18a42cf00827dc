//! What a subscription gives to the application, in the order in which it happened.

use std::time::Duration;

use bytes::Bytes;
use durable_sessions_client_core::{
    Cause, ConnectionState, EventSink, FallbackReason, FrameProblem, LostInfo, SubscriptionError,
};
use durable_sessions_protocol::OffsetToken;
use durable_sessions_schema::{Event, EventView, Rejection};

use crate::Page;

/// One item. Counts are numbers of messages from the start of the stream, up to and including the one they come with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Item {
    /// A valid event, of [`Client::subscribe`](crate::Client::subscribe).
    Event(Box<EventItem>),
    /// What came next of a stream that is followed as it is, of [`Client::follow`](crate::Client::follow). To resume after
    /// it, start at its [`next`](Page::next).
    Batch(Box<Page>),
    /// A message that is no valid event. The stream goes on.
    Rejected(Box<RejectedItem>),
    /// A frame that could not be read. The stream goes on.
    BadFrame(BadFrame),
    /// Everything before is settled.
    Checkpoint(Checkpoint),
    /// The connection's state changed.
    State(ConnectionState),
    /// An attempt is scheduled.
    Retry(RetryNotice),
    /// SSE does not work here, so from now on the stream is polled. Nothing is lost by that, and what comes may come a
    /// little later.
    FellBack(FallbackReason),
    /// Connected again after an interruption.
    Reconnected,
    /// The connection was interrupted.
    Disconnected,
    /// Why the subscription stopped or skipped.
    Error(SubscriptionError),
    /// Given up, until [`reconnect`](super::Subscription::reconnect).
    Lost(LostInfo),
    /// The stream is closed and was read to its end. The last item.
    Closed,
}

/// A valid event.
#[derive(Debug, Clone)]
pub struct EventItem {
    /// The event.
    pub event: Event,
    /// Its JSON text as it stands in the stream.
    pub raw: Bytes,
    /// Its number.
    pub count: u64,
    /// The last checkpoint before it; none before the first. To resume just after this event, start there and skip what
    /// is not above `count`.
    pub checkpoint: Option<OffsetToken>,
}

/// A message that is no valid event.
#[derive(Debug, Clone)]
pub struct RejectedItem {
    /// What is wrong with it.
    pub rejection: Rejection,
    /// Its text.
    pub raw: Bytes,
    /// Its number.
    pub count: u64,
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// A stable word for the problem.
    pub code: &'static str,
    /// The problem in words.
    pub message: String,
    /// Number of the last message before it.
    pub count: u64,
}

/// A point to resume from: the next message read from `cursor` is the one after `count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The cursor.
    pub cursor: OffsetToken,
    /// How many messages stand before it.
    pub count: u64,
    /// Everything that existed at the server has arrived.
    pub up_to_date: bool,
    /// The stream is closed and this is its end.
    pub closed: bool,
}

/// A scheduled attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryNotice {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// In how long.
    pub delay: Duration,
    /// What failed.
    pub cause: Cause,
}

/// Collects items until the driver hands them over.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) items: Vec<Item>,
    checkpoint: Option<OffsetToken>,
    frame_start: usize,
}

impl EventSink for Collector {
    fn event(&mut self, view: &EventView<'_, '_>, count: u64) {
        let raw = Bytes::copy_from_slice(view.raw());
        match view.to_event() {
            Ok(event) => {
                let checkpoint = self.checkpoint.clone();
                self.items.push(Item::Event(Box::new(EventItem { event, raw, count, checkpoint })));
            }
            Err(fault) => {
                // The parser and the types come from one definition, so this is a fault of ours, not of the stream.
                tracing::error!(id = "client.unread_event", count, "a valid event was not read");
                self.items.push(Item::BadFrame(BadFrame {
                    code: "UNREAD_EVENT",
                    message: fault.to_string(),
                    count,
                }));
            }
        }
    }

    fn rejected(&mut self, rejection: &Rejection, raw: &[u8], count: u64) {
        let raw = Bytes::copy_from_slice(raw);
        self.items.push(Item::Rejected(Box::new(RejectedItem { rejection: rejection.clone(), raw, count })));
    }

    fn bad_frame(&mut self, problem: &FrameProblem<'_>, count: u64) {
        let message = match problem {
            FrameProblem::Syntax { rejection, .. } | FrameProblem::Ephemeral { rejection, .. } => {
                rejection.to_string()
            }
            FrameProblem::TooLarge { frame_bytes_max } => {
                format!("a frame over {frame_bytes_max} bytes was dropped")
            }
            FrameProblem::Control { problem, .. } => problem.to_string(),
            FrameProblem::Missing { messages } => {
                format!("the server counts {messages} messages that never came")
            }
        };
        self.items.push(Item::BadFrame(BadFrame { code: problem.code(), message, count }));
    }

    fn control(&mut self, cursor: &str, count: u64, up_to_date: bool, closed: bool) {
        // The machine passes on a token it has parsed, so this always reads.
        if let Ok(cursor) = cursor.parse::<OffsetToken>() {
            self.checkpoint = Some(cursor.clone());
            self.items.push(Item::Checkpoint(Checkpoint { cursor, count, up_to_date, closed }));
        }
    }

    fn checkpoint(&mut self) {
        self.frame_start = self.items.len();
    }

    fn rollback(&mut self) {
        self.items.truncate(self.frame_start);
    }
}
