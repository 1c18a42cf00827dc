//! A store in one process over an [`Engine`](crate::engine::Engine): one committer thread decides and writes,
//! readers read what it published. Must not know which engine it is.
//!
//! ```text
//!   append() --> bounded queue --> committer thread: group of pending operations
//!                                    decide against the writer's state (StreamState), in order
//!                                    one batch, one sync
//!                                    publish (Live: tail, window), then a parcel: answers,
//!                                    watchers; a large one is delivered by a task
//!   read()  <-- Live (window in memory), else the engine's memory, else an engine scan on a thread that may wait
//! ```
//!
//! Two copies of a stream's state keep readers and writer apart: `writer` runs ahead within a group, `live` is
//! what is durable. When a commit fails the writer's copy is void: nothing is written until it is made again from
//! what is durable, and the engine has recovered (`setback`).

mod catalog;
mod committer;
mod delivery;
mod group;
mod open;
mod producers;
mod queue;
mod read;
mod reclaim;
mod retain;
mod setback;
mod store;
mod stream;
mod tails;
#[cfg(test)]
mod tests;
mod window;

pub use store::LocalStore;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks although a holder panicked: every holder leaves a consistent value at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
