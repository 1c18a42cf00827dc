//! Opens a log that is there: reads every frame, or says why that cannot be trusted. Must not know what frames mean.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::frame::SegmentHead;
use super::scan::{End, Scanned, behind_damage, scan};
use super::{COMPLETE, Log, Segment, UNFINISHED, file_name};
use crate::embedded::disk::Disk;
use crate::embedded::loss::Sides;

/// Why a log cannot be opened. Nothing was changed but for files that were never part of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::embedded) enum RecoveryError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the log segment {} is damaged at byte {at}, before acknowledged data", path.display())]
    Damaged { path: PathBuf, at: usize },
    #[error("the head of the log segment {} is damaged", path.display())]
    Head { path: PathBuf },
    #[error("the log segment {} is missing", path.display())]
    Missing { path: PathBuf },
    #[error("the log {} holds data that belongs to no store", dir.display())]
    Orphaned { dir: PathBuf },
}

/// A log that was there.
pub(in crate::embedded) struct Recovered {
    pub(in crate::embedded) log: Log,
    /// Each segment's groups in order; the last segment is the active one.
    pub(in crate::embedded) segments: Vec<(u64, Vec<Bytes>)>,
}

/// Opens the log from segment `first` on. The caller holds the lock of the directory.
pub(in crate::embedded) fn recover(
    disk: &Disk,
    dir: &Path,
    first: u64,
    segment_bytes_max: u64,
) -> Result<Recovered, RecoveryError> {
    let (old, segments): (Vec<_>, Vec<_>) = segments(dir)?.into_iter().partition(|number| *number < first);
    let path_of = |number| dir.join(file_name(number, COMPLETE));
    for (expected, &number) in (first..).zip(&segments) {
        if number != expected {
            return Err(RecoveryError::Missing { path: path_of(expected) });
        }
    }
    let Some(last) = segments.last().copied() else {
        return Err(RecoveryError::Missing { path: path_of(first) });
    };
    let mut recovered = Vec::with_capacity(segments.len());

    // The segment before: its path, where it ended and with what sequence.
    let mut before: Option<(PathBuf, Scanned)> = None;
    let mut newest = None;
    for number in segments {
        let path = path_of(number);
        let bytes = Bytes::from(std::fs::read(&path)?);
        let head = SegmentHead::decode(&bytes)
            .filter(|head| head.number == number)
            .ok_or_else(|| RecoveryError::Head { path: path.clone() })?;
        if let Some((path, scanned)) = before.take() {
            // The seal is a frame too, but nothing is lost with it.
            let is_complete =
                [head.first_sequence, head.first_sequence.saturating_sub(1)].contains(&scanned.next_sequence);
            if !is_complete {
                return Err(RecoveryError::Damaged { path, at: scanned.at });
            }
        }
        let scanned = scan(&bytes, &head);
        if scanned.end == End::Damaged {
            return Err(RecoveryError::Damaged { path, at: scanned.at });
        }
        if number == last {
            match scanned.end {
                End::Sealed => return Err(RecoveryError::Missing { path: path_of(number + 1) }),
                End::Torn => set_aside(disk, &path, &bytes, scanned.at)?,
                End::Clean | End::Damaged => {}
            }
            // A process that was killed, or whose sync failed, may have left a frame that is whole but not durable, and
            // readers see it now. After a failed sync the system may take its pages for clean and sync nothing, so
            // they are written again.
            let segment = Segment::open(disk, &path, head, scanned.at as u64)?;
            segment.rewrite(&bytes[..scanned.at])?;
            newest = Some((segment, scanned.next_sequence));
        }
        // Copied, so that what is kept of one group does not keep the whole file.
        let groups = scanned.bodies.iter().map(|body| Bytes::copy_from_slice(&bytes[body.clone()]));
        recovered.push((number, groups.collect()));
        before = Some((path, scanned));
    }
    let Some((active, next_sequence)) = newest else {
        return Err(RecoveryError::Missing { path: path_of(first) });
    };
    // Only now: a log that does not belong to this tree is refused as it is.
    for number in old {
        std::fs::remove_file(dir.join(file_name(number, COMPLETE)))?;
    }
    let log = Log::new(disk.clone(), dir, active, next_sequence, segment_bytes_max);
    Ok(Recovered { log, segments: recovered })
}

