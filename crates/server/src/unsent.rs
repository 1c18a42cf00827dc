//! Bytes that wait for slow readers, over all connections, under one bound. Must not know what they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Unsent {
    bytes: AtomicUsize,
    max: usize,
}

/// What one connection has waiting.
#[derive(Debug)]
pub(crate) struct Backlog {
    unsent: Arc<Unsent>,
    bytes: usize,
}

impl Unsent {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), max })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn backlog(self: &Arc<Self>) -> Backlog {
        Backlog { unsent: Arc::clone(self), bytes: 0 }
    }
}

impl Backlog {
    /// Says how much waits now. `false` when it is more than before, and more than all connections may have: then
    /// this one has to give way.
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes == before {
            return true;
        }
        let change = bytes.wrapping_sub(before);
        let all = self.unsent.bytes.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        bytes < before || all <= self.unsent.max
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_grows_over_the_bound_gives_way_and_what_it_held_is_free_again() {
        let unsent = Unsent::new(100);
        let (mut a, mut b) = (unsent.backlog(), unsent.backlog());
        assert!(a.set(60) && b.set(40));
        assert!(!b.set(41));
        assert!(b.set(41), "nothing has changed");
        assert!(b.set(39) && a.set(60));
        drop(a);
        assert_eq!(unsent.bytes(), 39);
        assert!(b.set(100) && b.set(0));
        assert_eq!(unsent.bytes(), 0);
    }
}
