//! Time as it is given to the machines: they never read a clock.

/// A point in time, in milliseconds since any fixed moment, sleep included. Should not go back: see the invariants of
/// [`Subscription`](crate::Subscription).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// Milliseconds from `earlier` to this; 0 if a clock went back after all.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
