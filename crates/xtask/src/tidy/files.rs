//! Each source file on its own: how long it is, how it opens, what it is called.

use super::{Source, Sources};

/// A file above this asks to be split.
const LINES_MAX: usize = 600;
/// Extensions of what people write. Lock files, recordings, schemas and pictures are not.
const WRITTEN: &[&str] = &["rs", "ts", "tsx", "mts", "js", "mjs", "css", "sh"];
/// Directory that tells that a file is generated and not for reading.
const GENERATED: &str = "/generated/";
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "misc"];

pub(super) fn check(sources: &Sources) -> Vec<String> {
    sources.iter().filter(|source| !source.path.contains(GENERATED)).flat_map(findings).collect()
}

fn findings(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !WRITTEN.contains(&source.extension()) {
        return found;
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{}: {lines} lines, more than {LINES_MAX}", source.path));
    }
    // A module's tests in a file of their own are named by what stands above them.
    let tests = source.path.ends_with("/tests.rs");
    if source.extension() == "rs" && !tests && !source.text.starts_with("//!") {
        found.push(format!("{}: does not open with a //! line that says what it is for", source.path));
    }
    let names = source.path.split(['/', '.']);
    if let Some(name) = names.into_iter().find(|name| EMPTY_NAMES.contains(name)) {
        found.push(format!("{}: `{name}` does not say what is inside", source.path));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_a_generated_one_is_not() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        let sources =
            Sources(vec![Source::new("a.rs", long.clone()), Source::new("pkg/src/generated/a.ts", long)]);
        assert_eq!(check(&sources), ["a.rs: 601 lines, more than 600"]);
    }

    #[test]
    fn a_module_has_to_say_what_it_is_for() {
        assert_eq!(findings(&Source::new("a.rs", "use b;\n")).len(), 1);
        assert!(findings(&Source::new("a.rs", "//! For b.\n")).is_empty());
        assert!(findings(&Source::new("a.ts", "import b\n")).is_empty());
        assert!(findings(&Source::new("a/tests.rs", "use super::*;\n")).is_empty());
    }

    #[test]
    fn a_drawer_for_everything_is_found() {
        assert_eq!(findings(&Source::new("crates/a/src/utils.rs", "//! Things.\n")).len(), 1);
        assert_eq!(findings(&Source::new("pkg/src/helpers/a.ts", "")).len(), 1);
    }
}
