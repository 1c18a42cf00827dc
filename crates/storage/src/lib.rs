//! The [`StreamStore`] trait, its conformance suite, the memory engine and the embedded engine.
//!
//! This crate must not know HTTP or sessions.
//!
//! | module | what it holds |
//! |---|---|
//! | `store`, `batch`, `retention`, `tail_watch`, `error` | the trait, its types and its rules |
//! | `semantics` | what streams mean: admission of appends, lifetimes; pure |
//! | `stats` | what a store has done, as numbers |
//! | `local` | a store in this process: queue, committer, windows, reads, forks |
//! | `layout` | keys and values as they are persisted |
//! | `engine`, `memory`, `embedded` | sorted maps with atomic batches: in RAM, and a log in front of fjall in a directory |
//! | `backup` | copies of a store in one file, and the check of what a store or a copy holds |
//! | `conformance` | the suite every store must pass, and a naive model of one |

pub mod backup;
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
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), doc(hidden))]
#[expect(clippy::missing_panics_doc, reason = "a fuzz target fails by panicking")]
pub mod fuzzing;
mod layout;
mod local;
mod memory;
mod options;
#[cfg(feature = "faults")]
mod plant;
mod retention;
mod semantics;
mod stats;
mod store;
mod tail_watch;

pub use batch::{Batch, BatchError};
pub use embedded::EmbeddedStore;
#[cfg(any(test, feature = "faults"))]
pub use embedded::faults;
pub use error::{AppendError, CreateError, DeleteError, OpenError, ReadError, TrimError};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use options::{Clock, ManualClock, StoreOptions, SystemClock};
pub use retention::{Trim, Trimmed};
pub use stats::{Distribution, StoreStats};
pub use store::{
    Append, Appended, AttributesChange, CreateStream, Created, DegradedCause, Durability, Fork, Lifetime,
    Page, StoreHealth, StreamHead, StreamStore, Tail,
};
pub use tail_watch::TailWatch;
