//! The tools of the example agent: they look at a checkout and report what is really there. Must not know
//! sessions or events. Paths in reports are relative to the checkout, so that a recording names no machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A walk ends here; the report says so.
const FILES_MAX: usize = 20_000;
/// Larger files are listed and neither read nor searched, in bytes.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// Matches in a report of a search.
const MATCHES_SHOWN: usize = 20;
/// Longest line in a report, in characters.
const LINE_SHOWN: usize = 140;

/// A text file of the checkout.
pub(crate) struct SourceFile {
    /// Relative to the checkout, with `/`.
    pub(crate) path: String,
    pub(crate) lines: usize,
}

/// What lies in a checkout.
pub(crate) struct Listing {
    /// Sorted by path.
    pub(crate) files: Vec<SourceFile>,
    /// Files that are no text, or too large.
    pub(crate) others: usize,
    /// Whether the walk ended at its limit.
    pub(crate) cut: bool,
}

impl Listing {
    /// Lists the text files below `root`, without what tools generate.
    pub(crate) fn of(root: &Path) -> io::Result<Self> {
        let mut listing = Self { files: Vec::new(), others: 0, cut: false };
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let kind = entry.file_type()?;
                let generated = matches!(&*name, "target" | "node_modules" | "dist" | "pkg");
                if name.starts_with('.') || (kind.is_dir() && generated) {
                    continue;
                }
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_file() {
                    if listing.files.len() + listing.others >= FILES_MAX {
                        listing.cut = true;
                        break;
                    }
                    listing.take(root, &entry.path());
                }
            }
        }
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    fn take(&mut self, root: &Path, path: &Path) {
        match read_text(path) {
            Some(text) => {
                self.files.push(SourceFile { path: relative(root, path), lines: text.lines().count() });
            }
            None => self.others += 1,
        }
    }

    /// Files whose names end in `suffix`.
    pub(crate) fn ending(&self, suffix: &str) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(move |file| file.path.ends_with(suffix))
    }

    /// Files and lines per directory, two levels deep, in order of path.
    pub(crate) fn directories(&self) -> BTreeMap<String, Directory> {
        let mut directories: BTreeMap<String, Directory> = BTreeMap::new();
        for file in &self.files {
            let parts: Vec<&str> = file.path.split('/').collect();
            let name = match parts.as_slice() {
                [] | [_] => "./".to_owned(),
                [top, _] => format!("{top}/"),
                [top, second, ..] => format!("{top}/{second}/"),
            };
            let directory = directories.entry(name).or_default();
            directory.files += 1;
            directory.lines += file.lines;
        }
        directories
    }

    /// The report of the tool.
    pub(crate) fn report(&self) -> String {
        let mut report = String::new();
        for (name, Directory { files, lines }) in self.directories() {
            report.push_str(&format!("{files:>5} files {lines:>8} lines  {name}\n"));
        }
        report.push_str(&format!("{:>5} other files\n", self.others));
        if self.cut {
            report.push_str(&format!("stopped after {FILES_MAX} files\n"));
        }
        report
    }
}

/// What lies in one directory.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) files: usize,
    pub(crate) lines: usize,
}

/// Where a text was found.
pub(crate) struct Matches {
    pub(crate) count: usize,
    pub(crate) files: usize,
    /// The file with the most matches.
    pub(crate) densest: Option<(String, usize)>,
    /// The first matches, as `path:line: text`.
    pub(crate) report: String,
}

impl Matches {
    /// Where the matches are, in words.
    pub(crate) fn place(&self) -> String {
        match &self.densest {
            None => "nowhere".to_owned(),
            Some((path, _)) if self.files == 1 => format!("in {path}"),
            Some((path, most)) => format!("in {} files, {most} of them in {path}", self.files),
        }
    }
}

/// Searches the files of a listing for a text.
pub(crate) fn search(root: &Path, listing: &Listing, suffix: &str, needle: &str) -> Matches {
    let mut found = Matches { count: 0, files: 0, densest: None, report: String::new() };
    for file in listing.ending(suffix) {
        let Some(text) = read_text(&root.join(&file.path)) else { continue };
        let mut here = 0;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains(needle)) {
            here += 1;
            if found.count + here <= MATCHES_SHOWN {
                found.report.push_str(&format!("{}:{}: {}\n", file.path, index + 1, shown(line.trim())));
            }
        }
        if here > 0 {
            found.count += here;
            found.files += 1;
            if found.densest.as_ref().is_none_or(|(_, most)| here > *most) {
                found.densest = Some((file.path.clone(), here));
            }
        }
    }
    if found.count > MATCHES_SHOWN {
        found.report.push_str(&format!("and {} more\n", found.count - MATCHES_SHOWN));
    }
    found
}

/// The first lines of a file.
pub(crate) fn read_head(root: &Path, path: &str, lines_max: usize) -> Result<String, String> {
    let text = read_text(&root.join(path)).ok_or_else(|| format!("{path}: not a readable text file"))?;
    let mut head: String = text.lines().take(lines_max).map(|line| shown(line) + "\n").collect();
    let total = text.lines().count();
    if total > lines_max {
        head.push_str(&format!("[{} more lines]\n", total - lines_max));
    }
    Ok(head)
}

/// What the output of `cargo test` says.
#[derive(Default)]
pub(crate) struct TestCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// The names of the tests that failed.
    pub(crate) failures: Vec<String>,
}

impl TestCounts {
    /// Adds up the `test result:` lines.
    pub(crate) fn of(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            if let Some(result) = line.trim().strip_prefix("test result:") {
                let words: Vec<&str> =
                    result.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
                for pair in words.windows(2) {
                    let Ok(number) = pair[0].parse::<u64>() else { continue };
                    match pair[1] {
                        "passed" => counts.passed += number,
                        "failed" => counts.failed += number,
                        "ignored" => counts.ignored += number,
                        _ => {}
                    }
                }
            } else if let Some(name) =
                line.trim().strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
            {
                counts.failures.push(name.to_owned());
            }
        }
        counts
    }
}

fn read_text(path: &Path) -> Option<String> {
    let small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= FILE_LEN_MAX);
    if small { fs::read_to_string(path).ok() } else { None }
}

fn relative(root: &Path, path: &Path) -> String {
    let relative: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(LINE_SHOWN) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}
