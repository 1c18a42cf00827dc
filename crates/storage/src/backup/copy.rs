//! Backups in files: written from a directory, checked, and made into a directory again. Must not know HTTP.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::audit::{Audit, Report};
use super::export::pieces_of;
use super::file::{Decoder, INNER_MARK, Section};
use super::{BackupError, INNER_DIR};
use crate::embedded::EmbeddedStore;
use crate::engine::{Engine, EngineError, Writes, decode};
use crate::layout::{TAG_ROW, key_first, key_id, row_key};
use crate::{Clock, SystemClock};

fn io_at(path: &Path) -> impl Fn(std::io::Error) -> BackupError + '_ {
    |source| BackupError::Io { path: path.to_owned(), source }
}

/// Writes a backup of the store in `dir`, which no process may have open, to `file`, which must not be there. What is
/// written is checked again. Nobody but the owner may read the file: it holds the keys of tokens.
///
/// # Errors
/// [`BackupError`]; then there is no file, but for one that was there before, which stays as it is.
pub fn write(dir: &Path, file: &Path) -> Result<Report, BackupError> {
    must_hold_a_store(dir)?;
    let mut options = OpenOptions::new();
    let out = options.write(true).create_new(true).mode(0o600).open(file).map_err(io_at(file))?;
    let made = copy(dir, file, out);
    if made.is_err() {
        // Half a file would only be in the way.
        let _ = std::fs::remove_file(file);
    }
    made?;
    verify_file(file)
}

fn must_hold_a_store(dir: &Path) -> Result<(), BackupError> {
    if EmbeddedStore::is_in(dir) {
        return Ok(());
    }
    let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no store");
    Err(BackupError::Io { path: dir.to_owned(), source })
}

fn copy(dir: &Path, file: &Path, out: File) -> Result<(), BackupError> {
    // Open until all is copied: nothing moves from one store to the other meanwhile.
    let engine = EmbeddedStore::open_engine(dir)?;
    let mut out = BufWriter::new(out);
    if let Some(inner) = open_inner(dir)? {
        out.write_all(INNER_MARK).map_err(io_at(file))?;
        copy_store(&*inner, file, &mut out)?;
    }
    copy_store(&*engine, file, &mut out)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(io_at(file))
}

fn open_inner(dir: &Path) -> Result<Option<Arc<dyn Engine>>, BackupError> {
    let inner = dir.join(INNER_DIR);
    Ok(if EmbeddedStore::is_in(&inner) { Some(EmbeddedStore::open_engine(&inner)?) } else { None })
}

