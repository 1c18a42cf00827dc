//! How a producer behaves. Must not know what it does.

use durable_sessions_protocol::{ProducerEpoch, ProducerId, ProducerSeq};

use super::outbox::Framing;
use crate::ReconnectConfig;

/// How a producer behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct ProducerConfig {
    /// Names the producer across restarts.
    pub id: ProducerId,
    /// Its session; a restarted producer takes the next one.
    pub epoch: ProducerEpoch,
    /// The first batch's number. Not 0 only when a session is continued.
    pub first_seq: ProducerSeq,
    /// On a newer epoch at the server, take the one after it instead of failing.
    pub auto_claim: bool,
    /// How messages become a body.
    pub framing: Framing,
    /// Delays between attempts, and their number; `max_attempts` of `u32::MAX` never gives up.
    pub retry: ReconnectConfig,
    /// How long a request may go without an answer.
    pub timeout_ms: u64,
    /// Requests under way at the same time, at most; 0 counts as 1.
    pub in_flight_max: usize,
    /// Messages in one request.
    pub batch_messages_max: usize,
    /// Bytes in one request.
    pub batch_bytes_max: usize,
    /// Messages not settled yet.
    pub outbox_messages_max: usize,
    /// Bytes of messages not settled yet.
    pub outbox_bytes_max: usize,
}

impl ProducerConfig {
    /// The defaults: JSON, never gives up, up to 4 requests under way, batches up to 1000 messages or 1 MiB, outbox up to
    /// 100,000 messages or 64 MiB.
    #[must_use]
    pub fn new(id: ProducerId) -> Self {
        Self {
            id,
            epoch: ProducerEpoch::ZERO,
            first_seq: ProducerSeq::ZERO,
            auto_claim: false,
            framing: Framing::Json,
            retry: ReconnectConfig {
                initial_delay_ms: 200,
                max_delay_ms: 10_000,
                max_attempts: u32::MAX,
                ..ReconnectConfig::default()
            },
            timeout_ms: 30_000,
            in_flight_max: 4,
            batch_messages_max: 1000,
            batch_bytes_max: 1 << 20,
            outbox_messages_max: 100_000,
            outbox_bytes_max: 64 << 20,
        }
    }
}
