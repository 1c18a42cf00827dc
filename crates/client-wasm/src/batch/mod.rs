//! The delivery to JavaScript: everything a network chunk brought, as one JSON array of values and one word per item.
//!
//! `JSON.parse` of values alone, in schema order, with the raw JSON of open fields spliced in, is what makes the
//! client faster than one that parses and validates in JavaScript: no property names are read there, and objects come
//! from constructors of constant shape. Pure Rust: must not know JavaScript, connections or timers.
//!
//! | word, bits 0..8 | values | bits above |
//! |---|---|---|
//! | position of the event in the schema's table | id, timestamp, fields in schema order without absent ones, `meta`?, extras? | 8 `meta` follows, 9 extras follow, 10.. bit i: field i is absent |
//! | [`UNKNOWN`](word::UNKNOWN) | id, type, timestamp, data, `meta`? | 8 `meta` follows |
//! | [`REJECTED`](word::REJECTED) | code, reason, event type or null, path or null, expected, came, offset | |
//! | [`CONTROL`](word::CONTROL) | cursor, offset? | 8 up to date, 9 closed, 10 offset follows (otherwise it is that of the item before) |
//! | [`POSITION`](word::POSITION) | offset that the next event counts on from | |
//!
//! Timestamps are differences from the one before in the batch, the first from 0. A field of kind `Id` that is the
//! number 0 stands for the same id as in the last event of that kind in the batch.

mod ascii;
mod buffer;
mod encoder;
mod repeats;
mod text;
pub mod word;

pub use encoder::{Batch, BatchEncoder};
