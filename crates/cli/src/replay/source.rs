//! Reads the file of a replay and finds out its format. Must not know servers.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::args::Format;
use crate::failure::Failure;
use crate::recording::{self, RecordedEvent};

use super::trajectory::Trajectory;

/// Larger files are refused: a replay holds its file in memory.
const FILE_LEN_MAX_MIB: u64 = 512;

/// A file, read and understood.
pub(super) enum Source {
    Recording(Vec<RecordedEvent>),
    Run(Trajectory),
}

/// Reads `path` as `format`.
pub(super) fn load(path: &Path, format: Format) -> Result<Source, Failure> {
    let file = read(path)?;
    let is_recording = match format {
        Format::Auto => recording::is_recording(&file),
        Format::Recording => true,
        Format::Traj => false,
    };
    if is_recording {
        return recording::parse(&file)
            .map(Source::Recording)
            .map_err(|reason| Failure::Recording { path: path.to_owned(), reason });
    }
    Trajectory::parse(&file).map(Source::Run).map_err(|reason| {
        let path = path.to_owned();
        if format == Format::Auto && !reason.is_about_steps() {
            Failure::FormatUnknown { path, reason }
        } else {
            Failure::Trajectory { path, reason }
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |reason| Failure::File { path: path.to_owned(), reason };
    let len_max = FILE_LEN_MAX_MIB * 1024 * 1024;
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(len_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > len_max {
        return Err(Failure::FileTooLarge { path: path.to_owned(), len_max_mib: FILE_LEN_MAX_MIB });
    }
    Ok(bytes)
}
