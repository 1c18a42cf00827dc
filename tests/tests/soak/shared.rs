//! What agents, readers and the clock tell each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use durable_sessions_tests::Waits;

use crate::script::Script;

/// One session, as those who use it know it.
pub(crate) struct Session {
    pub(crate) name: String,
    /// Events that were acknowledged. Nothing else is in it.
    pub(crate) stored: AtomicU64,
    pub(crate) is_closed: AtomicBool,
    /// Set before it is deleted.
    pub(crate) is_deleted: AtomicBool,
    /// Retention gives up its beginning.
    pub(crate) is_trimmed: bool,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) created: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) deleted: AtomicU64,
    pub(crate) events: AtomicU64,
    events_told: AtomicU64,
    pub(crate) seen: AtomicU64,
    /// Events that retention gave up before a reader came to them.
    pub(crate) given_up: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) broken: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    pub(crate) sent_again: AtomicU64,
    /// Of those that are waited for at the end.
    pub(crate) finished: AtomicU64,
}

impl Counters {
    /// Events that were acknowledged since the last time.
    pub(crate) fn events_since(&self) -> u64 {
        let events = self.events.load(Ordering::Relaxed);
        events - self.events_told.swap(events, Ordering::Relaxed)
    }
}

pub(crate) struct Soak {
    pub(crate) address: SocketAddr,
    pub(crate) origin: Instant,
    pub(crate) script: Script,
    pub(crate) tempo: Tempo,
    /// Sessions there are, by name.
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
    /// Sessions and habits of readers that are waited for at the end.
    pub(crate) reading: Mutex<BTreeSet<(String, String)>>,
    pub(crate) append: Waits,
    /// Of readers that read as fast as they can.
    pub(crate) delivery: Waits,
    pub(crate) counted: Counters,
    /// No more sessions are begun.
    pub(crate) is_over: AtomicBool,
    /// Nobody reads any more.
    pub(crate) is_done: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

impl Soak {
    pub(crate) fn new(address: SocketAddr, script: Script, tempo: Tempo) -> Self {
        Self {
            address,
            origin: Instant::now(),
            script,
            tempo,
            sessions: Mutex::default(),
            reading: Mutex::default(),
            append: Waits::default(),
            delivery: Waits::default(),
            counted: Counters::default(),
            is_over: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            wrong: Mutex::default(),
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, name: String, is_trimmed: bool) -> Arc<Session> {
        let session = Arc::new(Session {
            name: name.clone(),
            stored: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            is_deleted: AtomicBool::new(false),
            is_trimmed,
        });
        self.sessions().insert(name, Arc::clone(&session));
        session
    }

    pub(crate) fn forget(&self, session: &Session) {
        self.sessions().remove(&session.name);
    }

    pub(crate) fn there(&self) -> Vec<Arc<Session>> {
        self.sessions().values().cloned().collect()
    }

    pub(crate) fn complain(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// At least, and how much more.
pub(crate) type Range = (u64, u64);

/// How quickly all goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tempo {
    /// Events in one run.
    pub(crate) run_events: Range,
    /// Between two appends, in milliseconds.
    pub(crate) step_ms: Range,
    /// The same where a session lasts.
    pub(crate) lasting_step_ms: Range,
    /// How long a closed session is kept.
    pub(crate) kept_ms: Range,
    /// How long a reader that comes and goes stays, and is away.
    pub(crate) stay_ms: Range,
    pub(crate) away_ms: Range,
    /// How long one that stalls takes nothing.
    pub(crate) stall: Duration,
}

impl Tempo {
    /// As people and models are.
    pub(crate) const LONG: Self = Self {
        run_events: (100, 200),
        step_ms: (200, 600),
        lasting_step_ms: (100, 100),
        kept_ms: (5_000, 60_000),
        stay_ms: (500, 10_000),
        away_ms: (200, 8_000),
        stall: Duration::from_secs(45),
    };
    /// Everything happens within seconds.
    pub(crate) const SHORT: Self = Self {
        run_events: (10, 40),
        step_ms: (20, 60),
        lasting_step_ms: (20, 20),
        kept_ms: (200, 2_000),
        stay_ms: (50, 500),
        away_ms: (20, 200),
        stall: Duration::from_secs(1),
    };
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// xorshift: what happens when need not be repeatable, because it would not be.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    pub(crate) fn within(&mut self, (least, more): Range) -> u64 {
        least + self.below(more)
    }
}
