//! Appends events exactly once, through restarts of the server, and tells people about outages. Must not know which
//! command appends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use durable_sessions_client::protocol::StreamPath;
use durable_sessions_client::{
    Producer, ProducerBuilder, ProducerError, ProducerFault, ProducerReport, Refused,
};

use crate::failure::Failure;
use crate::notice::notice;
use crate::remote::advice;

/// A producer of one stream.
#[derive(Debug)]
pub(crate) struct Appender {
    producer: Producer,
    watch: Arc<Watch>,
    path: StreamPath,
    url: String,
}

/// What has become of the events, as the producer reports it.
#[derive(Debug, Default)]
struct Watch {
    acknowledged: AtomicU64,
    is_out: AtomicBool,
    last_cause: Mutex<Option<String>>,
}

impl Watch {
    fn report(&self, report: &ProducerReport) {
        match report {
            ProducerReport::Acked { messages, .. } => {
                self.acknowledged.fetch_add(messages.end - messages.start, Ordering::Relaxed);
                if self.is_out.swap(false, Ordering::Relaxed) {
                    notice("the server answers again");
                }
            }
            ProducerReport::Retry { cause, .. } => {
                let cause = cause.to_string();
                if !self.is_out.swap(true, Ordering::Relaxed) {
                    notice(&format!("the server does not answer ({cause}); trying again"));
                }
                *self.last_cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
            }
            _ => {}
        }
    }
}

impl Appender {
    /// Starts the producer. Must be called within a runtime.
    pub(crate) fn start(builder: ProducerBuilder, path: StreamPath, url: String) -> Self {
        let watch = Arc::new(Watch::default());
        let watching = Arc::clone(&watch);
        let producer = builder.observer(move |report| watching.report(report)).start();
        Self { producer, watch, path, url }
    }

    /// Takes an event, waiting while too many are on their way.
    pub(crate) async fn append(&self, event: &[u8]) -> Result<(), Failure> {
        match self.producer.append(event).await {
            Ok(_) => Ok(()),
            // Why the producer failed is what the next flush tells.
            Err(ProducerError::Refused(Refused::Failed)) => self.flush().await,
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Waits until all events are in the stream.
    pub(crate) async fn flush(&self) -> Result<(), Failure> {
        self.producer.flush().await.map_err(|error| self.failure(&error))
    }

    /// How many events are in the stream for sure.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.watch.acknowledged.load(Ordering::Relaxed)
    }

    /// Why the server last did not answer.
    pub(crate) fn last_cause(&self) -> Option<String> {
        self.watch.last_cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failure(&self, error: &ProducerError) -> Failure {
        let what = format!("cannot append to {} ({} appended before)", self.path, self.acknowledged());
        match error {
            ProducerError::Lost(ProducerFault::AttemptsExhausted { .. }) => {
                Failure::Unreachable { what, reason: error.to_string(), url: self.url.clone() }
            }
            ProducerError::Lost(ProducerFault::Refused { status }) => {
                Failure::Refused { what, reason: format!("{error}{}", advice(*status)) }
            }
            _ => Failure::Refused { what, reason: error.to_string() },
        }
    }
}
