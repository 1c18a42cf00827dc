//! The log: what an append waits for. Must not know what its frames mean, nor the tree.
//!
//! A directory of segments, numbered without gaps. A commit is one frame: one write, one `fdatasync`. When a
//! segment is full the next one is made first, then the full one gets a seal, so a log that ends with a seal has
//! lost its next segment.
//!
//! ```text
//!   00000000000000000007.log                 00000000000000000008.log
//!   head | frame 40 | frame 41 | seal 42     head (first: 43) | frame 43 | frame 44 |
//! ```
//!
//! Space is made with zeros, a mebibyte ahead: a sync that changes the length of a file has to write what the file
//! system knows of the file too, so only one commit in a few thousand small ones does that. The bytes of the log are
//! written twice for it.
//!
//! A frame is not begun before the one before is synced, so there is at most one that is written in part, at the
//! very end, and it was never acknowledged. What is found at opening, and what becomes of it:
//!
//! | found | outcome |
//! |---|---|
//! | only zeros behind the last frame | nothing |
//! | in the newest segment, bytes that are no frame and behind which no frame starts | set aside in a file of their own, cut off |
//! | bytes that are no frame, and frames behind them | refused |
//! | an older segment ends before the first sequence of the next | refused |
//! | a gap in the numbers, a seal without next segment, a first segment that is not the expected one | refused |
//! | a damaged segment head, or one of another segment | refused: a segment gets its name when its head is durable |
//! | a segment before the first expected one | deleted: what it held is in the tree |
//! | a file that was to become a segment | deleted |

mod frame;
mod recovery;
mod scan;
#[cfg(test)]
mod tests;

pub(super) use recovery::{Recovered, RecoveryError, clear_unfinished_creation, recover};

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::stats::Recorder;
use frame::{FRAME_HEAD_LEN, FrameHead, Kind, SEGMENT_HEAD_LEN, SegmentHead};

/// The writing end of a log.
pub(super) struct Log {
    dir: PathBuf,
    active: Segment,
    next_sequence: u64,
    segment_bytes_max: u64,
    sync_micros: Arc<Recorder>,
    /// What the file holds is not known after an error, so nothing is written behind it.
    has_failed: bool,
}

struct Segment {
    file: File,
    number: u64,
    salt: u64,
    /// Where the next frame goes.
    len: u64,
    /// Up to where the file has space.
    space: u64,
}

/// How far ahead space is made.
const SPACE_BYTES: u64 = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Log {
    /// A new log in an empty directory.
    pub(super) fn create(dir: &Path, segment_bytes_max: u64) -> io::Result<Self> {
        let active = Segment::create(dir, 0, 0)?;
        Ok(Self::new(dir, active, 0, segment_bytes_max))
    }

    fn new(dir: &Path, active: Segment, next_sequence: u64, segment_bytes_max: u64) -> Self {
        let sync_micros = Arc::new(Recorder::of_micros());
        Self { dir: dir.to_owned(), active, next_sequence, segment_bytes_max, sync_micros, has_failed: false }
    }

    /// How long syncs of frames take.
    pub(super) fn sync_micros(&self) -> &Arc<Recorder> {
        &self.sync_micros
    }

    /// Writes one frame with the parts as its body, and syncs it. Returns the body.
    pub(super) fn append(&mut self, parts: &[&[u8]]) -> io::Result<Bytes> {
        self.write(Kind::Writes, parts)
    }

    /// Whether a body of this length belongs into the next segment.
    pub(super) fn is_full_for(&self, body_len: usize) -> bool {
        let has_frames = self.active.len > SEGMENT_HEAD_LEN as u64;
        has_frames && self.active.len + (FRAME_HEAD_LEN + body_len) as u64 > self.segment_bytes_max
    }

    /// Goes on in a new segment. Returns the number of the one that is complete now.
    pub(super) fn rotate(&mut self) -> io::Result<u64> {
        let number = self.active.number;
        let next = self.guarded(|log| Segment::create(&log.dir, number + 1, log.next_sequence + 1))?;
        self.write(Kind::Seal, &[])?;
        self.active = next;
        Ok(number)
    }

    fn write(&mut self, kind: Kind, parts: &[&[u8]]) -> io::Result<Bytes> {
        let body_len: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Vec::with_capacity(FRAME_HEAD_LEN + body_len);
        bytes.resize(FRAME_HEAD_LEN, 0);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let head = FrameHead::new(kind, self.next_sequence, &bytes[FRAME_HEAD_LEN..]);
        bytes[..FRAME_HEAD_LEN].copy_from_slice(&head.encode(self.active.salt));
        let space_max = self.segment_bytes_max;
        let synced_in = self.guarded(|log| log.active.write(&bytes, space_max))?;
        self.sync_micros.record_time(synced_in);
        self.next_sequence += 1;
        Ok(Bytes::from(bytes).slice(FRAME_HEAD_LEN..))
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.has_failed {
            return Err(io::Error::other("the log has failed before"));
        }
        let done = work(self);
        self.has_failed = done.is_err();
        done
    }
}

impl Segment {
    fn create(dir: &Path, number: u64, first_sequence: u64) -> io::Result<Self> {
        let head = SegmentHead { number, first_sequence, salt: RandomState::new().build_hasher().finish() };
        let (unfinished, path) =
            (dir.join(file_name(number, UNFINISHED)), dir.join(file_name(number, COMPLETE)));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
        file.write_all(&head.encode())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        sync_directory(dir)?;
        let len = SEGMENT_HEAD_LEN as u64;
        Ok(Self { file, number, salt: head.salt, len, space: len })
    }

    fn open(path: &Path, head: SegmentHead, len: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let space = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Self { file, number: head.number, salt: head.salt, len, space })
    }

    /// Writes again what the file begins with, up to where the next frame goes, and syncs it.
    fn rewrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(bytes)?;
        self.file.sync_all()?;
        self.file.seek(SeekFrom::Start(self.len)).map(drop)
    }

    /// Writes a frame and syncs it; makes space up to `space_max` when there is none. Says how long the sync took.
    fn write(&mut self, frame: &[u8], space_max: u64) -> io::Result<Duration> {
        self.file.write_all(frame)?;
        let end = self.len + frame.len() as u64;
        if end > self.space {
            let space = end.next_multiple_of(SPACE_BYTES).min(space_max).max(end);
            let mut left = space - end;
            while left > 0 {
                let part = left.min(ZEROS.len() as u64);
                self.file.write_all(&ZEROS[..part as usize])?;
                left -= part;
            }
            self.file.seek(SeekFrom::Start(end))?;
            self.space = space;
        }
        let began = Instant::now();
        self.file.sync_data()?;
        self.len = end;
        Ok(began.elapsed())
    }
}

/// Whether there is any segment.
pub(super) fn exists(dir: &Path) -> io::Result<bool> {
    Ok(!recovery::segments(dir)?.is_empty())
}

/// Deletes a segment that is not needed any more.
pub(super) fn delete_segment(dir: &Path, number: u64) -> io::Result<()> {
    std::fs::remove_file(dir.join(file_name(number, COMPLETE)))
}

const COMPLETE: &str = "log";
const UNFINISHED: &str = "new";

fn file_name(number: u64, extension: &str) -> String {
    format!("{number:020}.{extension}")
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