/// The groups of a damaged log, on both sides of its first damage. Segments that have no head are passed over.
pub(in crate::embedded) fn sides(dir: &Path, first: u64) -> io::Result<Sides> {
    let mut sides = Sides::default();
    let mut is_behind = false;
    let mut expected: Option<u64> = None;
    for number in segments(dir)?.into_iter().filter(|number| *number >= first) {
        let bytes = std::fs::read(dir.join(file_name(number, COMPLETE)))?;
        let Some(head) = SegmentHead::decode(&bytes) else {
            is_behind = true;
            continue;
        };
        let is_next = expected.is_none_or(|next| [next, next + 1].contains(&head.first_sequence));
        is_behind |= !is_next;
        let scanned = scan(&bytes, &head);
        let copy = |body: &std::ops::Range<usize>| Bytes::copy_from_slice(&bytes[body.clone()]);
        let side = if is_behind { &mut sides.after } else { &mut sides.before };
        side.extend(scanned.bodies.iter().map(copy));
        if scanned.end == End::Damaged {
            is_behind = true;
            sides.after.extend(behind_damage(&bytes, scanned.at, &head).iter().map(copy));
        }
        expected = Some(scanned.next_sequence);
    }
    Ok(sides)
}

/// Removes what a first opening left that did not come to its end; nothing can have been acknowledged in it. A log
/// that holds more is refused.
pub(in crate::embedded) fn clear_unfinished_creation(dir: &Path) -> Result<(), RecoveryError> {
    for number in segments(dir)? {
        let path = dir.join(file_name(number, COMPLETE));
        let bytes = std::fs::read(&path)?;
        let head = SegmentHead::decode(&bytes).ok_or_else(|| RecoveryError::Head { path: path.clone() })?;
        let scanned = scan(&bytes, &head);
        if number > 0 || scanned.end != End::Clean || !scanned.bodies.is_empty() {
            return Err(RecoveryError::Orphaned { dir: dir.to_owned() });
        }
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// The numbers of the segments in order. Files that were to become one are deleted.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let Some((number, extension)) = number.zip(path.extension()) else { continue };
        if extension == COMPLETE {
            found.push(number);
        } else if extension == UNFINISHED {
            std::fs::remove_file(path)?;
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Copies what follows `at` into a file beside the segment, for a person to look at, and cuts it off.
fn set_aside(disk: &Disk, path: &Path, bytes: &[u8], at: usize) -> io::Result<()> {
    let torn = &bytes[at..];
    let len = torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    // One group is all that can be torn, but a foreign file may stand here by mistake.
    let torn = &torn[..len.min(TORN_BYTES_KEPT)];
    let aside = match keep_aside(disk, path, torn) {
        // It was never acknowledged: a full disk, which may be what tore it, must not keep the store closed.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            tracing::warn!(id = "STORE-LOG-TORN-NOT-KEPT", %error, "no space to keep the torn group of the log");
            None
        }
        kept => Some(kept?),
    };
    let segment = disk.open(path)?;
    segment.set_len(at as u64)?;
    segment.sync_all()?;
    if let Some(dir) = path.parent() {
        disk.sync_directory(dir)?;
    }
    tracing::warn!(
        id = "STORE-LOG-TORN",
        segment = %path.display(),
        at,
        bytes = torn.len(),
        aside = aside.map(|aside| aside.display().to_string()),
        "the last group of the log was torn; it was not acknowledged, and is set aside"
    );
    Ok(())
}

/// In a new file beside the segment.
fn keep_aside(disk: &Disk, segment: &Path, torn: &[u8]) -> io::Result<PathBuf> {
    let mut number = 0u32;
    let (aside, file) = loop {
        let aside = segment.with_extension(format!("torn-{number}"));
        match disk.create_new(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            other => break (aside, other?),
        }
    };
    file.write_all_at(torn, 0)?;
    file.sync_all()?;
    Ok(aside)
}

const TORN_BYTES_KEPT: usize = 64 << 20;
