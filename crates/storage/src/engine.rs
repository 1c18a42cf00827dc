//! What a local store asks of an engine: a sorted map of bytes with atomic, durable batches. Engines must not
//! know what the keys and values mean.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::Durability;

/// Why an engine failed. The text is for operators.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct EngineError(pub(crate) String);

/// A sorted map of byte keys, changed by atomic batches.
pub(crate) trait Engine: Send + Sync + 'static {
    /// What a commit with `sync` means here.
    fn durability(&self) -> Durability;

    /// Whether a read may wait for a disk.
    fn is_blocking(&self) -> bool;

    /// Bytes that still fit, when there is a ceiling.
    fn room_bytes(&self) -> Option<u64>;

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits `from <= key < to` in ascending order until told to stop.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError>;

    /// The last entry with `from <= key < to`.
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, Bytes)>, EngineError>;

    /// Makes all of a batch visible and, with `sync`, durable; or nothing of it.
    fn commit(&self, writes: &Writes, sync: bool) -> Result<(), EngineError>;

    /// Releases the medium; everything after fails.
    fn close(&self);
}

/// What a scan does with an entry: `Break` stops it.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], Bytes) -> ControlFlow<()> + 'v;

/// A batch of changes. Keys and values live in one buffer that is used again, so that an append costs no
/// allocation of its own here, and the checksum of a value runs over bytes that are in the cache anyway.
#[derive(Default)]
pub(crate) struct Writes {
    arena: Vec<u8>,
    ops: Vec<WriteOp>,
}

struct WriteOp {
    key_end: usize,
    /// `None` deletes.
    value_end: Option<usize>,
}

/// One change: `None` deletes.
pub(crate) struct Write<'w> {
    pub(crate) key: &'w [u8],
    pub(crate) value: Option<&'w [u8]>,
}

/// The buffer is given back down to this between groups: one huge group must not pin it for good.
const ARENA_BYTES_KEPT: usize = 4 << 20;

impl Writes {
    /// Puts what `fill` appends to the buffer.
    pub(crate) fn put(&mut self, key: &[u8], fill: impl FnOnce(&mut Vec<u8>)) {
        self.arena.extend_from_slice(key);
        let key_end = self.arena.len();
        fill(&mut self.arena);
        self.ops.push(WriteOp { key_end, value_end: Some(self.arena.len()) });
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.arena.extend_from_slice(key);
        self.ops.push(WriteOp { key_end: self.arena.len(), value_end: None });
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Write<'_>> {
        let mut start = 0;
        self.ops.iter().map(move |op| {
            let key = &self.arena[start..op.key_end];
            start = op.value_end.unwrap_or(op.key_end);
            Write { key, value: op.value_end.map(|end| &self.arena[op.key_end..end]) }
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.ops.clear();
        self.arena.clear();
        self.arena.shrink_to(ARENA_BYTES_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_come_back_as_they_went_in() {
        let mut writes = Writes::default();
        writes.put(b"k1", |value| value.extend_from_slice(b"h:body"));
        writes.delete(b"k2");
        writes.put(b"k3", |value| value.extend_from_slice(b""));
        let all: Vec<_> = writes.iter().map(|w| (w.key, w.value)).collect();
        assert_eq!(
            all,
            [(&b"k1"[..], Some(&b"h:body"[..])), (&b"k2"[..], None), (&b"k3"[..], Some(&b""[..]))]
        );
        writes.clear();
        assert!(writes.is_empty());
    }
}
