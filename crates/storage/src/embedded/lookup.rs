//! Reads memory and the tree as one map. Must not know the log, nor what keys mean.
//!
//! Memory is looked at first, always: a segment leaves it after the tree has it, so what is not found in memory by
//! then is in the tree. Of a key that is in both, memory's change counts.

use std::ops::ControlFlow;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use fjall::UserValue;

use super::memory::{Change, Memory};
use super::tree::Tree;
use crate::engine::Visit;

/// Changes taken from memory at a time: the lock is not held while a reader looks at them.
const PART_LEN: usize = 256;

/// A key and its value.
type Entry = (Vec<u8>, Bytes);

/// Both places, for one read.
pub(super) struct Lookup<'e> {
    pub(super) memory: &'e RwLock<Memory>,
    pub(super) tree: &'e Tree,
}

/// Shares the tree's memory instead of copying it.
fn shared(value: UserValue) -> Bytes {
    Bytes::from_owner(value)
}

/// The next changes from memory, and where they end: when there may be more, behind the last one.
fn part(memory: &RwLock<Memory>, from: &[u8], to: &[u8]) -> (Vec<Change>, Vec<u8>) {
    let changes = memory.read().unwrap_or_else(PoisonError::into_inner).range(from, to, PART_LEN);
    let end = match changes.last() {
        Some((key, _)) if changes.len() == PART_LEN => [key, &[0][..]].concat(),
        _ => to.to_vec(),
    };
    (changes, end)
}

/// Visits what is in memory only.
pub(super) fn scan_memory(memory: &RwLock<Memory>, from: &[u8], to: &[u8], visit: &mut Visit<'_>) {
    let mut from = from.to_vec();
    while from[..] < *to {
        let (changes, end) = part(memory, &from, to);
        for (key, value) in changes {
            if value.is_some_and(|value| visit(&key, value).is_break()) {
                return;
            }
        }
        from = end;
    }
}

impl Lookup<'_> {
    fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, fjall::Error> {
        let recent = self.memory().find(key);
        match recent {
            Some(value) => Ok(value),
            None => Ok(self.tree.get(key)?.map(shared)),
        }
    }

    /// Visits `from <= key < to` in ascending order, in parts: each part is as of when it is begun.
    pub(super) fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), fjall::Error> {
        let mut from = from.to_vec();
        while from[..] < *to {
            let (changes, end) = part(self.memory, &from, to);
            if self.scan_part(&from, &end, changes, visit)?.is_break() {
                return Ok(());
            }
            from = end;
        }
        Ok(())
    }

    fn scan_part(
        &self,
        from: &[u8],
        to: &[u8],
        changes: Vec<Change>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, fjall::Error> {
        let mut changes = changes.into_iter().peekable();
        for entry in self.tree.range(from, to) {
            let (key, value) = entry?;
            while let Some((changed, new)) = changes.next_if(|(changed, _)| changed[..] < *key) {
                if new.is_some_and(|new| visit(&changed, new).is_break()) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let value = match changes.next_if(|(changed, _)| changed[..] == *key) {
                Some((_, new)) => new,
                None => Some(shared(value)),
            };
            if value.is_some_and(|value| visit(&key, value).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        for (changed, new) in changes {
            if new.is_some_and(|new| visit(&changed, new).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The last entry with `from <= key < to`.
    pub(super) fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, fjall::Error> {
        let mut to = to.to_vec();
        loop {
            // Memory from the back: deletions, many of them where a stream was trimmed, and what lies below them.
            let (deleted, recent) = self.deleted_from_the_back(from, &to);
            // Of the tree only what lies above that counts, or all if there is nothing.
            let lowest = match (&recent, deleted.last()) {
                (Some((key, _)), _) => [&key[..], &[0]].concat(),
                (None, Some(key)) if deleted.len() == PART_LEN => key.clone(),
                (None, _) => from.to_vec(),
            };
            let mut deleted = deleted.into_iter().peekable();
            for entry in self.tree.range(&lowest, &to).rev() {
                let (key, value) = entry?;
                while deleted.next_if(|deleted| deleted[..] > *key).is_some() {}
                if deleted.next_if(|deleted| deleted[..] == *key).is_none() {
                    return Ok(Some((key.to_vec(), shared(value))));
                }
            }
            if recent.is_some() || lowest[..] <= *from {
                return Ok(recent);
            }
            to = lowest;
        }
    }

    /// Keys that memory says are deleted, from the last one down, up to [`PART_LEN`]; and the entry below them, if
    /// memory has one and they are fewer.
    fn deleted_from_the_back(&self, from: &[u8], to: &[u8]) -> (Vec<Vec<u8>>, Option<Entry>) {
        let memory = self.memory();
        let mut deleted: Vec<Vec<u8>> = Vec::new();
        while deleted.len() < PART_LEN {
            match memory.last(from, deleted.last().map_or(to, |key| key)) {
                Some((key, None)) => deleted.push(key),
                Some((key, Some(value))) => return (deleted, Some((key, value))),
                None => break,
            }
        }
        (deleted, None)
    }
}
