//! The [`StreamStore`] trait, its conformance suite, the memory engine and the embedded engine.
//!
//! This crate must not know HTTP or sessions.
//!
//! | module | what it holds |
//! |---|---|
//! | `store`, `batch`, `error` | the trait, its types and its rules |
//! | `semantics` | what streams mean: admission of appends, lifetimes; pure |
//! | `local` | a store in this process: queue, committer, windows, reads, forks |
//! | `layout` | keys and values as they are persisted |
//! | `engine`, `memory`, `embedded` | sorted maps with atomic batches: in RAM, and a log in front of fjall in a directory |
//! | `conformance` | the suite every store must pass, and a naive model of one |

mod batch;
#[cfg(any(test, feature = "conformance"))]
#[expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a suite of tests, which fail by panicking"
)]
pub mod conformance;
mod embedded;
mod engine;
#[cfg(test)]
mod engines_conform;
mod error;
mod layout;
mod local;
mod memory;
mod options;
mod semantics;
mod store;

pub use batch::{Batch, BatchError};
pub use embedded::EmbeddedStore;
pub use error::{AppendError, CreateError, DeleteError, OpenError, ReadError};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use options::{Clock, ManualClock, StoreOptions, SystemClock};
pub use store::{
    Append, Appended, AttributesChange, CreateStream, Created, Durability, Fork, Lifetime, Page, StoreHealth,
    StreamHead, StreamStore, Tail,
};
