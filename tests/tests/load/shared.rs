//! What is asked for, and what writers and subscribers tell each other.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use durable_sessions_tests::Waits;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) subscribers: usize,
    pub(crate) sessions: usize,
    pub(crate) appends_per_second: u64,
    pub(crate) seconds: u64,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} subscribers on {} sessions, {} appends/s, {} s",
            self.subscribers, self.sessions, self.appends_per_second, self.seconds
        )
    }
}

impl Plan {
    /// How long one row of the table is, and how many there are.
    pub(crate) fn rows(&self) -> (Duration, u32) {
        if self.seconds >= 120 {
            (Duration::from_secs(60), (self.seconds / 60) as u32)
        } else {
            (Duration::from_millis(self.seconds * 500), 2)
        }
    }

    /// A minute, as servers do by default; less where a run is short and few have to come back at a time.
    pub(crate) fn rotation_seconds(&self) -> u64 {
        if self.seconds < 60 && self.subscribers <= 1_000 { 2 } else { 60 }
    }

    pub(crate) fn appends(&self) -> u64 {
        let (row_time, row_count) = self.rows();
        (row_time * row_count).as_secs() * self.appends_per_second
    }
}

pub(crate) fn session_name(session: usize) -> String {
    format!("load-{session}")
}

/// Everything that is counted.
pub(crate) struct Load {
    pub(crate) plan: Plan,
    pub(crate) address: SocketAddr,
    pub(crate) origin: Instant,
    /// By session: the number of its last event that was acknowledged.
    acknowledged: Vec<AtomicU64>,
    /// By subscriber: the number of the last event that it has seen.
    seen: Vec<AtomicU64>,
    pub(crate) append: Waits,
    pub(crate) delivery: Waits,
    /// Subscribers that have been told so.
    pub(crate) connected: AtomicU64,
    /// Connections of subscribers that ended as they should, and were taken up again.
    pub(crate) rotations: AtomicU64,
    /// Those that broke off.
    pub(crate) broken: AtomicU64,
    /// Subscribers that were told to come later.
    pub(crate) turned_away: AtomicU64,
    /// Appends that had to be sent again.
    pub(crate) sent_again: AtomicU64,
    /// How late an append was sent, at most, in milliseconds: the driver's own fault, or that of the append before.
    pub(crate) late_ms: AtomicU64,
    pub(crate) done: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    pub(crate) fn new(plan: Plan, address: SocketAddr) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            plan,
            address,
            origin: Instant::now(),
            acknowledged: zeros(plan.sessions),
            seen: zeros(plan.subscribers),
            append: Waits::default(),
            delivery: Waits::default(),
            connected: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            sent_again: AtomicU64::new(0),
            late_ms: AtomicU64::new(0),
            done: AtomicBool::new(false),
            wrong: Mutex::default(),
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    pub(crate) fn session_of(&self, subscriber: usize) -> usize {
        subscriber % self.plan.sessions
    }

    pub(crate) fn acknowledged(&self, session: usize, number: u64) {
        self.acknowledged[session].store(number, Ordering::SeqCst);
    }

    pub(crate) fn seen(&self, subscriber: usize, number: u64) {
        self.seen[subscriber].store(number, Ordering::SeqCst);
    }

    /// Events that were acknowledged.
    pub(crate) fn stored(&self) -> u64 {
        self.acknowledged.iter().map(|number| number.load(Ordering::SeqCst)).sum()
    }

    /// Events that were seen, over all subscribers.
    pub(crate) fn deliveries(&self) -> u64 {
        self.seen.iter().map(|number| number.load(Ordering::SeqCst)).sum()
    }

    /// Acknowledged events that a subscriber has not seen, over all of them.
    pub(crate) fn outstanding(&self) -> u64 {
        let seen = self.seen.iter().enumerate();
        seen.map(|(subscriber, seen)| {
            let stored = self.acknowledged[self.session_of(subscriber)].load(Ordering::SeqCst);
            stored.saturating_sub(seen.load(Ordering::SeqCst))
        })
        .sum()
    }

    pub(crate) fn complain(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
