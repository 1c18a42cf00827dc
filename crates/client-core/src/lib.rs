//! The client without IO: machines that take bytes, answers and the time, and say what to do next. The browser and
//! the native client drive the same ones.
//!
//! This crate must not know tokio, web-sys, clocks or randomness.

mod backoff;
mod cause;
mod live;
mod producer;
mod random;
mod retry_after;
mod subscription;
mod time;

pub use backoff::{Backoff, RETRY_AFTER_MS_MAX, ReconnectConfig};
pub use cause::{Cause, Detail, Failure};
pub use live::{
    BatchProblem, BatchSink, Batches, Content, Events, FallbackReason, Live, LiveConfig, LiveHead, LiveInput,
    LiveModes, LiveOutput, LiveRequest, LiveTimer, ReadMode,
};
pub use producer::{
    AckedAt, AppendAnswer, AppendError, AppendRequest, FlushMark, Framing, Producer, ProducerConfig,
    ProducerInput, ProducerOutput, ProducerTimer, Refused,
};
pub use retry_after::{message_count, retry_after_ms};
pub use subscription::{
    ConnectionState, EventSink, FrameProblem, From, Input, LostInfo, MalformedControl, OpenRequest, Output,
    ResponseHead, Stats, Subscription, SubscriptionConfig, SubscriptionError, TimerKind,
};
pub use time::Millis;
