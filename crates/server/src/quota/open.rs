//! How many things each key has open. As many keys as things are open, which something else bounds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(crate) struct Open {
    open: Mutex<HashMap<Box<[u8]>, usize>>,
    max: usize,
}

/// One that is open; closing it is dropping it.
#[derive(Debug)]
pub(crate) struct OpenSlot {
    of: Arc<Open>,
    key: Box<[u8]>,
}

impl Open {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), max })
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn try_open(self: &Arc<Self>, key: &[u8]) -> Option<OpenSlot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(key) {
            Some(count) if *count >= self.max => return None,
            Some(count) => *count += 1,
            None => drop(open.insert(key.into(), 1)),
        }
        Some(OpenSlot { of: self.clone(), key: key.into() })
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_and_leaves_nothing() {
        let open = Open::new(2);
        let first = open.try_open(b"a");
        let second = open.try_open(b"a");
        assert!(first.is_some() && second.is_some() && open.try_open(b"a").is_none());
        assert!(open.try_open(b"b").is_some());
        drop(first);
        assert!(open.try_open(b"a").is_some());
        drop(second);
        assert!(open.open.lock().unwrap().is_empty());
    }
}
