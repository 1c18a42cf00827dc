//! Follows a stream for the commands that do, through restarts of the server, and tells people about outages. Must
//! not know what is done with the events.

use bytes::Bytes;
use durable_sessions_client::protocol::StreamPath;
use durable_sessions_client::schema::Event;
use durable_sessions_client::{Item, Subscription, SubscriptionError};

use crate::failure::Failure;
use crate::notice::notice;
use crate::remote::advice;

/// What a follower of a stream gets.
#[derive(Debug)]
pub(crate) enum Followed {
    /// A message. It is an event unless it is invalid, which only streams that are no session's can hold.
    Message { raw: Bytes, event: Option<Box<Event>> },
    /// The next bytes of a stream that is not JSON.
    Bytes(Bytes),
    /// What came is settled; whether it is all that is there.
    Checkpoint { up_to_date: bool },
    /// The connection is gone; what was up to date may no longer be.
    Interrupted,
    /// The stream is closed and this was all of it.
    Closed,
}

/// A stream that is followed.
#[derive(Debug)]
pub(crate) struct Follower {
    subscription: Subscription,
    path: StreamPath,
    url: String,
}

impl Follower {
    pub(crate) fn new(subscription: Subscription, path: StreamPath, url: String) -> Self {
        Self { subscription, path, url }
    }

    /// What comes next. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Followed, Failure> {
        loop {
            let Some(item) = self.subscription.next().await else { return Ok(Followed::Closed) };
            match item {
                Item::Event(item) => {
                    return Ok(Followed::Message { raw: item.raw, event: Some(Box::new(item.event)) });
                }
                Item::Rejected(item) => return Ok(Followed::Message { raw: item.raw, event: None }),
                Item::Checkpoint(checkpoint) => {
                    return Ok(Followed::Checkpoint { up_to_date: checkpoint.up_to_date });
                }
                Item::Retry(retry) => {
                    if retry.attempt == 1 {
                        notice(&format!("not connected ({}); trying again", retry.cause));
                    }
                    return Ok(Followed::Interrupted);
                }
                Item::Batch(page) => {
                    if let Some(bytes) = page.bytes().filter(|bytes| !bytes.is_empty()) {
                        return Ok(Followed::Bytes(bytes.clone()));
                    }
                }
                Item::FellBack(reason) => notice(&format!("{reason}; polling instead")),
                Item::Reconnected => notice("connected again"),
                Item::BadFrame(frame) => {
                    return Err(Failure::Refused {
                        what: format!("cannot read all of {}", self.path),
                        reason: format!("{} after message {}", frame.message, frame.count),
                    });
                }
                Item::Error(error @ SubscriptionError::HistoryTrimmed { .. }) => notice(&error.to_string()),
                Item::Error(error) => return Err(self.failure(&error)),
                Item::Closed => return Ok(Followed::Closed),
                _ => {}
            }
        }
    }

    fn failure(&self, error: &SubscriptionError) -> Failure {
        let what = format!("cannot follow {}", self.path);
        match error {
            SubscriptionError::Refused { status } => {
                Failure::Refused { what, reason: format!("{error}{}", advice(*status)) }
            }
            _ => Failure::Unreachable { what, reason: error.to_string(), url: self.url.clone() },
        }
    }
}
