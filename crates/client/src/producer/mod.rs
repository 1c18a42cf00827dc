//! Appending with exactly-once delivery: the handle that applications hold. Must not decide anything; the machine does.

mod body;
mod driver;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use durable_sessions_client_core::{
    AckedAt, AppendError as Fault, Cause, Framing, Producer as Machine, ProducerConfig, ReconnectConfig,
    Refused,
};
use durable_sessions_protocol::{ContentType, ProducerEpoch, ProducerId, StreamPath};
use durable_sessions_schema::Event;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::Client;
use crate::http;
use driver::Shared;

/// Why messages are not, or may not be, in the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The message was not taken.
    #[error("not taken: {0}")]
    Refused(#[from] Refused),
    /// Messages were taken and are not, or may not be, in the stream.
    #[error("messages were lost: {0}")]
    Lost(Fault),
    /// The producer's task is gone, with its runtime or by a panic of the observer.
    #[error("the producer has stopped")]
    Stopped,
}

impl ProducerError {
    /// Whether a new producer may succeed with the same messages.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.is_retryable(),
            Self::Lost(fault) => fault.is_retryable(),
            Self::Stopped => true,
        }
    }
}

/// What happens to messages, for those who watch. Messages are numbered from 0 in the order of appending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProducerReport {
    /// In the stream, once.
    Acked {
        /// Which.
        messages: Range<u64>,
        /// Where they ended.
        at: AckedAt,
    },
    /// Not in the stream; of the batches in flight when the producer ends that is unknown if an attempt of the first went
    /// without an answer.
    Failed {
        /// Which.
        messages: Range<u64>,
        /// Why.
        error: Fault,
    },
    /// The first batch under way is sent again.
    Retry {
        /// Which attempt, from 1.
        attempt: u32,
        /// In how long.
        delay: Duration,
        /// What failed.
        cause: Cause,
    },
}

pub(crate) type Observer = Arc<dyn Fn(&ProducerReport) + Send + Sync>;

/// Configures a [`Producer`].
#[must_use]
pub struct ProducerBuilder {
    client: Client,
    path: StreamPath,
    content_type: ContentType,
    config: ProducerConfig,
    observer: Option<Observer>,
}

/// Appends messages in order, each exactly once, through lost answers and restarts of the server. Dropping it gives up
/// what is not acknowledged yet; [`close`](Self::close) waits for it.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Client {
    /// A producer with default configuration, which never gives up. The id must be new, or the epoch higher than any the
    /// id was used with: the server takes what it has seen before for a repetition.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn producer(&self, path: &StreamPath, id: ProducerId) -> Producer {
        self.producer_builder(path, id).start()
    }

    /// Configures a producer.
    pub fn producer_builder(&self, path: &StreamPath, id: ProducerId) -> ProducerBuilder {
        let mut config = ProducerConfig::new(id);
        config.timeout_ms = u64::try_from(self.http.request_timeout.as_millis()).unwrap_or(u64::MAX);
        ProducerBuilder {
            client: self.clone(),
            path: path.clone(),
            content_type: ContentType::json(),
            config,
            observer: None,
        }
    }
}

impl ProducerBuilder {
    /// The producer's session; a restarted producer takes a higher one.
    pub fn epoch(mut self, epoch: ProducerEpoch) -> Self {
        self.config.epoch = epoch;
        self
    }

    /// What the stream holds; JSON unless given. Where it is not JSON, messages are pieces of the stream, one after another.
    pub fn content_type(mut self, content_type: ContentType) -> Self {
        self.config.framing = if content_type.is_json() { Framing::Json } else { Framing::Bytes };
        self.content_type = content_type;
        self
    }

    /// Requests under way at the same time, 4 unless given. Their order is kept, whatever happens to each.
    pub fn in_flight_max(mut self, requests: usize) -> Self {
        self.config.in_flight_max = requests;
        self
    }

    /// Takes over from whoever used the id before, instead of failing.
    pub fn auto_claim(mut self, auto_claim: bool) -> Self {
        self.config.auto_claim = auto_claim;
        self
    }

    /// When and how often a batch is repeated; `max_attempts` of `u32::MAX`, the default, never gives up.
    pub fn retry(mut self, retry: ReconnectConfig) -> Self {
        self.config.retry = retry;
        self
    }

    /// Largest batch, in messages and bytes.
    pub fn batch_max(mut self, messages: usize, bytes: usize) -> Self {
        (self.config.batch_messages_max, self.config.batch_bytes_max) = (messages, bytes);
        self
    }

    /// Largest number of messages, and of their bytes, that wait for acknowledgement.
    pub fn outbox_max(mut self, messages: usize, bytes: usize) -> Self {
        (self.config.outbox_messages_max, self.config.outbox_bytes_max) = (messages, bytes);
        self
    }

    /// Calls `observer` for everything that happens to messages. It must not block.
    pub fn observer(mut self, observer: impl Fn(&ProducerReport) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Starts it. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(self) -> Producer {
        let machine = Machine::new(self.config, http::seed());
        let shared = Arc::new(Shared::new(machine));
        let driver = driver::Driver::new(
            self.client.http,
            self.path,
            shared.clone(),
            self.content_type,
            self.observer,
        );
        Producer { shared, task: tokio::spawn(driver.run()).abort_handle() }
    }
}

impl fmt::Debug for ProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerBuilder")
            .field("path", &self.path)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// Takes one message, waiting while the outbox is full. Returns its number. Cancelling this takes nothing.
    ///
    /// # Errors
    /// [`ProducerError::Refused`] or [`ProducerError::Stopped`].
    pub async fn append(&self, message: impl AsRef<[u8]>) -> Result<u64, ProducerError> {
        loop {
            let room = self.shared.room.notified();
            tokio::pin!(room);
            // Registered before looking, so that room made in between is not missed.
            room.as_mut().enable();
            match self.try_append(message.as_ref()) {
                Err(ProducerError::Refused(Refused::Full)) => room.await,
                result => return result,
            }
        }
    }

    /// Takes one message, or refuses at once when the outbox is full.
    ///
    /// # Errors
    /// [`ProducerError::Refused`] or [`ProducerError::Stopped`].
    pub fn try_append(&self, message: &[u8]) -> Result<u64, ProducerError> {
        self.shared.append(message)
    }

    /// Takes one event, waiting while the outbox is full.
    ///
    /// # Errors
    /// [`ProducerError::Refused`] or [`ProducerError::Stopped`].
    pub async fn append_event(&self, event: &Event) -> Result<u64, ProducerError> {
        self.append(event.to_json()).await
    }

    /// Waits until every message appended before is in the stream.
    ///
    /// # Errors
    /// [`ProducerError::Lost`] with the first loss that no earlier flush has told, once all are settled;
    /// [`ProducerError::Stopped`].
    pub async fn flush(&self) -> Result<(), ProducerError> {
        let (sender, receiver) = oneshot::channel();
        self.shared.flush(sender);
        receiver.await.map_err(|_| ProducerError::Stopped)?.map_err(ProducerError::Lost)
    }

    /// Waits until everything is in the stream, then ends the producer. The stream stays open.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn close(self) -> Result<(), ProducerError> {
        self.flush().await
    }

    /// Messages not settled yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.pending()
    }

    /// Does not wait for the next attempt: the application believes that the server is back.
    pub fn retry_now(&self) {
        self.shared.retry_now();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let pending = self.pending();
        if pending > 0 {
            tracing::warn!(
                id = "client.producer_dropped",
                pending,
                "producer dropped with messages not acknowledged"
            );
        }
        self.task.abort();
    }
}
