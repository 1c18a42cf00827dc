//! What a local store asks of an engine: a sorted map of bytes with atomic, durable batches. Engines must not
//! know what the keys and values mean.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{Distribution, Durability};

/// Why an engine failed. The text is for operators.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum EngineError {
    /// The medium failed. After a commit that did, nothing is committed before [`Engine::recover`].
    #[error("{0}")]
    Failed(String),
    /// There is no room; nothing has changed, and reads and what gives something back go on.
    #[error("{0}")]
    Full(String),
    /// What is stored cannot be read.
    #[error("{0}")]
    Damaged(String),
}

/// A sorted map of byte keys, as readers see it.
pub(crate) trait Entries: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits `from <= key < to` in ascending order until told to stop.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError>;

    /// The last entry with `from <= key < to`.
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, Bytes)>, EngineError>;
}

/// A sorted map of byte keys, changed by atomic batches.
pub(crate) trait Engine: Entries {
    /// What a commit with `sync` means here.
    fn durability(&self) -> Durability;

    /// Whether a read may wait for a disk.
    fn is_blocking(&self) -> bool;

    /// What was committed lately, if that can be read without waiting while the rest cannot. Entries are missing
    /// there from the oldest on: what is committed after one that is there, is there too.
    fn recent(&self) -> Option<&dyn Entries> {
        None
    }

    /// Microseconds that each sync took. Empty where nothing is synced.
    fn sync_micros(&self) -> Distribution {
        Distribution::default()
    }

    /// Bytes that still fit, when there is a ceiling. Nothing of it is for changes that give something back.
    fn room_bytes(&self) -> Option<u64>;

    /// Makes all of a batch visible and, with `sync`, durable; or nothing of it.
    fn commit(&self, writes: &Writes, sync: bool) -> Result<(), EngineError>;

    /// After a commit that failed: makes the engine one again that holds everything that was committed, and nothing of
    /// what failed.
    ///
    /// # Errors
    /// When the medium still does not work; the next attempt may succeed.
    fn recover(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Everything that is committed now, as it is now, while commits go on. What it needs is kept until it is dropped.
    ///
    /// # Errors
    /// As the engine says; also when it is none that has copies.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Err(EngineError::Failed("this store keeps nothing that could be copied".into()))
    }

    /// Releases the medium; everything after fails.
    fn close(&self);
}

/// All entries at one moment.
pub(crate) trait Snapshot: Send {
    /// Visits them in ascending order until told to stop.
    fn scan(self: Box<Self>, visit: &mut Visit<'_>) -> Result<(), EngineError>;
}

/// What a scan does with an entry: `Break` stops it.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], Bytes) -> ControlFlow<()> + 'v;

/// A batch of changes, as one run of bytes that is used again: an append costs no allocation of its own here, the
/// checksum of a value runs over bytes that are in the cache anyway, and a log can keep the run as it is.
///
/// ```text
/// ( key length u16 | value length u32, or DELETED | key | value ) *     integers little endian
/// ```
#[derive(Default)]
pub(crate) struct Writes {
    encoded: Vec<u8>,
}

/// One change: `None` deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write<'w> {
    pub(crate) key: &'w [u8],
    pub(crate) value: Option<&'w [u8]>,
}

/// The buffer is given back down to this between groups: one huge group must not pin it for good.
const ENCODED_BYTES_KEPT: usize = 4 << 20;
const WRITE_HEAD_LEN: usize = 6;
const DELETED: u32 = u32::MAX;

impl Writes {
    /// Puts what `fill` appends to the buffer: less than `u32::MAX` bytes. Keys are shorter than 64 KiB.
    pub(crate) fn put(&mut self, key: &[u8], fill: impl FnOnce(&mut Vec<u8>)) {
        let head = self.encoded.len();
        self.push_key(key, 0);
        let start = self.encoded.len();
        fill(&mut self.encoded);
        let value_len = (self.encoded.len() - start) as u32;
        self.encoded[head + 2..head + WRITE_HEAD_LEN].copy_from_slice(&value_len.to_le_bytes());
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.push_key(key, DELETED);
    }

    fn push_key(&mut self, key: &[u8], value_len: u32) {
        let mut head = [0; WRITE_HEAD_LEN];
        head[..2].copy_from_slice(&(key.len() as u16).to_le_bytes());
        head[2..].copy_from_slice(&value_len.to_le_bytes());
        self.encoded.extend_from_slice(&head);
        self.encoded.extend_from_slice(key);
    }

    /// Adds a run that another one made, if it can be read to its end.
    pub(crate) fn extend_from_run(&mut self, encoded: &[u8]) -> bool {
        let is_whole = is_whole_run(encoded);
        if is_whole {
            self.encoded.extend_from_slice(encoded);
        }
        is_whole
    }

    pub(crate) fn iter(&self) -> WritesIter<'_> {
        WritesIter { encoded: &self.encoded }
    }

    /// The run of bytes; [`decode`] reads it.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.encoded.clear();
        self.encoded.shrink_to(ENCODED_BYTES_KEPT);
    }
}

/// Reads the changes of a run that [`Writes`] made. It ends early where the run is cut.
pub(crate) fn decode(encoded: &[u8]) -> WritesIter<'_> {
    WritesIter { encoded }
}

/// Whether a run can be read to its end.
pub(crate) fn is_whole_run(encoded: &[u8]) -> bool {
    let mut changes = decode(encoded);
    changes.by_ref().for_each(drop);
    changes.encoded.is_empty()
}

/// Changes in the order they were made.
pub(crate) struct WritesIter<'w> {
    encoded: &'w [u8],
}

impl<'w> Iterator for WritesIter<'w> {
    type Item = Write<'w>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[k0, k1, v0, v1, v2, v3], rest) = self.encoded.split_first_chunk::<WRITE_HEAD_LEN>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([k0, k1])))?;
        let (value, rest) = match u32::from_le_bytes([v0, v1, v2, v3]) {
            DELETED => (None, rest),
            len => {
                let (value, rest) = rest.split_at_checked(len as usize)?;
                (Some(value), rest)
            }
        };
        self.encoded = rest;
        Some(Write { key, value })
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
        writes.put(b"k3", |_| {});
        let expected = [(&b"k1"[..], Some(&b"h:body"[..])), (&b"k2"[..], None), (&b"k3"[..], Some(&b""[..]))];
        let all: Vec<_> = writes.iter().map(|w| (w.key, w.value)).collect();
        assert_eq!(all, expected);

        // Cut anywhere, it is a shorter run that says so.
        let run = writes.encoded().to_vec();
        let ends: Vec<_> = (0..=3).map(|n| whole_len(&expected[..n])).collect();
        for cut in 0..=run.len() {
            let read: Vec<_> = decode(&run[..cut]).map(|w| (w.key, w.value)).collect();
            assert_eq!(read, expected[..read.len()]);
            assert!(ends[read.len()] <= cut && ends.get(read.len() + 1).is_none_or(|&next| next > cut));
            assert_eq!(is_whole_run(&run[..cut]), ends.contains(&cut), "{cut}");
        }
        writes.clear();
        assert!(writes.is_empty() && writes.iter().next().is_none());
    }

    fn whole_len(changes: &[(&[u8], Option<&[u8]>)]) -> usize {
        changes.iter().map(|(key, value)| WRITE_HEAD_LEN + key.len() + value.map_or(0, <[u8]>::len)).sum()
    }
}
