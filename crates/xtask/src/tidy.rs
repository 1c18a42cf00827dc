//! Checks of the source tree that no compiler makes: arrows between crates, files, words.

mod arrow_table;
mod arrows;
mod files;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkout::Checkout;
use crate::command::Invocation;
use crate::failure::StepError;
use crate::report::{Outcome, Stopped};
use crate::stamp::files_below;
use crate::workbench::Workbench;

/// All of them; each is a step of its own, and one that fails does not keep the others from running.
pub(crate) fn check(bench: &Workbench) -> Result<(), Stopped> {
    let steps = [
        bench.report.step(
            "arrows",
            "which crate uses which, and what each must not know (CONTRIBUTING.md)",
            || {
                let mut findings = arrows::check(bench)?;
                findings.extend(text::engines_named_by_the_server(&Sources::read(&bench.checkout)?));
                StepError::from_findings(
                    findings,
                    "move the code to the crate that may know it, or, after talking about it, change \
                 crates/xtask/src/tidy/arrow_table.rs and CONTRIBUTING.md together",
                )?;
                Ok(Outcome::Done)
            },
        ),
        bench.report.step("files", "length, opening line and name of each source file", || {
            StepError::from_findings(
                files::check(&Sources::read(&bench.checkout)?),
                "split what is too long by what it is for; open each module with a //! line",
            )?;
            Ok(Outcome::Done)
        }),
        bench.report.step(
            "words",
            "leftover notes, download hosts and paths of one person's machine",
            || {
                StepError::from_findings(
                    text::check(&Sources::read(&bench.checkout)?),
                    "finish what the note says, or say it without the host or path",
                )?;
                Ok(Outcome::Done)
            },
        ),
    ];
    steps.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

/// One file of the tree, with its path as seen from the root.
pub(crate) struct Source {
    path: String,
    text: String,
}

impl Source {
    #[cfg(test)]
    fn new(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), text: text.into() }
    }

    /// The part after the last dot, if there is one.
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or("")
    }
}

/// Every text file that is committed or would be.
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    fn read(checkout: &Checkout) -> Result<Self, StepError> {
        let listed = Invocation::new("git", checkout.root())
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .read_quietly();
        let paths: Vec<PathBuf> = match listed {
            Some(listed) => listed
                .split('\0')
                .filter(|path| !path.is_empty())
                .map(|path| checkout.root().join(path))
                .collect(),
            // A tree without git, as from an archive.
            None => files_below(checkout.root(), &[checkout.target()])?,
        };
        let mut sources = Vec::new();
        for path in paths {
            // Listed but deleted, and pictures, are not text to look at.
            if let Ok(text) = fs::read_to_string(&path) {
                sources.push(Source { path: checkout.display(&path), text });
            }
        }
        Ok(Self(sources))
    }

    fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }
}
