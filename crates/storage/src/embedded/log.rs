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
//! After a write or a sync that failed, what the file holds is not known, and nothing is written behind it until
//! [`Log::repair`] has cut off what was not acknowledged and written the rest again. Where only the space for a group
//! could not be made, nothing of the group was written, and nothing needs repair.
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

pub(crate) mod frame;
mod recovery;
mod scan;
#[cfg(test)]
mod tests;

pub(super) use recovery::{Recovered, RecoveryError, clear_unfinished_creation, recover, sides};

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::disk::{Disk, DiskFile};
use crate::stats::Recorder;
use frame::{FRAME_HEAD_LEN, FrameHead, Kind, SEGMENT_HEAD_LEN, SegmentHead};

/// The writing end of a log.
pub(super) struct Log {
    disk: Disk,
    dir: PathBuf,
    active: Segment,
    next_sequence: u64,
    segment_bytes_max: u64,
    sync_micros: Arc<Recorder>,
    /// What the file holds is not known after an error, so nothing is written behind it.
    has_failed: bool,
    /// There was no space for a group. What there is then may be used up, by whoever gives something back.
    is_full: bool,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// Nothing was written, and the log is as it was.
    #[error("no space for the log")]
    Full,
    /// Parts may have been written; [`Log::repair`] comes before anything else.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

struct Segment {
    file: DiskFile,
    number: u64,
    salt: u64,
    /// Where the next frame goes.
    len: u64,
    /// Up to where the file has space.
    space: u64,
}

/// How far ahead space is made.
const SPACE_BYTES: u64 = 1 << 20;
/// Space that is kept for what gives something back when there is none for anything else.
const RESERVE_BYTES_MAX: u64 = 64 << 10;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Log {
    /// A new log in an empty directory.
    pub(super) fn create(disk: Disk, dir: &Path, segment_bytes_max: u64) -> io::Result<Self> {
        let active = Segment::create(&disk, dir, 0, 0)?;
        Ok(Self::new(disk, dir, active, 0, segment_bytes_max))
    }

    fn new(disk: Disk, dir: &Path, active: Segment, next_sequence: u64, segment_bytes_max: u64) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            active,
            next_sequence,
            segment_bytes_max,
            sync_micros: Arc::new(Recorder::of_micros()),
            has_failed: false,
            is_full: false,
        }
    }

    /// How long syncs of frames take.
    pub(super) fn sync_micros(&self) -> &Arc<Recorder> {
        &self.sync_micros
    }

    /// Writes one frame with the parts as its body, and syncs it. Returns the body.
    pub(super) fn append(&mut self, parts: &[&[u8]]) -> Result<Bytes, WriteError> {
        self.write(Kind::Writes, parts)
    }

    /// Whether a body of this length belongs into the next segment.
    pub(super) fn is_full_for(&self, body_len: usize) -> bool {
        let has_frames = self.active.len > SEGMENT_HEAD_LEN as u64;
        has_frames && self.active.len + (FRAME_HEAD_LEN + body_len) as u64 > self.segment_bytes_max
    }

    /// Whether a body of this length has its space in this segment, whatever its limit.
    pub(super) fn has_space_for(&self, body_len: usize) -> bool {
        self.active.len + (FRAME_HEAD_LEN + body_len) as u64 <= self.active.space
    }

    /// Goes on in a new segment. Returns the number of the one that is complete now.
    pub(super) fn rotate(&mut self) -> Result<u64, WriteError> {
        self.check()?;
        let number = self.active.number;
        let first_sequence = self.next_sequence + 1;
        let next = match Segment::create(&self.disk, &self.dir, number + 1, first_sequence) {
            Ok(next) => next,
            Err(error) => return Err(self.not_rotated(error.into())),
        };
        if let Err(error) = self.write(Kind::Seal, &[]) {
            return Err(self.not_rotated(error));
        }
        self.active = next;
        Ok(number)
    }

    /// Without space for it, the next segment is removed again: the log must not go on in this one while there is a
    /// next.
    fn not_rotated(&mut self, error: WriteError) -> WriteError {
        let is_full = match &error {
            WriteError::Full => true,
            WriteError::Failed(error) => !self.has_failed && error.kind() == io::ErrorKind::StorageFull,
        };
        if !is_full {
            self.has_failed = true;
            return error;
        }
        self.is_full = true;
        match self.remove_segment(self.active.number + 1) {
            Ok(()) => WriteError::Full,
            Err(error) => {
                self.has_failed = true;
                error.into()
            }
        }
    }

    fn write(&mut self, kind: Kind, parts: &[&[u8]]) -> Result<Bytes, WriteError> {
        let body_len: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Vec::with_capacity(FRAME_HEAD_LEN + body_len);
        bytes.resize(FRAME_HEAD_LEN, 0);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let head = FrameHead::new(kind, self.next_sequence, &bytes[FRAME_HEAD_LEN..]);
        bytes[..FRAME_HEAD_LEN].copy_from_slice(&head.encode(self.active.salt));
        let synced_in = self.guarded(|log| {
            log.make_space(log.active.len + bytes.len() as u64)?;
            log.active.write(&bytes).map_err(WriteError::from)
        })?;
        self.sync_micros.record_time(synced_in);
        self.next_sequence += 1;
        Ok(Bytes::from(bytes).slice(FRAME_HEAD_LEN..))
    }

    /// Makes space up to `end` and for the reserve. Where there is none any more, the reserve
    /// is used up by whoever comes after the group that noticed.
    fn make_space(&mut self, end: u64) -> Result<(), WriteError> {
        let reserve = self.reserve();
        if end + reserve <= self.active.space {
            return Ok(());
        }
        let limit = self.segment_bytes_max + reserve;
        let space = (end + reserve).next_multiple_of(SPACE_BYTES).min(limit).max(end);
        match self.active.extend(space) {
            Ok(()) => Ok(()),
            Err(WriteError::Full) if self.is_full && end <= self.active.space => Ok(()),
            Err(error) => {
                self.is_full = matches!(error, WriteError::Full);
                Err(error)
            }
        }
    }

    /// Whether there was no space, and there still is none.
    pub(super) fn is_full(&mut self) -> Result<bool, WriteError> {
        if self.is_full {
            let limit = self.segment_bytes_max + self.reserve();
            let space = (self.active.space + 1).next_multiple_of(SPACE_BYTES).min(limit);
            match self.guarded(|log| log.active.extend(space)) {
                Err(WriteError::Full) => {}
                done => {
                    done?;
                    self.is_full = false;
                }
            }
        }
        Ok(self.is_full)
    }

    fn reserve(&self) -> u64 {
        RESERVE_BYTES_MAX.min(self.segment_bytes_max / 8)
    }

    fn check(&self) -> io::Result<()> {
        if self.has_failed { Err(io::Error::other("the log has failed before")) } else { Ok(()) }
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, WriteError>) -> Result<T, WriteError> {
        self.check()?;
        let done = work(self);
        self.has_failed = matches!(done, Err(WriteError::Failed(_)));
        done
    }

    /// Makes the log again what it was after the last append that succeeded: nothing of what failed is left. Does
    /// nothing where nothing has failed.
    ///
    /// All of the segment is written once more: after a sync that failed, the system may take pages for clean that
    /// never reached the disk. What was acknowledged was synced before, so reading it is safe.
    pub(super) fn repair(&mut self) -> io::Result<()> {
        if !self.has_failed {
            return Ok(());
        }
        let Segment { number, len, .. } = self.active;
        let path = self.dir.join(file_name(number, COMPLETE));
        self.remove_segment(number + 1)?;
        let bytes = std::fs::read(&path)?;
        let kept = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
        let kept = kept.filter(|kept| {
            SegmentHead::decode(kept).is_some_and(|head| {
                let scanned = scan::scan(kept, &head);
                scanned.at as u64 == len && scanned.next_sequence == self.next_sequence
            })
        });
        let kept = kept.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} cannot be read back", path.display()))
        })?;
        // A new descriptor, because an error of one that failed may be told again.
        let file = self.disk.open(&path)?;
        file.set_len(len)?;
        file.write_all_at(kept, 0)?;
        file.sync_all()?;
        let salt = self.active.salt;
        self.active = Segment { file, number, salt, len, space: len };
        self.has_failed = false;
        Ok(())
    }

    /// Removes a segment that nothing was written to.
    fn remove_segment(&self, number: u64) -> io::Result<()> {
        for extension in [UNFINISHED, COMPLETE] {
            self.disk.remove(&self.dir.join(file_name(number, extension)))?;
        }
        self.disk.sync_directory(&self.dir)
    }
}

