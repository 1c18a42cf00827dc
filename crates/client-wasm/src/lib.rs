//! Browser and Node driver of the durable-sessions client: fetch bodies, timers and deliveries around the sans-IO
//! core. It decides nothing: when to connect, wait, give up or skip is the core's, what an event is the schema's.
//!
//! One [`Connection`] is one subscription to one stream. Every network chunk is copied once into wasm memory and
//! leaves it as one call to JavaScript with a batch (see [`batch`]); small control objects (options, states, errors)
//! go through serde-wasm-bindgen. Must not know the server or storage.

pub mod batch;
#[cfg(target_arch = "wasm32")]
mod driver;

/// A third of the default allocator's code, and this module allocates little: buffers are kept and reused.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[cfg(target_arch = "wasm32")]
pub use driver::{Connection, ConnectionHooks, Notice};
