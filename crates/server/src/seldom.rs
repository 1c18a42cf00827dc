//! What would be said for every request of an outage is said once in a while, with how often it was not. Must not know
//! what it is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often an outage is said.
const INTERVAL: Duration = Duration::from_secs(10);

/// When it was said last, and how often it was not since.
#[derive(Debug)]
pub(crate) struct Seldom(Mutex<Option<(Instant, u64)>>);

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether it is to be said now: how often it was not since the last time.
    pub(crate) fn due(&self) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *said {
            Some((last, unsaid)) if now.duration_since(*last) < INTERVAL => {
                *unsaid += 1;
                None
            }
            said => Some(said.replace((now, 0)).map_or(0, |(_, unsaid)| unsaid)),
        }
    }
}

/// Says something, unless the same place of the code did a moment ago: `seldom!(|unsaid| tracing::warn!(unsaid, "…"))`.
macro_rules! seldom {
    (|$unsaid:ident| $say:expr) => {{
        static SAID: $crate::seldom::Seldom = $crate::seldom::Seldom::new();
        if let Some($unsaid) = SAID.due() {
            $say;
        }
    }};
}
pub(crate) use seldom;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_once_in_an_interval() {
        let seldom = Seldom::new();
        assert_eq!(seldom.due(), Some(0));
        for _ in 0..5 {
            assert_eq!(seldom.due(), None);
        }
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.due(), Some(5));
        tokio::time::advance(2 * INTERVAL).await;
        assert_eq!(seldom.due(), Some(0));
    }
}
