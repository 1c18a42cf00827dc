//! The one storage trait. Must not know HTTP or sessions.

use std::sync::Arc;

use crate::backup::{BackupError, Export};
use crate::{
    AppendError, Batch, CreateError, DeleteError, ReadError, StoreStats, TailWatch, Trim, TrimError, Trimmed,
};
use async_trait::async_trait;
use bytes::Bytes;
use durable_sessions_protocol::{
    ContentType, Offset, ProducerClaim, ProducerEpoch, ProducerSeq, Retention, StreamPath,
};

/// Durable, append-only streams.
///
/// ```text
///   position   0         3              7                    11
///              |  row 0  |    row 1     |        row 2        |
///              +---------+--------------+---------------------+- - -
///                  ^                                          ^
///                  first (trim point)                         tail (next offset)
/// ```
///
/// A *row* is what one append carried ([`Batch`]); a *position* counts units (messages of a JSON stream,
/// bytes of any other) from the start of the stream, also inside a row that holds many. Offsets are positions.
/// The tail is the first unwritten position, the trim point the first one still retained. A fork shares the
/// positions of its source below its fork offset, and no data is copied.
///
/// # Rules
/// 1. An append is all or nothing: its units, the producer's state, the writer sequence, closure and attributes
///    change together, and one that fails changes nothing.
/// 2. An acknowledged append is durable (see [`Durability`]) and is seen by every read that starts after.
/// 3. Offsets strictly increase; a position never changes its content, and is never used again.
/// 4. Appends to one stream are totally ordered; checks and write are one step (compare-and-append).
/// 5. Nothing spans two streams, but the reference a fork takes on its source.
/// 6. A closed stream never changes its content again, and says so to every reader at its tail.
/// 7. A reader never sees what is not durable.
/// 8. Memory is bounded: the queue of pending appends refuses ([`AppendError::Overloaded`]) when full.
/// 9. After an error of the medium nothing is acknowledged ([`AppendError::Unavailable`]) until the store has recovered,
///    which it tries by itself; then nothing of what failed is there, and all that was acknowledged is.
///
/// The conformance suite (`conformance` module) checks these for every engine.
#[async_trait]
pub trait StreamStore: Send + Sync + 'static {
    /// Creates a stream, or confirms that it exists with the same configuration.
    ///
    /// # Errors
    /// [`CreateError`].
    async fn create(&self, path: &StreamPath, create: CreateStream) -> Result<Created, CreateError>;

    /// Appends, closes, and changes attributes in one step. The first check that fails answers, in the order of
    /// PROTOCOL.md 5.2 and 5.2.1: the stream is there; there is something to do; it is not closed; content type
    /// and unit; producer (stale epoch, start of a new epoch, duplicate, gap); writer sequence; version of the
    /// attributes; limits. So a duplicate wins over a conflict of the writer sequence.
    ///
    /// On a closed stream three things succeed: the retry of the very append that closed it (same producer,
    /// epoch and sequence; a duplicate), a close alone without producer, and a change of attributes alone
    /// without producer.
    ///
    /// # Errors
    /// [`AppendError`].
    async fn append(&self, path: &StreamPath, append: Append) -> Result<Appended, AppendError>;

    /// Reads rows from an offset up to the tail, or up to about `bytes_max` bytes of body (one unit at least).
    /// Counts as an access for a sliding time to live.
    ///
    /// # Errors
    /// [`ReadError`]; an offset beyond the tail is [`ReadError::BeyondTail`].
    async fn read(&self, path: &StreamPath, from: Offset, bytes_max: usize) -> Result<Page, ReadError>;

    /// What is known about a stream, without counting as an access.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn head(&self, path: &StreamPath) -> Result<StreamHead, ReadError>;

    /// Follows a stream's tail. A slow watcher sees the newest change only and never slows the writer. Who
    /// watches is reading: a sliding lifetime stands still, and begins anew when the watch is dropped.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn watch(&self, path: &StreamPath) -> Result<TailWatch, ReadError>;

    /// Deletes a stream; one with forks is kept for them, hidden (soft-deleted).
    ///
    /// # Errors
    /// [`DeleteError`].
    async fn delete(&self, path: &StreamPath) -> Result<(), DeleteError>;

    /// Moves the trim point forward, which is durable when this answers: what lies before it is
    /// [`ReadError::Trimmed`] from then on, and is given back in the background. It never moves back, nor beyond the
    /// tail; positions, the tail, producers and closure are what they were, and a closed stream is trimmed like any
    /// other. Does not count as an access.
    ///
    /// Every stream has a trim point of its own: a fork begins with its source's, and goes on reading what the source
    /// is trimmed of later. So the rows that a source had when it was last forked are given back only when its last
    /// fork is gone.
    ///
    /// # Errors
    /// [`TrimError`].
    async fn trim(&self, path: &StreamPath, trim: Trim) -> Result<Trimmed, TrimError>;

    /// Streams whose path starts with `prefix`, in order of path, after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    async fn list(
        &self,
        prefix: &str,
        after: Option<&StreamPath>,
        limit: usize,
    ) -> Result<Vec<(StreamPath, StreamHead)>, ReadError>;

    /// Everything the store holds at one moment, as a backup file, while appends go on. A store that has no copies says
    /// so. `inner` is a copy of the store that lies within this one's directory, begun before; it comes first.
    ///
    /// # Errors
    /// [`BackupError`].
    async fn export(&self, inner: Option<Export>) -> Result<Export, BackupError> {
        drop(inner);
        Err(BackupError::Store("this store keeps nothing that could be copied".into()))
    }

    /// Whether appends are accepted, and if not, why.
    fn health(&self) -> StoreHealth;

    /// What it has done since it was opened, and what it holds. Cheap enough to be asked every second.
    fn stats(&self) -> StoreStats;

    /// Stops accepting, makes everything pending durable, and releases the medium. Idempotent.
    async fn shutdown(&self);
}

