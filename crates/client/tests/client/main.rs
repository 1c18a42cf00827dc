//! The native client against a small server of the protocol that misbehaves on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests and their server assert")]

mod faults;
mod following;
mod operations;
mod polling;
mod producing;
mod support;
