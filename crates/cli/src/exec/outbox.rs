//! Between a running command and the server: bounded, and it never holds the command back for good. Must not know
//! what the events say.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::appender::Appender;

/// How long a server that does not keep up holds the command back before output is left out.
const STALL_MAX: Duration = Duration::from_secs(5);

/// Takes events in and delivers them in order.
pub(super) struct Outbox {
    appender: Appender,
    /// Events that must not be left out wait here when there is no room: start and result, so two at most.
    kept: Vec<Vec<u8>>,
    /// The server did not keep up when it had acknowledged so many events. Until it acknowledges more, nobody waits
    /// for it again.
    stalled_at: Option<u64>,
    gap_bytes: Option<u64>,
    left_out_bytes: u64,
    taken: u64,
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
    pub(super) fn new(appender: Appender) -> Self {
        Self { appender, kept: Vec::new(), stalled_at: None, gap_bytes: None, left_out_bytes: 0, taken: 0 }
    }

    /// Takes an event that may be left out when the server does not keep up; `len` bytes of output go with it.
    pub(super) async fn offer(&mut self, event: &[u8], len: u64) -> bool {
        // Nothing may overtake what must not be left out.
        let taken = self.kept.is_empty() && self.push(event).await;
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
        if !self.push(&event).await {
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

    async fn push(&mut self, event: &[u8]) -> bool {
        let acknowledged = self.appender.acknowledged();
        if self.stalled_at == Some(acknowledged) {
            return false;
        }
        let taken = matches!(timeout(STALL_MAX, self.appender.append(event)).await, Ok(Ok(())));
        self.stalled_at = (!taken).then(|| self.appender.acknowledged());
        taken
    }

    /// Waits until everything is delivered, at most for `patience`.
    pub(super) async fn finish(mut self, patience: Duration) -> Delivery {
        let outcome = timeout_at(Instant::now() + patience, async {
            for event in std::mem::take(&mut self.kept) {
                self.appender.append(&event).await?;
            }
            self.appender.flush().await
        })
        .await;
        let cause = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(_) => Some(match self.appender.last_cause() {
                Some(cause) => format!("the server did not answer: {cause}"),
                None => format!("the server did not answer within {}", humantime::format_duration(patience)),
            }),
        };
        Delivery {
            taken: self.taken,
            delivered: self.appender.acknowledged(),
            left_out_bytes: self.left_out_bytes,
            cause,
        }
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