fn copy_store(engine: &dyn Engine, file: &Path, out: &mut impl Write) -> Result<(), BackupError> {
    let mut written = Ok(());
    pieces_of(engine, SystemClock.now_ms(), |piece| {
        written = out.write_all(&piece);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .map_err(|error| BackupError::Store(error.to_string()))?;
    written.map_err(io_at(file))
}

/// Checks a backup file: every checksum, and whether all it holds fits together.
///
/// # Errors
/// [`BackupError`] when it cannot be read to its end; what does not fit together is in the report.
pub fn verify_file(file: &Path) -> Result<Report, BackupError> {
    let mut decoder = Decoder::new(BufReader::new(File::open(file).map_err(io_at(file))?))?;
    let (mut outer, mut inner) = (Audit::default(), None);
    while let Some((section, run)) = decoder.part()? {
        match section {
            Section::Outer => outer.run(&run),
            Section::Inner => inner.get_or_insert_with(Audit::default).run(&run),
        }
    }
    let report = outer.finish().with_inner(inner.map(Audit::finish));
    Ok(Report { bytes: decoder.bytes(), taken_at_ms: Some(decoder.taken_at_ms), ..report })
}

/// Checks the store in `dir`, which no process may have open: every checksum, and whether all it holds fits together.
/// Opening it does what opening it for serving does: what was never acknowledged and is torn is set aside.
///
/// # Errors
/// [`BackupError`] when it cannot be opened; that says which file is damaged or missing. All else is in the report.
pub fn verify_directory(dir: &Path) -> Result<Report, BackupError> {
    must_hold_a_store(dir)?;
    let outer = EmbeddedStore::open_engine(dir)?;
    let inner = open_inner(dir)?.map(|inner| audited(&*inner)).transpose()?;
    Ok(audited(&*outer)?.with_inner(inner))
}

fn audited(engine: &dyn Engine) -> Result<Report, BackupError> {
    let mut audit = Audit::default();
    audit_all(engine, &mut audit).map_err(|error| BackupError::Store(error.to_string()))?;
    Ok(audit.finish())
}

/// Audits every entry. Where stored rows cannot be read, goes on with the next stream.
fn audit_all(engine: &dyn Engine, audit: &mut Audit) -> Result<(), EngineError> {
    const AFTER_ALL: &[u8] = &[u8::MAX];
    let mut from = vec![1];
    loop {
        let mut last = from.clone();
        let scanned = engine.scan(&from, AFTER_ALL, &mut |key, value| {
            last.clear();
            last.extend_from_slice(key);
            audit.entry(key, &value);
            ControlFlow::Continue(())
        });
        match scanned {
            Ok(()) => return Ok(()),
            Err(EngineError::Damaged(reason)) => {
                // A scan that fails has not said where, but behind the last entry it gave.
                let in_rows = last.first() == Some(&TAG_ROW);
                let id = if in_rows { key_id(&last) } else { None };
                audit.unreadable(id.zip(key_first(&last)), &reason);
                match id.and_then(|id| id.checked_add(1)) {
                    Some(next) if row_key(next, 0)[..] > from[..] => from = row_key(next, 0).to_vec(),
                    _ if last[..] < [TAG_ROW][..] => from = vec![TAG_ROW],
                    _ => return Ok(()),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes a store in `dir` from a backup. The directory must not be there, or be empty; it appears when all is in it and
/// durable.
///
/// # Errors
/// [`BackupError`]; then nothing is there.
pub fn restore(file: &Path, dir: &Path) -> Result<Report, BackupError> {
    let is_taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        return Err(BackupError::NotEmpty { path: dir.to_owned() });
    }
    // Before anything is written: a damaged backup makes no store.
    let report = verify_file(file)?;
    if let Some(first) = report.problems.first() {
        return Err(BackupError::Problems { problems: report.problem_count, first: first.clone() });
    }
    let unfinished = unfinished(dir);
    let made = fill(file, &unfinished).and_then(|()| {
        if dir.exists() {
            std::fs::remove_dir(dir).map_err(io_at(dir))?;
        }
        std::fs::rename(&unfinished, dir).map_err(io_at(dir))?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(io_at(parent))
    });
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    made.map(|()| report)
}

/// Beside the directory, so that it can be renamed.
fn unfinished(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    dir.with_file_name(name)
}

fn fill(file: &Path, dir: &Path) -> Result<(), BackupError> {
    // What an attempt that was killed has left.
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io_at(dir)(error)),
        _ => {}
    }
    let mut decoder = Decoder::new(BufReader::new(File::open(file).map_err(io_at(file))?))?;
    let mut writes = Writes::default();
    let mut open: Option<(Section, Arc<dyn Engine>)> = None;
    while let Some((section, run)) = decoder.part()? {
        let engine = match open.take() {
            Some((of, engine)) if of == section => engine,
            _ => open_section(section, dir)?,
        };
        writes.clear();
        writes.extend_from_run(&run);
        engine.commit(&writes, true).map_err(|error| BackupError::Store(error.to_string()))?;
        open = Some((section, engine));
    }
    if open.is_none_or(|(section, _)| section == Section::Inner) {
        // It holds nothing, and is a store all the same.
        drop(open_section(Section::Outer, dir)?);
    }
    Ok(())
}

fn open_section(section: Section, dir: &Path) -> Result<Arc<dyn Engine>, BackupError> {
    Ok(match section {
        Section::Outer => EmbeddedStore::open_engine(dir)?,
        Section::Inner => EmbeddedStore::open_engine(&dir.join(INNER_DIR))?,
    })
}

impl Audit {
    /// Every entry of a run.
    fn run(&mut self, run: &[u8]) {
        for write in decode(run) {
            match write.value {
                Some(value) => self.entry(write.key, &bytes::Bytes::copy_from_slice(value)),
                None => self.unreadable(None, "a backup holds a deletion"),
            }
        }
    }
}
