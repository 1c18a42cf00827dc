//! Errors of the store, one enum per operation, named by cause.

use durable_sessions_protocol::{ContentType, Offset, ProducerEpoch, ProducerSeq, Unit};

/// Why a stream was not created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreateError {
    /// A stream with another configuration lives there.
    #[error("a stream with a different {0} exists at this path")]
    ConfigurationMismatch(&'static str),
    /// A soft-deleted stream blocks the path.
    #[error("a deleted stream whose forks live on blocks this path")]
    PathBlocked,
    /// The fork's source does not exist.
    #[error("the source of the fork does not exist")]
    SourceNotFound,
    /// The fork's source is soft-deleted.
    #[error("the source of the fork is deleted")]
    SourceDeleted,
    /// The fork's content type differs from its source's.
    #[error("a fork has the content type of its source, {0}")]
    SourceContentType(ContentType),
    /// The divergence point lies outside the source.
    #[error("the fork offset is not within the source stream")]
    ForkOffset,
    /// The initial content is not of the stream's kind.
    #[error("the initial content does not fit the content type")]
    InitialContent,
    /// A retention by count for a stream that has no messages to count.
    #[error("a retention by count needs a stream of JSON messages")]
    RetentionCount,
    /// A limit of the store is reached.
    #[error("the stream cannot be created: {0}")]
    Full(&'static str),
    /// As in [`AppendError::StorageFull`].
    #[error("the store has no room left")]
    StorageFull,
    /// As in [`AppendError::Overloaded`].
    #[error("too many appends are pending")]
    Overloaded,
    /// As in [`AppendError::Unavailable`].
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why an append changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// No such stream.
    #[error("the stream does not exist")]
    NotFound,
    /// Soft-deleted.
    #[error("the stream is deleted")]
    Gone,
    /// Closed before.
    #[error("the stream is closed at {next_offset}")]
    Closed {
        /// Its final offset.
        next_offset: Offset,
    },
    /// Another content type than the stream's.
    #[error("the stream's content type is {expected}")]
    ContentType {
        /// What the stream holds.
        expected: ContentType,
    },
    /// The producer's epoch was fenced off by a newer one.
    #[error("the producer's epoch is stale; the current one is {current}")]
    StaleEpoch {
        /// The newest epoch seen.
        current: ProducerEpoch,
    },
    /// A new epoch must start at sequence 0.
    #[error("a new producer epoch must start at sequence 0")]
    EpochStart,
    /// A batch before this one is missing.
    #[error("producer sequence gap: expected {expected}, received {received}")]
    SequenceGap {
        /// What would be accepted.
        expected: ProducerSeq,
        /// What came.
        received: ProducerSeq,
    },
    /// The writer sequence does not grow.
    #[error("Stream-Seq must be greater than the last one")]
    StreamSeq,
    /// The attributes have changed since they were read.
    #[error("the attributes are at version {current}")]
    AttributesConflict {
        /// The version they have now.
        current: u64,
    },
    /// An append with nothing to do.
    #[error("nothing to append")]
    Empty,
    /// The stream has reached the end of its positions or limits.
    #[error("the stream is full: {0}")]
    Full(&'static str),
    /// The disk, or the memory store, is full. Nothing was written; reads, deletions and trims go on, and so do appends
    /// when there is room again.
    #[error("the store has no room left")]
    StorageFull,
    /// The queue of pending appends is full.
    #[error("too many appends are pending")]
    Overloaded,
    /// The medium failed; nothing is acknowledged until the store has recovered. Whether the append was stored is
    /// known: it was not, unless the process ends before it recovers.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why nothing was read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// No such stream.
    #[error("the stream does not exist")]
    NotFound,
    /// Soft-deleted.
    #[error("the stream is deleted")]
    Gone,
    /// The offset lies before the trim point.
    #[error("history before {first} was trimmed")]
    Trimmed {
        /// The first retained offset.
        first: Offset,
        /// What offsets of this stream count.
        unit: Unit,
    },
    /// The offset lies after the tail.
    #[error("the offset is beyond the tail {tail}")]
    BeyondTail {
        /// The tail.
        tail: Offset,
    },
    /// A stored row is damaged.
    #[error("stored data is damaged at {at}")]
    Damaged {
        /// Where.
        at: Offset,
    },
    /// The medium failed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why nothing was deleted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeleteError {
    /// No such stream.
    #[error("the stream does not exist")]
    NotFound,
    /// Deleted before; forks keep it.
    #[error("the stream is deleted")]
    Gone,
    /// As in [`AppendError::Overloaded`].
    #[error("too many appends are pending")]
    Overloaded,
    /// The medium failed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why nothing was trimmed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrimError {
    /// No such stream.
    #[error("the stream does not exist")]
    NotFound,
    /// Soft-deleted.
    #[error("the stream is deleted")]
    Gone,
    /// The offset lies after the tail.
    #[error("the offset is beyond the tail {tail}")]
    BeyondTail {
        /// The tail.
        tail: Offset,
    },
    /// A stored row is damaged, so what lies behind it cannot be judged.
    #[error("stored data is damaged at {at}")]
    Damaged {
        /// Where.
        at: Offset,
    },
    /// As in [`AppendError::Overloaded`].
    #[error("too many appends are pending")]
    Overloaded,
    /// The medium failed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("cannot use the data directory {path}: {source}")]
    Directory {
        /// Which one.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("the data directory {path} is in use by another process")]
    Locked {
        /// Which one.
        path: String,
    },
    /// It holds what this version cannot read.
    #[error("the data directory has format {found}; this version reads {supported}")]
    Format {
        /// What is there.
        found: String,
        /// What can be read.
        supported: u32,
    },
    /// The engine found damage, or failed.
    #[error("the store cannot be opened: {0}")]
    Engine(String),
}

impl AppendError {
    /// Whether the same append may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Overloaded
                | Self::Unavailable(_)
                | Self::StorageFull
                | Self::SequenceGap { .. }
                | Self::AttributesConflict { .. }
        )
    }
}

impl CreateError {
    /// Whether the same creation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable(_) | Self::StorageFull)
    }
}

impl ReadError {
    /// Whether the same read may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<ReadError> for TrimError {
    /// A trim looks at the stream first.
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Gone => Self::Gone,
            ReadError::BeyondTail { tail } => Self::BeyondTail { tail },
            ReadError::Damaged { at } | ReadError::Trimmed { first: at, .. } => Self::Damaged { at },
            ReadError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl TrimError {
    /// Whether the same trim may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable(_))
    }
}

impl DeleteError {
    /// Whether the same deletion may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable(_))
    }
}
