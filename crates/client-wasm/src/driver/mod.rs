//! The driver proper, only on wasm. Must not know the layout of a batch or what an event means.
//!
//! Rules kept here: exports take `&self`; no borrow is held across an await or a call to JavaScript, since callbacks
//! re-enter; timers and the request belong to the [`link::Link`], whose end ends them.

mod connection;
mod exchange;
mod failure;
mod hooks;
mod link;
mod notice;
mod options;
mod wakeups;

pub use connection::Connection;
pub use hooks::ConnectionHooks;
pub use options::Notice;
