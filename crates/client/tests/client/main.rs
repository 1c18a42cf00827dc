//! The native client against a small server of the protocol that misbehaves on demand.

mod following;
mod operations;
mod producing;
mod support;
