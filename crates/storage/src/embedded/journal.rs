//! Looks at the journals before the engine does. Must not know keyspaces.
//!
//! Left alone, the engine cuts a journal off at the first byte it does not understand, and refuses to open when a
//! batch has a wrong checksum. Both are wrong in one case each: a batch that power loss tore in the middle was
//! never acknowledged when it is the last one, so it must not keep the store from opening; and damage that
//! *valid batches follow* hits what was acknowledged, so it must not be cut off in silence.
//!
//! | where the first bad batch is | what happens |
//! |---|---|
//! | nowhere; only zeros follow the last batch | nothing |
//! | at the end of the newest journal | its bytes are set aside in a file of their own, and cut off |
//! | before a valid batch, or in an older journal | the store does not open |
//!
//! A journal is a sequence of batches, integers little endian:
//!
//! ```text
//! 1u8 | items u32 | sequence u64
//!   ( 2u8 | kind u8 | compression u8 | keyspace u64 | key length u16 | value length u32 | stored length u32 | key | value
//!   | 4u8 | keyspace u64 ) * items
//! 3u8 | xxh3 of all items u64 | "FJL" 3u8
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::OpenError;

const TRAILER: &[u8; 4] = b"FJL\x03";
const CHUNK_BYTES: usize = 64 << 10;
static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// How a journal ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Clean,
    /// A bad batch starts here, and no valid one follows.
    Torn {
        at: u64,
    },
    /// A bad batch starts here, and valid ones follow.
    Damaged {
        at: u64,
    },
}

