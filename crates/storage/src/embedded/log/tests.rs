//! Whole logs in a directory: what is written is read again, and every kind of loss has its outcome.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::embedded::faults::{Call, Fault, Faults};

use super::recovery::Recovered;
use super::*;

const SEGMENT_BYTES_MAX: u64 = 400;

struct Written {
    dir: tempfile::TempDir,
    bodies: Vec<Vec<u8>>,
}

/// A log over several segments: bodies of different lengths, one of them longer than a segment.
fn written() -> Written {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::create(Disk::default(), dir.path(), SEGMENT_BYTES_MAX).unwrap();
    let bodies: Vec<Vec<u8>> =
        [10, 0, 100, 150, 30, 1_000, 5, 90, 7].iter().zip(1..).map(|(&len, n)| vec![n; len]).collect();
    for body in &bodies {
        if log.is_full_for(body.len()) {
            log.rotate().unwrap();
        }
        let (front, back) = body.split_at(body.len() / 2);
        assert_eq!(log.append(&[front, back]).unwrap(), body);
    }
    Written { dir, bodies }
}

impl Written {
    fn recover(&self, first: u64) -> Result<Recovered, RecoveryError> {
        recover(&Disk::default(), self.dir.path(), first, SEGMENT_BYTES_MAX)
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.dir.path().join(file_name(number, COMPLETE))
    }

    fn newest(&self) -> PathBuf {
        self.segment(*recovery::segments(self.dir.path()).unwrap().last().unwrap())
    }

    fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = std::fs::read(path).unwrap();
        let old = bytes.clone();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
        old
    }
}

/// Without the space behind the last frame.
fn frames(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    let head = SegmentHead::decode(&bytes).unwrap();
    bytes.truncate(scan::scan(&bytes, &head).at);
    bytes
}

fn bodies(recovered: &Recovered) -> Vec<Vec<u8>> {
    recovered.segments.iter().flat_map(|(_, groups)| groups).map(|group| group.to_vec()).collect()
}

#[test]
fn what_is_written_is_read_again_and_goes_on() {
    let mut written = written();
    for n in 0..20u8 {
        let mut recovered = written.recover(0).unwrap();
        assert_eq!(bodies(&recovered), written.bodies);
        let numbers: Vec<_> = recovered.segments.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
        assert!(numbers.len() > 3);
        if recovered.log.is_full_for(50) {
            recovered.log.rotate().unwrap();
        }
        recovered.log.append(&[&[n; 50]]).unwrap();
        written.bodies.push(vec![n; 50]);
    }
}

#[test]
fn what_is_in_the_tree_is_not_read_but_deleted() {
    let written = written();
    let in_first_two: usize =
        written.recover(0).unwrap().segments[..2].iter().map(|(_, groups)| groups.len()).sum();
    std::fs::write(written.dir.path().join(file_name(99, UNFINISHED)), b"dslog").unwrap();
    std::fs::write(written.dir.path().join("notes.txt"), b"not ours").unwrap();
    assert_eq!(bodies(&written.recover(2).unwrap()), written.bodies[in_first_two..]);
    assert!(!written.segment(0).exists() && !written.segment(1).exists() && written.segment(2).exists());
    assert!(!written.dir.path().join(file_name(99, UNFINISHED)).exists());
    assert!(written.dir.path().join("notes.txt").exists());
}

/// A process that dies, or power that fails, while the last frame is written.
#[test]
fn the_last_frame_may_be_cut_at_every_byte() {
    let written = written();
    let path = written.newest();
    let whole = frames(&path);
    let last = written.bodies.last().unwrap().len() + FRAME_HEAD_LEN;
    for cut in whole.len() - last..whole.len() {
        for zeros in [0, last] {
            std::fs::write(&path, [&whole[..cut], &vec![0; zeros][..]].concat()).unwrap();
            let mut recovered = written.recover(0).unwrap();
            assert_eq!(bodies(&recovered), written.bodies[..written.bodies.len() - 1], "{cut}");
            // It goes on where the whole frames ended.
            recovered.log.append(&[b"next"]).unwrap();
            let bodies = bodies(&written.recover(0).unwrap());
            assert_eq!(bodies.last().unwrap(), b"next");
            assert_eq!(bodies.len(), written.bodies.len());
        }
    }
    let aside =
        |entry: io::Result<std::fs::DirEntry>| entry.unwrap().path().to_string_lossy().contains("torn-");
    assert_eq!(
        std::fs::read_dir(written.dir.path()).unwrap().filter_map(|e| aside(e).then_some(())).count(),
        2 * (last - 1)
    );
}

