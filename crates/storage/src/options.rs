//! What a local store can be told at opening: limits and the clock. Must not know engines.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a store reads the time from, so that tests decide what time it is.
pub trait Clock: Send + Sync + 'static {
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
}

/// The time of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Shows `now_ms`.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Limits and clock of a local store. Every bound has a defined outcome, named with it.
#[derive(Clone)]
pub struct StoreOptions {
    /// Pending operations; one more is refused as overloaded.
    pub queue_len_max: usize,
    /// Payload bytes of pending operations; beyond, an operation is refused as overloaded unless it is alone.
    pub queue_bytes_max: usize,
    /// Operations committed with one sync; the rest waits for the next.
    pub group_len_max: usize,
    /// Payload bytes committed with one sync; the rest waits for the next.
    pub group_bytes_max: usize,
    /// Recent rows kept in memory over all streams, in bytes; streams not used lately lose theirs first, and
    /// reads of them go to the engine.
    pub tail_window_bytes: usize,
    /// Recent rows kept in memory of one stream, in bytes; the oldest go first.
    pub tail_window_stream_bytes: usize,
    /// Producers whose state is kept in memory; others are looked up in the engine.
    pub producers_cached_max: usize,
    /// Bytes of attributes one stream may have; more is refused as full.
    pub attributes_bytes_max: usize,
    /// Bytes of a writer sequence; a longer one is refused as full.
    pub stream_seq_len_max: usize,
    /// Reads of the engine at a time; others wait for their turn.
    pub engine_reads_max: usize,
    /// Bytes the memory store holds; when full, appends and creations are refused as full.
    pub memory_bytes_max: u64,
    /// Bytes of one segment of the embedded engine's log; a single larger group makes a larger one. Four of them
    /// are in memory at most, then appends wait until one is in the tree. Their index comes on top: little for
    /// appends, some three times the bytes where nearly all changes are deletions.
    pub log_segment_bytes: u64,
    /// Bytes of the embedded engine's cache of blocks.
    pub block_cache_bytes: u64,
    /// Free bytes on the disk of the embedded engine; with less, appends and creations are refused as full, while
    /// deletions and trims go on and may use the rest.
    pub disk_free_bytes_min: u64,
    /// Attempts to go on after a commit that failed, each after a longer pause than the one before (20 ms to 10 s);
    /// after the last the store has to be opened again. A full disk is waited for without end.
    pub recovery_attempts_max: u32,
    /// How often expired streams are looked for in the background.
    pub sweep_interval: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            queue_len_max: 16_384,
            queue_bytes_max: 64 << 20,
            group_len_max: 4_096,
            group_bytes_max: 16 << 20,
            tail_window_bytes: 64 << 20,
            tail_window_stream_bytes: 8 << 20,
            producers_cached_max: 100_000,
            attributes_bytes_max: 256 << 10,
            stream_seq_len_max: 1_024,
            engine_reads_max: 16,
            memory_bytes_max: 1 << 30,
            log_segment_bytes: 32 << 20,
            block_cache_bytes: 32 << 20,
            disk_free_bytes_min: 64 << 20,
            recovery_attempts_max: 60,
            sweep_interval: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("queue_len_max", &self.queue_len_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("group_len_max", &self.group_len_max)
            .field("group_bytes_max", &self.group_bytes_max)
            .field("tail_window_bytes", &self.tail_window_bytes)
            .field("tail_window_stream_bytes", &self.tail_window_stream_bytes)
            .field("producers_cached_max", &self.producers_cached_max)
            .field("attributes_bytes_max", &self.attributes_bytes_max)
            .field("stream_seq_len_max", &self.stream_seq_len_max)
            .field("engine_reads_max", &self.engine_reads_max)
            .field("memory_bytes_max", &self.memory_bytes_max)
            .field("log_segment_bytes", &self.log_segment_bytes)
            .field("block_cache_bytes", &self.block_cache_bytes)
            .field("disk_free_bytes_min", &self.disk_free_bytes_min)
            .field("recovery_attempts_max", &self.recovery_attempts_max)
            .field("sweep_interval", &self.sweep_interval)
            .finish_non_exhaustive()
    }
}
