//! Bugs that a chaos run must notice, in builds with the feature `faults` only: one is asked for by the environment
//! variable `DURABLE_SESSIONS_PLANT`. Without it the build behaves as any other.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// Some commits are acknowledged and reach memory only.
    DropAck,
    /// A repeated append is stored once more.
    DoubleAppend,
    /// Some pages lack their first row.
    SkipRow,
}

/// Of so many chances the bug takes one.
const ONE_OF: u64 = 7;

/// Whether this bug is planted, and strikes now.
pub(crate) fn strikes(plant: Plant) -> bool {
    static PLANTED: OnceLock<Option<Plant>> = OnceLock::new();
    static CHANCES: AtomicU64 = AtomicU64::new(0);
    let planted = PLANTED.get_or_init(|| match std::env::var("DURABLE_SESSIONS_PLANT").as_deref() {
        Ok("drop-ack") => Some(Plant::DropAck),
        Ok("double-append") => Some(Plant::DoubleAppend),
        Ok("skip-row") => Some(Plant::SkipRow),
        _ => None,
    });
    *planted == Some(plant) && CHANCES.fetch_add(1, Ordering::Relaxed) % ONE_OF == ONE_OF - 1
}

/// The disk that the environment asks for: `DURABLE_SESSIONS_FAULTS=SEED:N` lets about one of N calls fail.
pub(crate) fn disk_faults(dir: &Path) -> Option<crate::faults::Faults> {
    let asked = std::env::var("DURABLE_SESSIONS_FAULTS").ok()?;
    let (seed, one_of) = asked.split_once(':')?;
    let plan = crate::faults::at_random(seed.parse().ok()?, one_of.parse().ok()?);
    tracing::warn!(id = "STORE-FAULTS-INJECTED", dir = %dir.display(), asked, "calls to the disk fail on purpose");
    Some(crate::faults::Faults::new(plan))
}
