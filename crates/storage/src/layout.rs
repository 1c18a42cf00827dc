//! The persisted layout: keys and values of everything a local store keeps in an engine. Must not know engines.
//!
//! All integers in keys are big endian, so that byte order is order of ids and positions; integers in values
//! are little endian. One keyspace; the first byte of a key is its tag:
//!
//! | tag | key | value |
//! |---|---|---|
//! | `f` | `f` | [`FORMAT`] as u32 |
//! | `i` | `i` | next stream id, u64 |
//! | `m` | `m` id | [`StreamRecord`]: all about a stream but its content, producers and attributes |
//! | `a` | `a` id | attributes: version, time, value |
//! | `p` | `p` id producer-id | producer: epoch, sequence |
//! | `r` | `r` id first-position | row: what one append carried |
//! | `d` | `d` id | empty: the stream is deleted, its rows are being given back |
//!
//! Values of `m`, `a`, `p` and `r` start with a checksum (xxh3, 64 bits) over the key and the rest, so that a
//! damaged or misplaced value is noticed whatever the engine does. Stream ids are never used again.

mod record;
mod row;

pub(crate) use record::{ForkRecord, StreamRecord};
pub(crate) use row::{Row, put_row, read_row};

use bytes::Bytes;
use durable_sessions_protocol::{ProducerEpoch, ProducerId, ProducerSeq};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::engine::Writes;
use crate::semantics::ProducerState;

/// The version of this layout. Anything else in a directory is refused at opening.
pub(crate) const FORMAT: u32 = 2;

pub(crate) const KEY_FORMAT: &[u8] = b"f";
pub(crate) const KEY_NEXT_ID: &[u8] = b"i";
pub(crate) const TAG_STREAM: u8 = b'm';
pub(crate) const TAG_ATTRIBUTES: u8 = b'a';
pub(crate) const TAG_PRODUCER: u8 = b'p';
pub(crate) const TAG_ROW: u8 = b'r';
pub(crate) const TAG_DELETED: u8 = b'd';

/// A stored value that does not mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored value is damaged")]
pub(crate) struct Damaged;

pub(crate) fn id_key(tag: u8, id: u64) -> [u8; 9] {
    let mut key = [tag; 9];
    key[1..].copy_from_slice(&id.to_be_bytes());
    key
}

pub(crate) fn row_key(id: u64, first: u64) -> [u8; 17] {
    let mut key = [TAG_ROW; 17];
    key[1..9].copy_from_slice(&id.to_be_bytes());
    key[9..].copy_from_slice(&first.to_be_bytes());
    key
}

pub(crate) fn producer_key(id: u64, producer: &ProducerId) -> Vec<u8> {
    [&id_key(TAG_PRODUCER, id)[..], producer.as_str().as_bytes()].concat()
}

/// The stream id of an `m`, `a`, `d`, `p` or `r` key.
pub(crate) fn key_id(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?))
}

/// The position of an `r` key.
pub(crate) fn key_first(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(9..17)?.try_into().ok()?))
}

/// Puts what `fill` appends, with its checksum before it.
pub(crate) fn put_checked(writes: &mut Writes, key: &[u8], fill: impl FnOnce(&mut Vec<u8>)) {
    writes.put(key, |value| {
        let start = value.len();
        value.extend_from_slice(&[0; CHECKSUM_LEN]);
        fill(value);
        let sum = checksum(key, &value[start + CHECKSUM_LEN..]);
        value[start..start + CHECKSUM_LEN].copy_from_slice(&sum.to_le_bytes());
    });
}

const CHECKSUM_LEN: usize = 8;

fn checksum(key: &[u8], rest: &[u8]) -> u64 {
    xxh3_64_with_seed(rest, xxh3_64(key))
}

/// The value behind its checksum.
fn checked<'v>(key: &[u8], value: &'v [u8]) -> Result<&'v [u8], Damaged> {
    let (sum, rest) = value.split_first_chunk::<CHECKSUM_LEN>().ok_or(Damaged)?;
    if u64::from_le_bytes(*sum) == checksum(key, rest) { Ok(rest) } else { Err(Damaged) }
}

pub(crate) fn put_producer(writes: &mut Writes, id: u64, producer: &ProducerId, state: ProducerState) {
    put_checked(writes, &producer_key(id, producer), |value| {
        value.extend_from_slice(&state.epoch.number().to_le_bytes());
        value.extend_from_slice(&state.seq.number().to_le_bytes());
    });
}

pub(crate) fn read_producer(key: &[u8], value: &[u8]) -> Result<ProducerState, Damaged> {
    let mut fields = Fields(checked(key, value)?);
    let epoch = ProducerEpoch::new(fields.u64()?).map_err(|_| Damaged)?;
    let seq = ProducerSeq::new(fields.u64()?).map_err(|_| Damaged)?;
    Ok(ProducerState { epoch, seq })
}

pub(crate) fn put_attributes(writes: &mut Writes, id: u64, version: u64, at_ms: i64, attributes: &[u8]) {
    put_checked(writes, &id_key(TAG_ATTRIBUTES, id), |value| {
        value.extend_from_slice(&version.to_le_bytes());
        value.extend_from_slice(&at_ms.to_le_bytes());
        value.extend_from_slice(attributes);
    });
}

/// Version, time and value.
pub(crate) fn read_attributes(key: &[u8], value: &Bytes) -> Result<(u64, i64, Bytes), Damaged> {
    let mut fields = Fields(checked(key, value)?);
    let (version, at_ms) = (fields.u64()?, fields.i64()?);
    Ok((version, at_ms, Bytes::copy_from_slice(fields.0)))
}

/// Reads fixed fields off the front of a value.
struct Fields<'v>(&'v [u8]);

impl<'v> Fields<'v> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Damaged> {
        Ok(self.take::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, Damaged> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Damaged> {
        self.take().map(i64::from_le_bytes)
    }

    /// Bytes behind their length.
    fn bytes(&mut self) -> Result<&'v [u8], Damaged> {
        let len = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
        self.0 = rest;
        Ok(head)
    }

    fn text(&mut self) -> Result<&'v str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }
}
