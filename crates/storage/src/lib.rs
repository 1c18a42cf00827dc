//! The [`StreamStore`] trait, its conformance suite, the memory engine and the embedded engine.
//!
//! This crate must not know HTTP or sessions.

mod batch;
mod engine;
mod error;
mod options;
mod store;

pub use batch::{Batch, BatchError};
pub use error::{AppendError, CreateError, DeleteError, OpenError, ReadError};
pub use options::{Clock, ManualClock, StoreOptions, SystemClock};
pub use store::{
    Append, Appended, AttributesChange, CreateStream, Created, Durability, Fork, Lifetime, Page, StoreHealth,
    StreamHead, StreamStore, Tail,
};
