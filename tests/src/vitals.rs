//! What a server takes while it runs: memory, descriptors, processor, disk, minute by minute; and whether that is flat.
//! Must not know what the load is.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::server_process::ServerProcess;
use crate::waits::median;

/// One look at a server.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Processor time since it started.
    pub cpu: Duration,
    /// What its directory takes on the disk.
    pub disk_bytes: u64,
}

/// What was seen in one stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    samples: Vec<Sample>,
    began: Option<(Instant, Duration)>,
    ended: Option<(Instant, Duration)>,
}

impl Sample {
    /// Looks at a server whose data are in `dir`; `None` when it is gone.
    #[must_use]
    pub fn of(server: &ServerProcess, dir: &Path) -> Option<Self> {
        Some(Self {
            resident_bytes: server.resident_bytes()?,
            descriptors: server.descriptors()?,
            cpu: server.cpu_time()?,
            disk_bytes: disk_bytes(dir),
        })
    }
}

impl Stretch {
    /// Adds a look.
    pub fn add(&mut self, sample: Sample) {
        let now = (Instant::now(), sample.cpu);
        self.began.get_or_insert(now);
        self.ended = Some(now);
        self.samples.push(sample);
    }

    fn each(&self, what: impl Fn(&Sample) -> u64) -> impl Iterator<Item = f64> {
        self.samples.iter().map(move |sample| what(sample) as f64)
    }

    /// The middle of what was seen, in MiB.
    #[must_use]
    pub fn resident_mib(&self) -> f64 {
        median(self.each(|sample| sample.resident_bytes)) / MIB
    }

    /// The most that was seen, in MiB.
    #[must_use]
    pub fn resident_max_mib(&self) -> f64 {
        self.each(|sample| sample.resident_bytes).fold(0.0, f64::max) / MIB
    }

    /// The most that was seen.
    #[must_use]
    pub fn descriptors_max(&self) -> f64 {
        self.each(|sample| sample.descriptors).fold(0.0, f64::max)
    }

    /// The most that was seen, in MiB.
    #[must_use]
    pub fn disk_max_mib(&self) -> f64 {
        self.each(|sample| sample.disk_bytes).fold(0.0, f64::max) / MIB
    }

    /// Of one processor, in per cent.
    #[must_use]
    pub fn cpu_percent(&self) -> f64 {
        let Some(((began, before), (ended, after))) = self.began.zip(self.ended) else { return 0.0 };
        let seconds = ended.duration_since(began).as_secs_f64();
        if seconds > 0.0 { after.saturating_sub(before).as_secs_f64() / seconds * 100.0 } else { 0.0 }
    }
}

/// Bytes in a mebibyte.
pub const MIB: f64 = 1024.0 * 1024.0;

/// Blocks of all files below a directory. What disappears meanwhile takes nothing.
fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    const BLOCK_LEN: u64 = 512;
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
            Ok(found) => found.blocks() * BLOCK_LEN,
            Err(_) => 0,
        })
        .sum()
}

/// Something that must not grow: what it was, what it is, and what it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Flatness {
    /// Of what.
    pub name: String,
    /// The level that it is compared with.
    pub before: f64,
    /// The level at the end.
    pub after: f64,
    /// The highest level that counts as flat.
    pub limit: f64,
}

impl Flatness {
    /// `after` may be above `before` by this share of it, and by `allowance`.
    #[must_use]
    pub fn of(name: &str, before: f64, after: f64, share: f64, allowance: f64) -> Self {
        Self { name: name.to_owned(), before, after, limit: before * (1.0 + share) + allowance }
    }

    /// Whether it did not grow.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.after <= self.limit
    }
}

impl std::fmt::Display for Flatness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, before, after, limit } = self;
        write!(f, "{name}: {before:.1}, at the end {after:.1}, flat up to {limit:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_tells_the_middle_and_the_most() {
        let mut stretch = Stretch::default();
        for (mib, descriptors) in [(10, 5), (30, 9), (11, 6)] {
            stretch.add(Sample { resident_bytes: mib << 20, descriptors, ..Sample::default() });
        }
        assert_eq!((stretch.resident_mib(), stretch.resident_max_mib()), (11.0, 30.0));
        assert_eq!(stretch.descriptors_max(), 9.0);
        assert_eq!(Stretch::default().cpu_percent(), 0.0);
    }

    #[test]
    fn growth_beyond_the_limit_is_not_flat() {
        assert!(Flatness::of("memory", 100.0, 115.0, 0.1, 5.0).holds());
        assert!(!Flatness::of("memory", 100.0, 115.1, 0.1, 5.0).holds());
    }

    #[test]
    fn a_directory_takes_what_all_its_files_take() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        std::fs::write(dir.path().join("inner/file"), vec![1; 100_000]).unwrap();
        assert!(disk_bytes(dir.path()) >= 100_000);
        assert_eq!(disk_bytes(&dir.path().join("none")), 0);
    }
}