/// What an acknowledgement of this store means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Synced to the medium.
    Synced,
    /// In memory only: gone with the process.
    Memory,
}

/// Whether the store works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreHealth {
    /// Appends and reads work.
    Ready(Durability),
    /// Reads work, appends do not.
    Degraded {
        /// What is wrong, for machines.
        cause: DegradedCause,
        /// The same for operators; it may name files.
        reason: Arc<str>,
    },
    /// Shut down or not open.
    Down(Arc<str>),
}

/// Why a store takes no appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DegradedCause {
    /// There is no room. Deletions and trims work too, and appends do when there is room again.
    StorageFull,
    /// A commit failed. The store tries to recover by itself.
    CommitFailed,
    /// A commit failed, and recovering was given up: the store has to be opened again.
    RecoveryGivenUp,
}

impl DegradedCause {
    /// A stable word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StorageFull => "storage-full",
            Self::CommitFailed => "commit-failed",
            Self::RecoveryGivenUp => "recovery-given-up",
        }
    }
}

/// How long a stream lives, PROTOCOL.md section 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifetime {
    /// Until deleted.
    #[default]
    Unlimited,
    /// Seconds without a read or write.
    SlidingSecs(u64),
    /// Unix milliseconds.
    ExpiresAtMs(i64),
}

/// Configuration and first content of a stream.
#[derive(Debug, Clone)]
pub struct CreateStream {
    /// `None` for a fork that takes its source's.
    pub content_type: Option<ContentType>,
    /// When it expires. `Unlimited` on a fork inherits by the table of section 4.2.
    pub lifetime: Lifetime,
    /// What is kept of it, for whoever trims. `NONE` on a fork inherits its source's.
    pub retention: Retention,
    /// First content.
    pub initial: Option<Batch>,
    /// Create it closed.
    pub closed: bool,
    /// Branch off another stream.
    pub fork: Option<Fork>,
    /// First attributes (version 1); `None` starts without (version 0).
    pub attributes: Option<Bytes>,
}

impl CreateStream {
    /// An empty open stream of this type, kept until it is deleted.
    #[must_use]
    pub fn of(content_type: ContentType) -> Self {
        Self {
            content_type: Some(content_type),
            lifetime: Lifetime::Unlimited,
            retention: Retention::NONE,
            initial: None,
            closed: false,
            fork: None,
            attributes: None,
        }
    }
}

/// Where a fork branches off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The source stream.
    pub source: StreamPath,
    /// `None` is the source's tail.
    pub at: Option<Offset>,
    /// Units past `at`.
    pub sub_offset: u64,
}

/// Answer to a create.
#[derive(Debug, Clone)]
pub struct Created {
    /// `false` when it existed with the same configuration.
    pub is_new: bool,
    /// The stream as it is now.
    pub head: StreamHead,
}

/// One compare-and-append.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// Must match the stream's; `None` is not checked (close-only requests).
    pub content_type: Option<ContentType>,
    /// `None` appends nothing: a close-only or attributes-only change.
    pub batch: Option<Batch>,
    /// Close after appending.
    pub close: bool,
    /// De-duplication and fencing.
    pub producer: Option<ProducerClaim>,
    /// Writer sequence; must be byte-wise greater than the last one.
    pub stream_seq: Option<Bytes>,
    /// New attributes.
    pub attributes: Option<AttributesChange>,
}

/// A versioned replacement of a stream's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributesChange {
    /// The version it was derived from; any other is [`AppendError::AttributesConflict`].
    pub expected_version: u64,
    /// The new value.
    pub value: Bytes,
}

/// Answer to an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Tail after the append; for a duplicate the tail as it is now.
    pub next_offset: Offset,
    /// Whether the stream is closed now.
    pub closed: bool,
    /// `true` when the producer had written this batch before, and nothing changed.
    pub duplicate: bool,
    /// With a producer: its epoch and highest accepted sequence.
    pub producer: Option<(ProducerEpoch, ProducerSeq)>,
}

/// What a reader gets.
#[derive(Debug, Clone)]
pub struct Page {
    /// Rows in order; the first may be the end of a longer one, the last its beginning.
    pub rows: Vec<Batch>,
    /// Offset of the first unit.
    pub from: Offset,
    /// Where the next read continues.
    pub next: Offset,
    /// The tail when the page was read: the reader is up to date when `next == tail.next_offset`.
    pub tail: Tail,
    /// The stream's type.
    pub content_type: ContentType,
    /// Identity of the stream, for entity tags: never used again, also after delete and re-creation.
    pub stream_id: u64,
}

/// The end of a stream, as a watcher sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// First unwritten position.
    pub next_offset: Offset,
    /// No more will come.
    pub closed: bool,
    /// The stream is gone (deleted or expired).
    pub deleted: bool,
}

/// Everything about a stream but its content.
#[derive(Debug, Clone)]
pub struct StreamHead {
    /// Identity, never used again.
    pub stream_id: u64,
    /// Its type.
    pub content_type: ContentType,
    /// First retained position.
    pub first_offset: Offset,
    /// First unwritten position.
    pub next_offset: Offset,
    /// Closed for good.
    pub closed: bool,
    /// When it expires.
    pub lifetime: Lifetime,
    /// What is to be kept of it.
    pub retention: Retention,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds of the last durable change.
    pub updated_at_ms: i64,
    /// Where it branched off, for a fork.
    pub forked_from: Option<(StreamPath, Offset)>,
    /// The attributes, if any were set.
    pub attributes: Option<Bytes>,
    /// Version of the attributes; 0 before the first.
    pub attributes_version: u64,
}
