//! The idempotent producer as a machine (PROTOCOL.md section 5.2.1): messages go in, requests come out, and every
//! message ends acknowledged once or with an error. Must not know how requests are made or what time it is.

mod config;
mod error;
mod io;
mod machine;
mod outbox;
#[cfg(test)]
mod tests;
mod window;

pub use config::ProducerConfig;
pub use error::{AppendError, Refused};
pub use io::{AckedAt, AppendAnswer, AppendRequest, FlushMark, ProducerInput, ProducerOutput, ProducerTimer};
pub use machine::Producer;
pub use outbox::Framing;
