//! The [`StreamStore`] trait, its conformance suite, the memory engine and the embedded engine.
//!
//! This crate must not know HTTP or sessions.

mod batch;
mod embedded;
mod engine;
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