/// Makes sure that every journal in the directory can be opened without losing anything acknowledged. The caller
/// holds the lock of the directory.
pub(super) fn check(dir: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { path: dir.display().to_string(), source };
    let journals = journals(dir).map_err(failed)?;
    for (at, path) in journals.iter().enumerate() {
        let is_newest = at + 1 == journals.len();
        match inspect(path).map_err(failed)? {
            End::Clean => {}
            End::Torn { at } if is_newest => set_aside(path, at).map_err(failed)?,
            End::Torn { at } | End::Damaged { at } => {
                return Err(OpenError::Engine(format!(
                    "the journal {} is damaged at byte {at}, before acknowledged data",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// Journals from the oldest to the newest.
fn journals(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path
            .extension()
            .filter(|extension| *extension == "jnl")
            .and_then(|_| path.file_stem()?.to_str()?.parse::<u64>().ok());
        if let Some(number) = number {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

struct Journal {
    file: BufReader<File>,
    len: u64,
    chunk: Vec<u8>,
}

fn inspect(path: &Path) -> io::Result<End> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut journal =
        Journal { file: BufReader::with_capacity(1 << 20, file), len, chunk: vec![0; CHUNK_BYTES] };
    let mut at = 0;
    while let Some(end) = journal.batch(at)? {
        at = end;
    }
    if journal.is_zero_from(at)? {
        return Ok(End::Clean);
    }
    Ok(if journal.has_batch_after(at)? { End::Damaged { at } } else { End::Torn { at } })
}

impl Journal {
    fn seek(&mut self, to: u64) -> io::Result<()> {
        let here = self.file.stream_position()?;
        self.file.seek_relative(to.cast_signed() - here.cast_signed())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Where the batch ends that starts at `at`, if it is whole.
    fn batch(&mut self, at: u64) -> io::Result<Option<u64>> {
        self.seek(at)?;
        match self.batch_here() {
            Ok(true) => self.file.stream_position().map(Some),
            Ok(false) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn batch_here(&mut self) -> io::Result<bool> {
        let [1] = self.array()? else { return Ok(false) };
        let items = u32::from_le_bytes(self.array()?);
        let _sequence: [u8; 8] = self.array()?;
        let mut hash = Xxh3::new();
        for _ in 0..items {
            let [tag] = self.array()?;
            hash.update(&[tag]);
            let body = match tag {
                2 => {
                    let head: [u8; 20] = self.array()?;
                    hash.update(&head);
                    let key = u16::from_le_bytes([head[10], head[11]]);
                    let stored = u32::from_le_bytes([head[16], head[17], head[18], head[19]]);
                    u64::from(key) + u64::from(stored)
                }
                4 => 8,
                _ => return Ok(false),
            };
            if !self.hash(&mut hash, body)? {
                return Ok(false);
            }
        }
        let [3] = self.array()? else { return Ok(false) };
        let sum = u64::from_le_bytes(self.array()?);
        let trailer: [u8; 4] = self.array()?;
        Ok(trailer == *TRAILER && sum == hash.digest())
    }

    fn hash(&mut self, hash: &mut Xxh3, mut len: u64) -> io::Result<bool> {
        if self.file.stream_position()?.saturating_add(len) > self.len {
            return Ok(false);
        }
        while len > 0 {
            let part = len.min(CHUNK_BYTES as u64) as usize;
            self.file.read_exact(&mut self.chunk[..part])?;
            hash.update(&self.chunk[..part]);
            len -= part as u64;
        }
        Ok(true)
    }

    fn is_zero_from(&mut self, at: u64) -> io::Result<bool> {
        self.seek(at)?;
        loop {
            match self.file.read(&mut self.chunk)? {
                0 => return Ok(true),
                read if self.chunk[..read] != ZEROS[..read] => return Ok(false),
                _ => {}
            }
        }
    }

    /// Whether a whole batch follows behind any trailer after `at`.
    fn has_batch_after(&mut self, at: u64) -> io::Result<bool> {
        let mut window = vec![0; CHUNK_BYTES];
        let mut from = at;
        loop {
            self.seek(from)?;
            let mut filled = 0;
            while filled < window.len() {
                match self.file.read(&mut window[filled..])? {
                    0 => break,
                    read => filled += read,
                }
            }
            if filled <= TRAILER.len() {
                return Ok(false);
            }
            // Most of a journal is space for later; telling so by the chunk is far faster than by the byte.
            if window[..filled] != ZEROS[..filled] {
                for offset in 0..=filled - TRAILER.len() {
                    let behind = offset + TRAILER.len();
                    if window[offset..behind] == *TRAILER && self.batch(from + behind as u64)?.is_some() {
                        return Ok(true);
                    }
                }
            }
            // A trailer may lie across two windows.
            from += (filled - TRAILER.len() + 1) as u64;
        }
    }
}

/// Copies what follows `at` into a file beside the journal, for a person to look at, and cuts it off.
fn set_aside(path: &Path, at: u64) -> io::Result<()> {
    let mut journal = OpenOptions::new().read(true).write(true).open(path)?;
    journal.seek(SeekFrom::Start(at))?;
    let mut torn = Vec::new();
    // One group is the most that can be torn; beyond is space that was set aside for later.
    (&journal).take(TORN_BYTES_KEPT).read_to_end(&mut torn)?;
    let len = torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    torn.truncate(len);
    let mut number = 0;
    let (aside, mut file) = loop {
        let aside = path.with_extension(format!("torn-{number}"));
        match File::create_new(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            other => break (aside, other?),
        }
    };
    file.write_all(&torn)?;
    file.sync_all()?;
    journal.set_len(at)?;
    journal.sync_all()?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    tracing::warn!(
        id = "STORE-JOURNAL-TORN",
        journal = %path.display(),
        at,
        bytes = torn.len(),
        aside = %aside.display(),
        "the last batch of the journal was torn; it was not acknowledged, and is set aside"
    );
    Ok(())
}

const TORN_BYTES_KEPT: u64 = 64 << 20;

/// Removes what a first opening left that did not come to its end; nothing can have been acknowledged in it.
/// Otherwise the engine would refuse the directory for ever.
pub(super) fn clear_unfinished_creation(dir: &Path) -> io::Result<()> {
    const MARKER_LEN: u64 = 4;
    let marker = dir.join("version");
    let is_finished = std::fs::metadata(&marker).is_ok_and(|marker| marker.len() >= MARKER_LEN);
    let first_journal = dir.join("0.jnl");
    if is_finished || !first_journal.try_exists()? {
        return Ok(());
    }
    let len = first_journal.metadata()?.len();
    let mut journal =
        Journal { file: BufReader::new(File::open(&first_journal)?), len, chunk: vec![0; CHUNK_BYTES] };
    if journal.is_zero_from(0)? {
        if marker.try_exists()? {
            std::fs::remove_file(marker)?;
        }
        std::fs::remove_file(first_journal)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(sequence: u64, items: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend((items.len() as u32).to_le_bytes());
        bytes.extend(sequence.to_le_bytes());
        let start = bytes.len();
        for (key, value) in items {
            bytes.extend([2, 0, 0]);
            bytes.extend(1u64.to_le_bytes());
            bytes.extend((key.len() as u16).to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
        }
        let sum = xxhash_rust::xxh3::xxh3_64(&bytes[start..]);
        bytes.push(3);
        bytes.extend(sum.to_le_bytes());
        bytes.extend(TRAILER);
        bytes
    }

    /// Three batches, the second of which has a large value, and zeros after them.
    fn sample() -> (Vec<u8>, [usize; 4]) {
        let large = vec![7; 200_000];
        let batches = [
            batch(1, &[(b"a", b"1"), (b"b", b"")]),
            batch(2, &[(b"c", &large)]),
            batch(3, &[(b"d", b"FJL\x03")]),
        ];
        let mut ends = [0; 4];
        for (n, one) in batches.iter().enumerate() {
            ends[n + 1] = ends[n] + one.len();
        }
        let mut bytes = batches.concat();
        bytes.resize(bytes.len() + 10_000, 0);
        (bytes, ends)
    }

    fn inspected(bytes: &[u8]) -> End {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jnl");
        std::fs::write(&path, bytes).unwrap();
        inspect(&path).unwrap()
    }

    #[test]
    fn whole_journals_are_clean() {
        let (bytes, ends) = sample();
        for end in ends {
            assert_eq!(inspected(&bytes[..end]), End::Clean);
        }
        assert_eq!(inspected(&bytes), End::Clean);
    }

    #[test]
    fn a_bad_last_batch_is_torn_and_a_bad_earlier_one_is_damage() {
        let (bytes, ends) = sample();
        let damage = |at: usize| {
            let mut bad = bytes.clone();
            bad[at] ^= 0x40;
            inspected(&bad)
        };
        for at in [ends[2], ends[2] + 30, ends[3] - 1] {
            assert_eq!(damage(at), End::Torn { at: ends[2] as u64 }, "{at}");
        }
        for (batch, at) in [(0, 0), (0, 20), (1, ends[1]), (1, ends[1] + 100_000), (1, ends[2] - 1)] {
            // The trailer of the damaged batch itself is what the next one is found by, unless that is hit.
            let expected = End::Damaged { at: ends[batch] as u64 };
            if at != ends[2] - 1 {
                assert_eq!(damage(at), expected, "{at}");
            }
        }
        for cut in [ends[2] + 1, ends[2] + 20, ends[3] - 1] {
            assert_eq!(inspected(&bytes[..cut]), End::Torn { at: ends[2] as u64 }, "{cut}");
        }
    }

    #[test]
    fn a_torn_tail_is_set_aside_and_damage_is_refused() {
        let (bytes, ends) = sample();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("7.jnl");
        let mut torn = bytes.clone();
        torn[ends[3] - 20] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        check(dir.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes[..ends[2]]);
        assert_eq!(std::fs::read(dir.path().join("7.torn-0")).unwrap(), torn[ends[2]..ends[3]]);
        assert_eq!(inspect(&path).unwrap(), End::Clean);

        // The same in a journal that is not the newest was acknowledged.
        std::fs::write(&path, &torn).unwrap();
        std::fs::write(dir.path().join("10.jnl"), &bytes).unwrap();
        assert!(matches!(check(dir.path()), Err(OpenError::Engine(_))));
        assert_eq!(std::fs::read(&path).unwrap(), torn);
    }

    #[test]
    fn an_unfinished_creation_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("0.jnl");
        std::fs::write(&journal, [0; 100]).unwrap();
        std::fs::write(dir.path().join("version"), b"FJ").unwrap();
        clear_unfinished_creation(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        // With anything in it, it is left for a person to look at.
        std::fs::write(&journal, [0, 0, 1]).unwrap();
        clear_unfinished_creation(dir.path()).unwrap();
        assert!(journal.exists());
    }
}