#[test]
fn a_torn_frame_that_cannot_be_kept_does_not_keep_the_log_closed() {
    let written = written();
    let path = written.newest();
    let whole = frames(&path);
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let full = |call| (call == Call::Create).then_some(Fault::NoSpace);
    let disk = Disk::failing(Arc::new(Faults::new(full)));
    let recovered = recover(&disk, written.dir.path(), 0, SEGMENT_BYTES_MAX).unwrap();
    assert_eq!(bodies(&recovered), written.bodies[..written.bodies.len() - 1]);
    drop(recovered);
    assert_eq!(bodies(&written.recover(0).unwrap()).len(), written.bodies.len() - 1);
}

#[test]
fn a_damaged_byte_before_the_last_frame_is_refused_and_nothing_is_changed() {
    let written = written();
    let newest = written.newest();
    for number in 0.. {
        let path = written.segment(number);
        if !path.exists() {
            break;
        }
        let whole = std::fs::read(&path).unwrap();
        let seal = FRAME_HEAD_LEN;
        let frames_len = frames(&path).len();
        let end = match path == newest {
            true => frames_len - FRAME_HEAD_LEN - written.bodies.last().unwrap().len(),
            false => frames_len - seal,
        };
        for at in 0..end {
            written.change(&path, |bytes| bytes[at] ^= 4);
            let refused = written.recover(0).err();
            if at < SEGMENT_HEAD_LEN {
                assert!(matches!(refused, Some(RecoveryError::Head { .. })), "{number} {at}: {refused:?}");
            } else {
                assert!(matches!(refused, Some(RecoveryError::Damaged { .. })), "{number} {at}: {refused:?}");
            }
            written.change(&path, |bytes| bytes[at] ^= 4);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }
    assert_eq!(bodies(&written.recover(0).unwrap()), written.bodies);
}

#[test]
fn a_cut_in_an_older_segment_is_refused_unless_only_its_seal_is_gone() {
    let written = written();
    let whole = frames(&written.segment(1));
    for cut in 0..whole.len() {
        std::fs::write(written.segment(1), &whole[..cut]).unwrap();
        let recovered = written.recover(0);
        match cut {
            ..SEGMENT_HEAD_LEN => assert!(matches!(recovered, Err(RecoveryError::Head { .. }))),
            _ if cut >= whole.len() - FRAME_HEAD_LEN => {
                assert_eq!(bodies(&recovered.unwrap()), written.bodies);
            }
            _ => assert!(matches!(recovered, Err(RecoveryError::Damaged { .. })), "{cut}"),
        }
    }
}

#[test]
fn a_missing_segment_is_refused_wherever_it_was() {
    let written = written();
    let count = written.recover(0).unwrap().segments.len() as u64;
    for number in 0..count {
        let aside = written.dir.path().join("aside");
        std::fs::rename(written.segment(number), &aside).unwrap();
        let refused = written.recover(0).err();
        let expected = written.segment(number);
        assert!(matches!(refused, Some(RecoveryError::Missing { path }) if path == expected), "{number}");
        std::fs::rename(aside, written.segment(number)).unwrap();
    }
    // Another segment in its place is no better.
    std::fs::copy(written.segment(1), written.segment(2)).unwrap();
    assert!(matches!(written.recover(0), Err(RecoveryError::Head { .. })));
    assert!(matches!(written.recover(count), Err(RecoveryError::Missing { .. })));
}

#[test]
fn an_unfinished_creation_is_cleared_and_a_log_without_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Log::create(Disk::default(), dir.path(), SEGMENT_BYTES_MAX).unwrap());
    assert!(exists(dir.path()).unwrap());
    clear_unfinished_creation(dir.path()).unwrap();
    assert!(!exists(dir.path()).unwrap());
    let written = written();
    let refused = clear_unfinished_creation(written.dir.path());
    assert!(matches!(refused, Err(RecoveryError::Orphaned { .. })));
    assert_eq!(bodies(&written.recover(0).unwrap()), written.bodies);
}

/// A disk on which such calls fail while it is armed.
fn failing(which: Call, fault: Fault) -> (Disk, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let plan = {
        let armed = Arc::clone(&armed);
        move |call| (armed.load(Ordering::SeqCst) && call == which).then_some(fault)
    };
    (Disk::failing(Arc::new(Faults::new(plan))), armed)
}

