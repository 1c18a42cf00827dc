//! The bytes of a backup file. Must not know files, nor what keys mean.

use std::io::{self, Read};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::BackupError;
use crate::embedded::log::frame::{FRAME_HEAD_LEN, FrameHead, Kind};
use crate::layout::FORMAT;

const MAGIC: &[u8; 8] = b"dsbackup";
/// What a file begins with in which the inner store comes first.
pub(super) const INNER_MARK: &[u8; 8] = b"dsinner1";
const VERSION: u32 = 1;
const HEAD_LEN: usize = 40;
const IN_HEAD: &str = "it ends within its head";
const HEAD_SEED: u64 = 0x6473_6261_636b_0001;
/// A part is one value at least, and no value is longer than what one group may carry.
const PART_BYTES_MAX: u64 = 1 << 30;

/// Makes the bytes one after the other.
pub(super) struct Encoder {
    salt: u64,
    sequence: u64,
}

impl Encoder {
    /// The encoder, and the head.
    pub(super) fn new(taken_at_ms: i64, salt: u64) -> (Self, Bytes) {
        let mut head = Vec::with_capacity(HEAD_LEN);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&FORMAT.to_le_bytes());
        head.extend_from_slice(&taken_at_ms.to_le_bytes());
        head.extend_from_slice(&salt.to_le_bytes());
        let sum = xxh3_64_with_seed(&head, HEAD_SEED);
        head.extend_from_slice(&sum.to_le_bytes());
        (Self { salt, sequence: 0 }, Bytes::from(head))
    }

    pub(super) fn part(&mut self, run: &[u8]) -> Bytes {
        self.frame(Kind::Writes, run)
    }

    pub(super) fn end(mut self) -> Bytes {
        self.frame(Kind::Seal, &[])
    }

    fn frame(&mut self, kind: Kind, body: &[u8]) -> Bytes {
        let head = FrameHead::new(kind, self.sequence, body).encode(self.salt);
        self.sequence += 1;
        Bytes::from([&head[..], body].concat())
    }
}

/// Whose parts they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// The store within the other's directory.
    Inner,
    /// The store itself.
    Outer,
}

/// Reads a backup, part by part.
pub(super) struct Decoder<R> {
    from: R,
    /// Bytes read so far.
    at: u64,
    section: Section,
    salt: u64,
    sequence: u64,
    pub(super) taken_at_ms: i64,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(from: R) -> Result<Self, BackupError> {
        let mut decoder = Self { from, at: 0, section: Section::Outer, salt: 0, sequence: 0, taken_at_ms: 0 };
        let mut magic = [0; 8];
        read_exact(&mut decoder.from, &mut magic, 0, IN_HEAD)?;
        if magic == *INNER_MARK {
            decoder.at = magic.len() as u64;
            decoder.section = Section::Inner;
            read_exact(&mut decoder.from, &mut magic, decoder.at, IN_HEAD)?;
        }
        decoder.begin(magic)?;
        Ok(decoder)
    }

    /// Reads the rest of a head.
    fn begin(&mut self, magic: [u8; 8]) -> Result<(), BackupError> {
        let mut head = [0; HEAD_LEN];
        head[..8].copy_from_slice(&magic);
        let format = |found: String| BackupError::Format { found, supported: FORMAT };
        if magic != *MAGIC {
            return Err(format("no head of a backup".into()));
        }
        read_exact(&mut self.from, &mut head[8..], self.at, IN_HEAD)?;
        if u64_at(&head, 32) != xxh3_64_with_seed(&head[..32], HEAD_SEED) {
            return Err(BackupError::Damaged { at: self.at, what: "its head has another checksum" });
        }
        let (versions, taken_at_ms) = (u64_at(&head, 8), u64_at(&head, 16).cast_signed());
        let (version, layout) = (versions as u32, (versions >> 32) as u32);
        if (version, layout) != (VERSION, FORMAT) {
            return Err(format(format!("version {version} with layout {layout}")));
        }
        self.at += HEAD_LEN as u64;
        (self.salt, self.sequence, self.taken_at_ms) = (u64_at(&head, 24), 0, taken_at_ms);
        Ok(())
    }

    /// The next run of changes, and whose; `None` at the end.
    pub(super) fn part(&mut self) -> Result<Option<(Section, Vec<u8>)>, BackupError> {
        loop {
            let (kind, body) = self.frame()?;
            match (kind, self.section) {
                (Kind::Writes, section) => return Ok(Some((section, body))),
                (Kind::Seal, Section::Inner) => {
                    let mut magic = [0; 8];
                    read_exact(&mut self.from, &mut magic, self.at, IN_HEAD)?;
                    self.begin(magic)?;
                    self.section = Section::Outer;
                }
                (Kind::Seal, Section::Outer) => return self.nothing_behind().map(|()| None),
            }
        }
    }

    fn frame(&mut self) -> Result<(Kind, Vec<u8>), BackupError> {
        let at = self.at;
        let damaged = |what| BackupError::Damaged { at, what };
        let mut head = [0; FRAME_HEAD_LEN];
        read_exact(&mut self.from, &mut head, at, "it ends without its end")?;
        let head = FrameHead::decode(&head, self.salt).ok_or(damaged("no part begins here"))?;
        if head.sequence != self.sequence {
            return Err(damaged("a part is missing, or out of place"));
        }
        if head.body_len > PART_BYTES_MAX {
            return Err(damaged("a part is too long"));
        }
        // Grows as the bytes come: a length alone reserves nothing.
        let mut body = Vec::new();
        let read = self.from.by_ref().take(head.body_len).read_to_end(&mut body);
        read.map_err(|error| io_error(&error, at))?;
        if !head.fits(&body) {
            return Err(damaged("a part has another checksum"));
        }
        self.sequence += 1;
        self.at += (FRAME_HEAD_LEN + body.len()) as u64;
        Ok((head.kind, body))
    }

    fn nothing_behind(&mut self) -> Result<(), BackupError> {
        let mut more = [0];
        match self.from.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(BackupError::Damaged { at: self.at, what: "there are bytes behind its end" }),
            Err(error) => Err(io_error(&error, self.at)),
        }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.at
    }
}

fn read_exact(from: &mut impl Read, into: &mut [u8], at: u64, cut: &'static str) -> Result<(), BackupError> {
    from.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => BackupError::Damaged { at, what: cut },
        _ => io_error(&error, at),
    })
}

fn io_error(error: &io::Error, at: u64) -> BackupError {
    BackupError::Store(format!("it cannot be read at byte {at}: {error}"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
