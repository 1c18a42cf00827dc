//! The delivery to JavaScript: everything a network chunk brought, as four texts and one array of words.
//!
//! What costs in a browser is not validation but making strings and objects. So JavaScript parses nothing that the
//! schema has named: strings are cut out of one text that is decoded at once, numbers are words, objects come from
//! constructors of constant shape. `JSON.parse` sees open fields only, once per batch, and the long ones only if
//! somebody looks at one. Pure Rust: must not know JavaScript, connections or timers.
//!
//! | part | what it holds |
//! |---|---|
//! | `ascii` | the strings that are ASCII, decoded, one behind the other: engines keep them, and what is cut from them, in one byte per character |
//! | `wide` | the other strings, as UTF-16, likewise |
//! | `open` | one JSON array of open values, or nothing at all |
//! | `late` | another of the long ones, which is not parsed before somebody looks at one |
//! | `words` | the items; each begins with its kind and says where its values are |
//!
//! | kind, bits 0..8 of a word | values behind it | bits above |
//! |---|---|---|
//! | position of the event in the schema's table | id, timestamp, fields in schema order, `meta`?, extras? | 8 `meta` follows, 9 extras follow, 10 ephemeral: it does not count |
//! | [`UNKNOWN`](word::UNKNOWN) | id, type, timestamp, data, `meta`? | 8 `meta` follows, 10 ephemeral |
//! | [`REJECTED`](word::REJECTED) | code, reason, expected, the text before the place, the text behind it, offset; for a message the two texts are all of it | 10 not one of the stream's messages |
//! | [`CONTROL`](word::CONTROL) | cursor, offset? | 8 up to date, 9 closed, 10 offset follows (otherwise it is that of the item before) |
//! | [`POSITION`](word::POSITION) | offset that the next event counts on from | |
//!
//! | value | words |
//! |---|---|
//! | string | its length if the next piece of `ascii` is meant; the complement of its length in UTF-16 units (so the word is negative) if that of `wide` is |
//! | number | itself, or [`OPEN`](word::OPEN): the next value of `open` |
//! | timestamp | the milliseconds since the one before in the batch, or [`OPEN`](word::OPEN) and the timestamp itself in two words, the high one first |
//! | bool | 0 or 1 |
//! | any other field | [`OPEN`](word::OPEN): the next value of `open`; [`LATE`](word::LATE): the next one of `late` |
//! | an absent field | [`ABSENT`](word::ABSENT) |
//! | data of an unknown event, `meta`, extras | none: the next value of `open` |

mod buffer;
mod digits;
mod encoder;
pub mod word;

pub use encoder::{Batch, BatchEncoder};
