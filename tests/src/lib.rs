//! End-to-end, conformance, fault and browser tests over the released artifacts: what they share.
//!
//! Nothing here links the product; it starts the binary and speaks HTTP to it, as a user would.

mod descriptors;
mod event_source;
mod exchange;
mod mark;
mod server_process;
mod vitals;
mod waits;
mod wire;

pub use descriptors::{allow_descriptors, ports};
pub use event_source::{EventSource, Frame, Manner, Opened};
pub use exchange::{Answer, Connection};
pub use mark::Mark;
pub use server_process::{ServerProcess, StartFailed, Store, server_binary};
pub use vitals::{Flatness, MIB, Sample, Stretch};
pub use waits::{Percentiles, Waits, median};
pub use wire::{AppendConnection, Subscriber};
