//! Passes the output of a child on, and adds up what test runners say in it. Drops nothing: what a
//! runner printed is printed.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::screen;

/// The longest line that is looked at for a summary; longer ones are still passed on.
const LINE_BYTES_MAX: usize = 4096;

/// Looks at what a child says, line by line, without colours and surrounding space.
pub(crate) trait WatchLines: Send + Sync {
    fn line(&self, line: &str);
}

/// Tests that passed, failed and were skipped, over all runners.
#[derive(Debug, Default)]
pub(crate) struct TestCount {
    passed: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

impl TestCount {
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

impl WatchLines for TestCount {
    fn line(&self, line: &str) {
        let Some(summary) = summary_in(line) else { return };
        self.passed.fetch_add(summary.passed, Ordering::Relaxed);
        self.failed.fetch_add(summary.failed, Ordering::Relaxed);
        self.skipped.fetch_add(summary.skipped, Ordering::Relaxed);
    }
}

/// Where one pipe of a child goes.
#[derive(Default)]
pub(crate) struct Relay {
    label: Option<String>,
    watcher: Option<Arc<dyn WatchLines>>,
}

impl Relay {
    pub(crate) fn labelled(label: &str) -> Self {
        Self { label: Some(label.to_owned()), watcher: None }
    }

    pub(crate) fn watched(watcher: Arc<dyn WatchLines>) -> Self {
        Self { label: None, watcher: Some(watcher) }
    }

    /// Until the pipe ends.
    pub(crate) fn run(self, mut pipe: impl Read) {
        let mut chunk = [0_u8; 8192];
        let mut line = Vec::new();
        while let Ok(read @ 1..) = pipe.read(&mut chunk) {
            if self.label.is_none() {
                screen::raw(&chunk[..read]);
            }
            for &byte in &chunk[..read] {
                if byte == b'\n' {
                    self.line(&line);
                    line.clear();
                } else if line.len() < LINE_BYTES_MAX {
                    line.push(byte);
                }
            }
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    fn line(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if let Some(label) = &self.label {
            screen::line(format_args!("{} {}", screen::dim(format_args!("{label} |")), line.trim_end()));
        }
        if let Some(watcher) = &self.watcher {
            watcher.line(without_colours(&line).trim());
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// The summary line of cargo test, of wasm-bindgen-test (the same words), of vitest and of Node's test
/// runner; anything else is none.
fn summary_in(line: &str) -> Option<Summary> {
    if let Some(rest) = line.strip_prefix("test result: ") {
        return Some(numbers_before_words(rest, "ignored"));
    }
    // vitest: `Tests  1 failed | 12 passed | 2 skipped (15)`; `Test Files …` counts files, not tests.
    if let Some(rest) = line.strip_prefix("Tests ") {
        return Some(numbers_before_words(rest, "skipped"));
    }
    // node --test prints one number a line: `# pass 12` (TAP) or `ℹ pass 12` (spec).
    let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
    let (word, number) = rest.split_once(' ')?;
    let number = number.parse().ok()?;
    match word {
        "pass" => Some(Summary { passed: number, ..Summary::default() }),
        "fail" => Some(Summary { failed: number, ..Summary::default() }),
        "skipped" => Some(Summary { skipped: number, ..Summary::default() }),
        _ => None,
    }
}

fn numbers_before_words(text: &str, skipped_word: &str) -> Summary {
    let words: Vec<&str> = text.split([' ', ';', '|', ',', '.']).filter(|word| !word.is_empty()).collect();
    let before = |name: &str| {
        words
            .windows(2)
            .find(|pair| pair[1] == name)
            .and_then(|pair| pair[0].parse().ok())
            .unwrap_or_default()
    };
    Summary { passed: before("passed"), failed: before("failed"), skipped: before(skipped_word) }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((text, after)) = rest.split_once('\x1b') {
        plain.push_str(text);
        rest = after.split_once('m').map_or("", |(_, tail)| tail);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_all_runners_are_understood() {
        let cargo = "test result: FAILED. 7 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(summary_in(cargo), Some(Summary { passed: 7, failed: 1, skipped: 2 }));
        let vitest = "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[32m12 passed\x1b[39m\x1b[22m | \x1b[33m3 skipped\x1b[39m (15)";
        assert_eq!(
            summary_in(without_colours(vitest).trim()),
            Some(Summary { passed: 12, failed: 0, skipped: 3 })
        );
        assert_eq!(summary_in("ℹ pass 4"), Some(Summary { passed: 4, failed: 0, skipped: 0 }));
        assert_eq!(summary_in("# fail 1"), Some(Summary { passed: 0, failed: 1, skipped: 0 }));
    }

    #[test]
    fn other_lines_are_no_summaries() {
        for line in
            ["Test Files  3 passed (3)", "test a::b ... ok", "", "# duration_ms 12.5", "Tests are good"]
        {
            assert!(
                matches!(summary_in(line), None | Some(Summary { passed: 0, failed: 0, skipped: 0 })),
                "{line}"
            );
        }
    }

    #[test]
    fn a_relay_counts_over_any_split_and_an_unfinished_last_line() {
        struct OneByOne(&'static [u8]);
        impl Read for OneByOne {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                into[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        let count = Arc::new(TestCount::default());
        Relay::watched(Arc::<TestCount>::clone(&count))
            .run(OneByOne(b"test result: ok. 2 passed; 0 failed\n# pass 3"));
        assert_eq!((count.passed(), count.failed(), count.skipped()), (5, 0, 0));
    }
}
