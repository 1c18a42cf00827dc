//! Remembers what a step was made from, so that it can be skipped while nothing changed. Compares
//! contents, not times: a `git checkout` touches files without changing them.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::checkout::Checkout;
use crate::failure::StepError;

/// Directories that hold results, never sources.
const RESULTS: &[&str] = &["node_modules", "target", "dist", ".git", ".vite"];

/// The fingerprint of all that one result is made from.
pub(crate) struct Stamp {
    file: PathBuf,
    digest: String,
}

impl Stamp {
    /// Reads `inputs` (files, or directories with everything below them but results and `without`);
    /// `circumstances` are versions and switches that matter too.
    pub(crate) fn of(
        checkout: &Checkout,
        name: &str,
        inputs: &[PathBuf],
        without: &[PathBuf],
        circumstances: &str,
    ) -> Result<Self, StepError> {
        let mut hasher = DefaultHasher::new();
        circumstances.hash(&mut hasher);
        for input in inputs {
            for file in files_below(input, without)? {
                checkout.display(&file).hash(&mut hasher);
                fs::read(&file).map_err(|source| StepError::file("read", &file, source))?.hash(&mut hasher);
            }
        }
        Ok(Self { file: checkout.stamps().join(name), digest: format!("{:016x}\n", hasher.finish()) })
    }

    /// The fingerprint itself, as one of the circumstances of what is made from this result.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether the last [`keep`](Self::keep) saw the same inputs.
    pub(crate) fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|kept| kept == self.digest)
    }

    /// Notes that the result is now made from these inputs.
    pub(crate) fn keep(&self) -> Result<(), StepError> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir).map_err(|source| StepError::file("create", dir, source))?;
        }
        fs::write(&self.file, &self.digest).map_err(|source| StepError::file("write", &self.file, source))
    }
}

/// Every file at or below `path`, sorted; a missing path has none.
pub(crate) fn files_below(path: &Path, without: &[PathBuf]) -> Result<Vec<PathBuf>, StepError> {
    let mut files = Vec::new();
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        if without.contains(&path) {
            continue;
        }
        if path.is_symlink() || path.is_file() {
            if path.is_file() {
                files.push(path);
            }
            continue;
        }
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries {
            let entry = entry.map_err(|source| StepError::file("list", &path, source))?;
            if !RESULTS.iter().any(|name| entry.file_name() == *name) {
                pending.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-stamp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("src/node_modules")).unwrap();
        fs::write(dir.join("src/a.txt"), "a").unwrap();
        fs::write(dir.join("src/node_modules/b.txt"), "b").unwrap();
        dir
    }

    #[test]
    fn results_and_left_out_paths_are_not_inputs() {
        let dir = scratch("walk");
        fs::write(dir.join("src/c.txt"), "c").unwrap();
        let found = files_below(&dir.join("src"), &[dir.join("src/c.txt")]).unwrap();
        assert_eq!(found, [dir.join("src/a.txt")]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_stamp_is_fresh_until_contents_or_circumstances_change() {
        let dir = scratch("fresh");
        let checkout = Checkout::find().unwrap();
        let name = format!("test-{}", std::process::id());
        let stamp = |circumstances: &str| {
            Stamp::of(&checkout, &name, &[dir.join("src")], &[], circumstances).unwrap()
        };
        assert!(!stamp("1").is_fresh());
        stamp("1").keep().unwrap();
        assert!(stamp("1").is_fresh());
        assert!(!stamp("2").is_fresh());
        fs::write(dir.join("src/a.txt"), "other").unwrap();
        assert!(!stamp("1").is_fresh());
        fs::remove_file(stamp("1").file).unwrap();
        fs::remove_dir_all(dir).unwrap();
    }
}
