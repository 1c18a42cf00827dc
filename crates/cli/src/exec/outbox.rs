//! The queue between a running command and the server: bounded, and it never holds the command back for good.
//! Must not know what the events say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::remote::Appender;

/// Events that wait for the server; at 16 KiB of text each some 16 MiB.
const EVENTS_MAX: usize = 1024;
/// Events that are sent before their acknowledgement is awaited.
const BATCH_MAX: usize = 128;
/// How long a full queue holds the command back before output is left out.
const STALL_MAX: Duration = Duration::from_secs(5);

/// Takes events in, delivers them in order.
pub(super) struct Outbox {
    queue: mpsc::Sender<Vec<u8>>,
    /// Events that must not be left out wait here when the queue is full: start and result, so two at most.
    kept: Vec<Vec<u8>>,
    stalled: bool,
    gap_bytes: Option<u64>,
    left_out_bytes: u64,
    taken: u64,
    delivered: Arc<AtomicU64>,
    delivery: JoinHandle<Result<(), Failure>>,
}

/// How it went.
#[derive(Debug, PartialEq)]
pub(super) struct Delivery {
    taken: u64,
    delivered: u64,
    left_out_bytes: u64,
    cause: Option<String>,
}

impl Outbox {
    pub(super) fn start(appender: Appender) -> Self {
        let (queue, events) = mpsc::channel(EVENTS_MAX);
        let delivered = Arc::new(AtomicU64::new(0));
        Self {
            queue,
            kept: Vec::new(),
            stalled: false,
            gap_bytes: None,
            left_out_bytes: 0,
            taken: 0,
            delivery: tokio::spawn(deliver(appender, events, Arc::clone(&delivered))),
            delivered,
        }
    }

    /// Takes an event that may be left out when the server does not keep up; `len` bytes of output go with it.
    pub(super) async fn offer(&mut self, event: Vec<u8>, len: u64) -> bool {
        let taken = self.push(event).await.is_ok();
        if taken {
            self.taken += 1;
        } else if len > 0 {
            self.left_out_bytes += len;
            *self.gap_bytes.get_or_insert(0) += len;
        }
        taken
    }

    /// Takes an event that must not be left out.
    pub(super) async fn keep(&mut self, event: Vec<u8>) {
        self.taken += 1;
        if let Err(event) = self.push(event).await {
            self.kept.push(event);
        }
    }

    /// How many bytes of output are missing just before the next event.
    pub(super) fn gap(&self) -> Option<u64> {
        self.gap_bytes
    }

    /// The gap was marked in the session.
    pub(super) fn close_gap(&mut self) {
        self.gap_bytes = None;
    }

    async fn push(&mut self, event: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.stalled {
            // It has been waited for already: only room counts now.
            return match self.queue.try_send(event) {
                Ok(()) => {
                    self.stalled = false;
                    Ok(())
                }
                Err(TrySendError::Full(event) | TrySendError::Closed(event)) => Err(event),
            };
        }
        match self.queue.send_timeout(event, STALL_MAX).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Timeout(event) | SendTimeoutError::Closed(event)) => {
                self.stalled = true;
                Err(event)
            }
        }
    }

    /// Waits until everything is delivered, at most for `patience`.
    pub(super) async fn finish(mut self, patience: Duration) -> Delivery {
        let deadline = tokio::time::Instant::now() + patience;
        for event in std::mem::take(&mut self.kept) {
            // A failure here is counted below: what was taken and not delivered.
            let _ = tokio::time::timeout_at(deadline, self.queue.send(event)).await;
        }
        drop(self.queue);
        let abort = self.delivery.abort_handle();
        let cause = match tokio::time::timeout_at(deadline, self.delivery).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(failure))) => Some(failure.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => {
                abort.abort();
                Some(format!("the server did not answer for {}", humantime::format_duration(patience)))
            }
        };
        let delivered = self.delivered.load(Ordering::Relaxed);
        Delivery { taken: self.taken, delivered, left_out_bytes: self.left_out_bytes, cause }
    }
}

/// Sends what comes, in order, everything that waits at once.
async fn deliver(
    mut appender: Appender,
    mut events: mpsc::Receiver<Vec<u8>>,
    delivered: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let mut batch = Vec::new();
    loop {
        let count = events.recv_many(&mut batch, BATCH_MAX).await;
        if count == 0 {
            return Ok(());
        }
        for event in batch.drain(..) {
            appender.append(event).await?;
        }
        appender.flush().await?;
        delivered.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Delivery {
    /// What is missing in the session and why, in one sentence; nothing when nothing is.
    pub(super) fn report(&self) -> Option<String> {
        let missing = self.taken.saturating_sub(self.delivered);
        let cause = self.cause.as_deref().unwrap_or("the server did not keep up");
        match (missing, self.left_out_bytes) {
            (0, 0) => None,
            (0, bytes) => Some(format!("{bytes} bytes of output were not delivered: {cause}")),
            (events, 0) => Some(format!("{events} of {} events were not delivered: {cause}", self.taken)),
            (events, bytes) => Some(format!(
                "{events} of {} events and {bytes} bytes of output were not delivered: {cause}",
                self.taken
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_what_is_missing() {
        let delivery = |taken, delivered, left_out_bytes, cause: Option<&str>| Delivery {
            taken,
            delivered,
            left_out_bytes,
            cause: cause.map(str::to_owned),
        };
        assert_eq!(delivery(5, 5, 0, None).report(), None);
        assert_eq!(
            delivery(5, 3, 0, Some("gone")).report().unwrap(),
            "2 of 5 events were not delivered: gone"
        );
        assert_eq!(
            delivery(5, 5, 70, None).report().unwrap(),
            "70 bytes of output were not delivered: the server did not keep up"
        );
    }
}
