//! Copies of a store in one file, and the check of what a store or such a file holds. Must not know how an engine keeps
//! its data.
//!
//! ```text
//! file   store, or: "dsinner1" | store | store                         integers little endian
//! store  head | part | part | .. | end
//! head   "dsbackup" | version u32, 1 | layout u32 | taken at, Unix ms, i64 | salt u64 | xxh3 of these u64
//! part   a frame as in the log: its body is a run of changes, about 256 KiB, keys ascending over the whole store
//! end    a frame without a body
//! ```
//!
//! Of two stores the first is the *inner* one, which lies in the directory of the other ([`INNER_DIR`]) and whose content
//! moves over into it. Its moment is before the other's: what has moved between the two is in both, and nothing is in
//! neither.
//!
//! Frames are numbered from 0; checksums are seeded with the salt and the number, so a part that is missing, doubled,
//! out of place or of another file is noticed, and so is a file that was cut: it has no end.
//!
//! | what | outcome |
//! |---|---|
//! | a part whose checksum or number is not right, a missing end, bytes behind the end | [`BackupError::Damaged`], with the byte where it is |
//! | an unknown version or layout | [`BackupError::Format`] |
//! | a value that has not its checksum, rows that do not follow each other, metadata that do not fit | a [`Problem`] each |

mod audit;
mod copy;
mod export;
mod file;
#[cfg(test)]
mod tests;

pub use audit::{Problem, Report};
pub use copy::{restore, verify_directory, verify_file, write};
pub use export::Export;

/// Below the directory of a store: another one, which is copied, checked and restored with it.
pub const INNER_DIR: &str = "spool";

use std::path::PathBuf;

use crate::OpenError;

/// Why a copy was not made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store failed, or has no copies.
    #[error("the store cannot be copied: {0}")]
    Store(String),
    /// The store did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no backup, or one of another version.
    #[error("the file has {found}; this version reads backups of version 1 with layout {supported}")]
    Format {
        /// What is there.
        found: String,
        /// The layout that can be read.
        supported: u32,
    },
    /// The file is damaged, or was cut.
    #[error("the backup is damaged at byte {at}: {what}")]
    Damaged {
        /// Where.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// What it holds does not fit together.
    #[error("the backup holds {problems} problems; the first: {first}")]
    Problems {
        /// How many.
        problems: u64,
        /// One of them.
        first: Problem,
    },
    /// There is a store already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
}

impl BackupError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Open(OpenError::Locked { .. }))
    }
}
