//! The sans-IO core for browsers and Node: bytes in, batches and notices out. It decides nothing: when to connect,
//! wait, give up or skip is the core's, what an event is the schema's; and it waits for nothing: requests, bodies and
//! timers are carried out by `pkg/src/driver.ts`, which has promises for it.
//!
//! One [`Connection`] is one subscription to one stream. Every piece of a body is copied once into wasm memory and
//! leaves it as one call to JavaScript with a batch (see [`batch`]); what is to be done or told goes through
//! serde-wasm-bindgen, the head of an answer is read with gloo-net. Must not know the server or storage.

pub mod batch;
#[cfg(target_arch = "wasm32")]
mod driver;

/// A third of the default allocator's code, and this module allocates little: buffers are kept and reused.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[cfg(target_arch = "wasm32")]
pub use driver::{Connection, ConnectionHooks, Notice};