impl Segment {
    fn create(disk: &Disk, dir: &Path, number: u64, first_sequence: u64) -> io::Result<Self> {
        let head = SegmentHead { number, first_sequence, salt: RandomState::new().build_hasher().finish() };
        let (unfinished, path) =
            (dir.join(file_name(number, UNFINISHED)), dir.join(file_name(number, COMPLETE)));
        let file = disk.create(&unfinished)?;
        file.write_all_at(&head.encode(), 0)?;
        file.sync_all()?;
        drop(file);
        disk.rename(&unfinished, &path)?;
        disk.sync_directory(dir)?;
        let len = SEGMENT_HEAD_LEN as u64;
        Ok(Self { file: disk.open(&path)?, number, salt: head.salt, len, space: len })
    }

    fn open(disk: &Disk, path: &Path, head: SegmentHead, len: u64) -> io::Result<Self> {
        let file = disk.open(path)?;
        let space = file.len()?;
        Ok(Self { file, number: head.number, salt: head.salt, len, space })
    }

    /// Writes again what the file begins with, up to where the next frame goes, and syncs it.
    fn rewrite(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)?;
        self.file.sync_all()
    }

    /// Writes zeros up to `space`. Where there is not so much, gives back what there was.
    fn extend(&mut self, space: u64) -> Result<(), WriteError> {
        let mut at = self.space;
        while at < space {
            let part = (space - at).min(ZEROS.len() as u64);
            match self.file.write_all_at(&ZEROS[..part as usize], at) {
                Ok(()) => at += part,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    self.file.set_len(self.space)?;
                    return Err(WriteError::Full);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.space = space.max(self.space);
        Ok(())
    }

    /// Writes a frame into its space, and syncs it. Says how long the sync took.
    fn write(&mut self, frame: &[u8]) -> io::Result<Duration> {
        self.file.write_all_at(frame, self.len)?;
        let began = Instant::now();
        self.file.sync_data()?;
        self.len += frame.len() as u64;
        Ok(began.elapsed())
    }
}

/// Whether there is any segment.
pub(super) fn exists(dir: &Path) -> io::Result<bool> {
    Ok(!recovery::segments(dir)?.is_empty())
}

/// Deletes a segment that is not needed any more.
pub(super) fn delete_segment(disk: &Disk, dir: &Path, number: u64) -> io::Result<()> {
    disk.remove(&dir.join(file_name(number, COMPLETE)))
}

const COMPLETE: &str = "log";
const UNFINISHED: &str = "new";

fn file_name(number: u64, extension: &str) -> String {
    format!("{number:020}.{extension}")
}
