//! Streams that may have changed, on their way to one subscription. Bounded: each stream is in it once, and when
//! there are too many, all of them are looked at instead.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// More streams than this at once, and everything is looked at.
const STREAMS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    changed: Mutex<Changed>,
    arrived: Notify,
}

/// What came in since the last look.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// With the offset before the first append that is in it, where that is known.
    pub(crate) streams: HashMap<String, Option<u64>>,
    /// Too many to name.
    pub(crate) all: bool,
}

impl Inbox {
    pub(crate) fn put(&self, path: &str, before: Option<u64>) {
        let mut changed = self.lock();
        if changed.all {
            return;
        }
        if let Some(known) = changed.streams.get_mut(path) {
            // Appends may come in another order than they were made.
            *known = known.zip(before).map(|(a, b)| a.min(b)).or(*known).or(before);
            return;
        }
        if changed.streams.len() >= STREAMS_MAX {
            changed.streams.clear();
            changed.all = true;
        } else {
            changed.streams.insert(path.to_owned(), before);
        }
        drop(changed);
        self.arrived.notify_one();
    }

    pub(crate) fn put_all(&self) {
        *self.lock() = Changed { streams: HashMap::new(), all: true };
        self.arrived.notify_one();
    }

    pub(crate) fn take(&self) -> Changed {
        std::mem::take(&mut self.lock())
    }

    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changed {
    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.streams.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_in_it_once_with_its_first_offset() {
        let inbox = Inbox::default();
        for before in [None, Some(4), Some(3), None, Some(5)] {
            inbox.put("a", before);
        }
        let changed = inbox.take();
        assert_eq!(changed.streams, HashMap::from([("a".to_owned(), Some(3))]));
        assert!(inbox.take().is_empty());
    }

    #[test]
    fn too_many_streams_are_all_streams() {
        let inbox = Inbox::default();
        for n in 0..=STREAMS_MAX {
            inbox.put(&n.to_string(), None);
        }
        inbox.put("late", None);
        let changed = inbox.take();
        assert!(changed.all && changed.streams.is_empty());
    }
}
