//! What servers acknowledged before they were killed, and what was under way. Must not know HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One message: who wrote it (a producer below 100, a plain writer from 100 on), the round, the number of the append,
/// the place in it, how many messages it has, and padding.
pub(crate) type Message = (u64, u64, u64, u64, u64, String);

/// Names an append: writer, round, number.
pub(crate) type AppendKey = (u64, u64, u64);

/// A stream that lives for one round, and its fork.
#[derive(Debug, Clone, Default)]
pub(crate) struct Short {
    pub(crate) name: String,
    /// What was asked last without an answer: this step, which may have been done.
    pub(crate) under_way: Step,
    /// The last step that was acknowledged.
    pub(crate) done: Step,
}

/// The life of such a stream, in this order. Not every one is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Step {
    #[default]
    Nothing,
    Created,
    Forked,
    ForkWritten,
    Closed,
    Deleted,
}

/// What the workers of one round were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Offset behind each acknowledged append.
    pub(crate) appends: BTreeMap<AppendKey, u64>,
    /// Appends that were sent and not answered.
    pub(crate) under_way: BTreeSet<AppendKey>,
    pub(crate) shorts: Vec<Short>,
    /// The largest trim point that was seen of the stream with retention, and its largest acknowledged offset.
    pub(crate) trimmed_to: u64,
    pub(crate) trimmed_tail: u64,
}

impl Told {
    pub(crate) fn join(&mut self, other: Self) {
        self.appends.extend(other.appends);
        self.under_way.extend(other.under_way);
        self.shorts.extend(other.shorts);
        self.trimmed_to = self.trimmed_to.max(other.trimmed_to);
        self.trimmed_tail = self.trimmed_tail.max(other.trimmed_tail);
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { appends, under_way, shorts, trimmed_to, .. } = self;
        let closed = shorts.iter().filter(|short| short.done >= Step::Closed).count();
        write!(
            f,
            "{} appends, {} under way, {} short streams of which {closed} were closed, trimmed to {trimmed_to}",
            appends.len(),
            under_way.len(),
            shorts.len()
        )
    }
}

/// Everything of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) all: Told,
    /// Short streams of the last round begin here.
    pub(crate) newest_short: usize,
    /// Appends that were found although nobody was told.
    pub(crate) unacknowledged: u64,
    pub(crate) messages_checked: u64,
}

impl Ledger {
    pub(crate) fn add(&mut self, told: Told) {
        self.newest_short = self.all.shorts.len();
        self.all.join(told);
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} appends acknowledged, none lost, none doubled; {} more had been written without an answer; \
             {} short streams; {} messages read back",
            self.all.appends.len(),
            self.unacknowledged,
            self.all.shorts.len(),
            self.messages_checked
        )
    }
}
