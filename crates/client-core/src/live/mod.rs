//! A subscription over either live mode of the protocol: SSE, or long-poll where SSE does not work (PROTOCOL.md sections
//! 5.6 to 5.8). It wraps the subscription machine: what polls bring is given to it as the frames it would have read, so
//! that positions, attempts and states have one home. Must not know how requests are made or what time it is.

mod batches;
mod content;
mod events;
mod io;
mod machine;
mod modes;
#[cfg(test)]
mod tests;

pub use batches::{BatchProblem, BatchSink, Batches};
pub use content::Content;
pub use events::Events;
pub use io::{FallbackReason, LiveHead, LiveInput, LiveOutput, LiveRequest, LiveTimer, ReadMode};
pub use machine::Live;
pub use modes::{LiveConfig, LiveModes};
