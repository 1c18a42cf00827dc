//! What can be asked of a trim, and what it answers.

use durable_sessions_protocol::{Offset, Retention};

/// Up to where a stream is to be trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// Everything before this offset goes.
    Before(Offset),
    /// Everything that one of the limits gives up goes. Counts are exact; by age and bytes whole appends go, so that
    /// never less is kept than was asked for. A count means nothing for streams of bytes.
    Keep(Retention),
}

/// Answer to a trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trimmed {
    /// The trim point now.
    pub first: Offset,
    /// One step looks at a bounded number of rows; there may be more to trim, or to look at, by the same retention.
    pub more: bool,
}
