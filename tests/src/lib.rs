//! End-to-end, conformance, fault and browser tests over the released artifacts: what they share.
//!
//! Nothing here links the product; it starts the binary and speaks HTTP to it, as a user would.

mod exchange;
mod server_process;
mod wire;

pub use exchange::{Answer, Connection};
pub use server_process::{ServerProcess, StartFailed, Store, server_binary};
pub use wire::{AppendConnection, Subscriber};
