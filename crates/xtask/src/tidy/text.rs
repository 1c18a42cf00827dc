//! Words that must not be committed, and words that a crate must not say.

use std::fs;
use std::path::Path;

use super::{Source, Sources};
use crate::checkout::Checkout;
use crate::failure::StepError;
use crate::stamp::files_below;

// Taken apart, so that this file does not find itself.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const HOSTS: &[&str] = &[
    concat!("registry.npm", "js.org"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.golang", ".org"),
];
const MACHINE_PATHS: &[&str] =
    &[concat!("/wor", "k/"), concat!("/roo", "t/"), concat!("/hom", "e/"), concat!("/User", "s/")];
/// npm writes where it downloaded from into lock files unless told not to (`.npmrc`).
const DOWNLOAD_ADDRESS: &str = "\"resolved\": \"http";

/// Engines, and the one place of the server that may name them.
const ENGINES: &[&str] = &["EmbeddedStore", "MemoryStore", "fjall", "Fjall"];
const SERVER_SOURCE: &str = "crates/server/src/";
const SERVER_CONFIGURATION: &str = "crates/server/src/config";

/// Notes, hosts and machine paths, with their lines.
pub(super) fn check(sources: &Sources) -> Vec<String> {
    sources.iter().flat_map(|source| numbered(source).filter_map(|(at, line)| complaint(&at, line))).collect()
}

/// Lines of the server's code that name a storage engine where they may not.
pub(super) fn engines_named_by_the_server(sources: &Sources) -> Vec<String> {
    sources
        .iter()
        .filter(|source| {
            source.path.starts_with(SERVER_SOURCE) && !source.path.starts_with(SERVER_CONFIGURATION)
        })
        .flat_map(|source| forbidden(source, ENGINES))
        .collect()
}

/// Lines of the code below `directory` that say one of `words`.
pub(super) fn words_in_code(
    checkout: &Checkout,
    directory: &Path,
    words: &[&str],
) -> Result<Vec<String>, StepError> {
    let mut findings = Vec::new();
    if words.is_empty() {
        return Ok(findings);
    }
    for file in files_below(directory, &[])? {
        if let Ok(text) = fs::read_to_string(&file) {
            findings.extend(forbidden(&Source { path: checkout.display(&file), text }, words));
        }
    }
    Ok(findings)
}

/// Comments may explain what the code does not do, and unit tests (at the end of a file or in files of
/// their own) may do more than the code.
fn forbidden(source: &Source, words: &[&str]) -> Vec<String> {
    if source.extension() != "rs" || source.path.contains("/tests/") || source.path.ends_with("tests.rs") {
        return Vec::new();
    }
    numbered(source)
        .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(at, line)| {
            let word = words.iter().find(|word| has_word(line, word))?;
            Some(format!("{at}: names {word}"))
        })
        .collect()
}

fn complaint(at: &str, line: &str) -> Option<String> {
    if let Some(note) = NOTES.iter().find(|note| has_word(line, note)) {
        return Some(format!("{at}: {note}"));
    }
    if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
        return Some(format!("{at}: names the download host {host}"));
    }
    if line.contains(DOWNLOAD_ADDRESS) {
        return Some(format!(
            "{at}: records a download address (set omit-lockfile-registry-resolved in .npmrc)"
        ));
    }
    MACHINE_PATHS
        .iter()
        .find(|path| starts_a_path(line, path))
        .map(|path| format!("{at}: a path of one machine ({path}…)"))
}

fn numbered(source: &Source) -> impl Iterator<Item = (String, &str)> {
    source.text.lines().enumerate().map(|(index, line)| (format!("{}:{}", source.path, index + 1), line))
}

/// `word` with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part)
            && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// `path` where a path begins: `/a/b` in `x = "/a/b"`, not in `c/a/b`.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at]
            .chars()
            .next_back()
            .is_some_and(|before| before.is_alphanumeric() || "_-./}~*$)".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str) -> Vec<String> {
        check(&Sources(vec![Source::new("a.rs", line)]))
    }

    #[test]
    fn notes_hosts_and_machine_paths_are_found() {
        let npm = format!("  {DOWNLOAD_ADDRESS}s://somewhere/a.tgz\"");
        let host = format!("curl https://{}/a", HOSTS[0]);
        let path = format!("let dir = \"{}main\";", MACHINE_PATHS[0]);
        for line in [&format!("// {}: later", NOTES[0]), &npm, &host, &path] {
            assert_eq!(check_line(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn words_that_only_contain_one_are_not_found() {
        for line in
            ["METHODOLOGY", "let my_todo = 1;", "https://a.example/home/", "target/work/x", "\"TODOS\""]
        {
            assert!(check_line(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn the_server_names_engines_only_in_its_configuration() {
        let code = "//! fjall\nuse durable_sessions_storage::EmbeddedStore;\n#[cfg(test)]\nuse fjall;\n";
        let sources = Sources(vec![
            Source::new("crates/server/src/config.rs", code),
            Source::new("crates/server/src/fan_out.rs", code),
            Source::new("crates/storage/src/lib.rs", code),
        ]);
        assert_eq!(
            engines_named_by_the_server(&sources),
            ["crates/server/src/fan_out.rs:2: names EmbeddedStore"]
        );
    }
}
