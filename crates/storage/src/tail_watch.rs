//! [`TailWatch`]: the tail as a waiting reader follows it. Must not know engines.

use std::ops::{Deref, DerefMut};

use tokio::sync::watch;

use crate::Tail;

/// Follows a stream's tail, and is a reader of it as long as it lives: a sliding lifetime does not run out under
/// it, and begins anew when it is dropped. It costs no timer and no write of its own.
///
/// The value changes after every durable change; a slow watcher sees the newest only.
pub struct TailWatch {
    tail: watch::Receiver<Tail>,
    /// Dropped with the watch, which is how the store hears of its end.
    _reading: Option<Box<dyn Send + Sync>>,
}

impl TailWatch {
    /// A watch that holds `reading` as long as it lives; `None` where nobody needs to know how long that is.
    #[must_use]
    pub fn new(tail: watch::Receiver<Tail>, reading: Option<Box<dyn Send + Sync>>) -> Self {
        Self { tail, _reading: reading }
    }
}

impl Deref for TailWatch {
    type Target = watch::Receiver<Tail>;

    fn deref(&self) -> &Self::Target {
        &self.tail
    }
}

impl DerefMut for TailWatch {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tail
    }
}

impl std::fmt::Debug for TailWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TailWatch").field("tail", &*self.tail.borrow()).finish_non_exhaustive()
    }
}