#[test]
fn after_an_error_nothing_is_written_until_it_is_repaired() {
    for (call, fault) in [
        (Call::Write, Fault::Io),
        (Call::Write, Fault::Short),
        (Call::Sync, Fault::Io),
        (Call::Sync, Fault::NoSpace),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (disk, armed) = failing(call, fault);
        let mut log = Log::create(disk, dir.path(), SEGMENT_BYTES_MAX).unwrap();
        log.append(&[b"one"]).unwrap();
        armed.store(true, Ordering::SeqCst);
        assert!(matches!(log.append(&[b"two"]), Err(WriteError::Failed(_))), "{call:?} {fault:?}");
        assert!(log.repair().is_err());
        armed.store(false, Ordering::SeqCst);
        assert!(log.append(&[b"three"]).is_err() && log.rotate().is_err());
        log.repair().unwrap();
        log.append(&[b"four"]).unwrap();
        log.rotate().unwrap();
        log.append(&[b"five"]).unwrap();
        let recovered = recover(&Disk::default(), dir.path(), 0, SEGMENT_BYTES_MAX).unwrap();
        assert_eq!(bodies(&recovered), [&b"one"[..], b"four", b"five"], "{call:?} {fault:?}");
    }
}

#[test]
fn a_rotation_that_fails_leaves_no_segment_behind() {
    for (call, fault) in [
        (Call::Create, Fault::Io),
        (Call::Create, Fault::NoSpace),
        (Call::Write, Fault::Short),
        (Call::Write, Fault::NoSpace),
        (Call::Sync, Fault::Io),
        (Call::SyncDirectory, Fault::Io),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (disk, armed) = failing(call, fault);
        let mut log = Log::create(disk, dir.path(), SEGMENT_BYTES_MAX).unwrap();
        log.append(&[b"one"]).unwrap();
        armed.store(true, Ordering::SeqCst);
        let refused = log.rotate().unwrap_err();
        assert_eq!(matches!(refused, WriteError::Full), fault == Fault::NoSpace, "{call:?} {refused}");
        armed.store(false, Ordering::SeqCst);
        log.repair().unwrap();
        log.append(&[b"two"]).unwrap();
        assert_eq!(log.rotate().unwrap(), 0);
        log.append(&[b"three"]).unwrap();
        let recovered = recover(&Disk::default(), dir.path(), 0, SEGMENT_BYTES_MAX).unwrap();
        assert_eq!(bodies(&recovered), [&b"one"[..], b"two", b"three"], "{call:?} {fault:?}");
    }
}

#[test]
fn without_space_nothing_is_written_and_the_reserve_is_for_those_who_come_later() {
    const MAX: u64 = 4 * SPACE_BYTES;
    let dir = tempfile::tempdir().unwrap();
    let (disk, armed) = failing(Call::Write, Fault::NoSpace);
    let mut log = Log::create(disk, dir.path(), MAX).unwrap();
    log.append(&[b"one"]).unwrap();
    let before = std::fs::read(dir.path().join(file_name(0, COMPLETE))).unwrap();
    let large = vec![1; SPACE_BYTES as usize];
    // Only what would make space fails here: a plan cannot tell, so the frame that fits is tried when all is well.
    armed.store(true, Ordering::SeqCst);
    assert!(matches!(log.append(&[&large]), Err(WriteError::Full)));
    assert_eq!(std::fs::read(dir.path().join(file_name(0, COMPLETE))).unwrap(), before);
    assert!(log.is_full().unwrap());
    armed.store(false, Ordering::SeqCst);
    assert!(log.has_space_for(100));
    log.append(&[b"two"]).unwrap();
    assert!(!log.is_full().unwrap());
    log.append(&[&large]).unwrap();
    let recovered = recover(&Disk::default(), dir.path(), 0, MAX).unwrap();
    assert_eq!(bodies(&recovered), [&b"one"[..], b"two", &large]);
}

#[test]
fn space_is_made_ahead_within_the_segment_and_its_reserve() {
    let dir = tempfile::tempdir().unwrap();
    let max = 3 * SPACE_BYTES - 100;
    let mut log = Log::create(Disk::default(), dir.path(), max).unwrap();
    let len = || std::fs::metadata(dir.path().join(file_name(0, COMPLETE))).unwrap().len();
    for (body_len, expected) in
        [(10, SPACE_BYTES), (10, SPACE_BYTES), (SPACE_BYTES, 2 * SPACE_BYTES), (SPACE_BYTES, 3 * SPACE_BYTES)]
    {
        log.append(&[&vec![1; body_len as usize]]).unwrap();
        assert_eq!(len(), expected);
    }
    let recovered = recover(&Disk::default(), dir.path(), 0, max).unwrap();
    assert_eq!(bodies(&recovered).len(), 4);
    let mut log = recovered.log;
    log.append(&[b"in the space that is there"]).unwrap();
    assert_eq!(len(), 3 * SPACE_BYTES);
    log.append(&[&vec![1; SPACE_BYTES as usize - 1_000]]).unwrap();
    assert_eq!(len(), max + RESERVE_BYTES_MAX);
}
