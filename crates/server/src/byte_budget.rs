//! Bytes that many hold, under one bound for all. Must not know what they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bound and what is held of it.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    bytes: AtomicUsize,
    max: usize,
}

/// What one of them holds; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl ByteBudget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), max })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Says how much it is now. `false` when it is more than before, and more than all may have: then this one has to
    /// give way.
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes == before {
            return true;
        }
        let change = bytes.wrapping_sub(before);
        let all = self.budget.bytes.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        bytes < before || all <= self.budget.max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_grows_over_the_bound_gives_way_and_what_it_held_is_free_again() {
        let budget = ByteBudget::new(100);
        let (mut a, mut b) = (budget.share(), budget.share());
        assert!(a.set(60) && b.set(40));
        assert!(!b.set(41));
        assert!(b.set(41), "nothing has changed");
        assert!(b.set(39) && a.set(60));
        drop(a);
        assert_eq!(budget.bytes(), 39);
        assert!(b.set(100) && b.set(0));
        assert_eq!(budget.bytes(), 0);
    }
}
