//! The driver proper, only on wasm: the state machine of the core behind a few calls. Must not know the layout of a
//! batch or what an event means.
//!
//! The machine decides, and JavaScript, which has promises and timers, carries out: `pkg/src/driver.ts` opens
//! requests, reads bodies and sets timers as the notices say, and reports what came of it. Promises awaited from here
//! would cost several times the code.
//!
//! Rules kept here: exports take `&self`; no borrow is held across a call to JavaScript, since callbacks re-enter.

mod answer;
mod connection;
mod hooks;
mod link;
mod notice;

pub use connection::Connection;
pub use hooks::ConnectionHooks;
pub use notice::Notice;
