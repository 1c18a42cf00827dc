//! Patterns in claims: which sessions and streams a token is for. Pure; must not know whether they exist.

use crate::glob::{Glob, InvalidGlob};

/// More patterns than a token sensibly has.
const PATTERNS_MAX: usize = 64;

/// Patterns of stream paths. One without a slash is of session ids: `run-*` is `sessions/run-*`; `**` alone is
/// every stream there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patterns {
    globs: Vec<Glob>,
    texts: Vec<Box<str>>,
}

/// Why texts are no patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPattern {
    #[error("more than {PATTERNS_MAX} patterns")]
    TooMany,
    #[error(transparent)]
    Glob(#[from] InvalidGlob),
}

impl Patterns {
    pub(crate) fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPattern> {
        let (mut globs, mut kept) = (Vec::new(), Vec::new());
        for text in texts {
            if globs.len() == PATTERNS_MAX {
                return Err(InvalidPattern::TooMany);
            }
            globs.push(Self::glob(text)?);
            kept.push(text.into());
        }
        Ok(Self { globs, texts: kept })
    }

    /// One pattern as a glob of paths.
    pub(crate) fn glob(text: &str) -> Result<Glob, InvalidPattern> {
        let whole = text.contains('/') || text == "**";
        Ok(if whole { text.parse()? } else { format!("sessions/{text}").parse()? })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(path))
    }

    /// As they were written.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_is_of_sessions() {
        let patterns = Patterns::parse(["run-*", "agents/a", "logs/**"]).unwrap();
        for (path, expected) in [
            ("sessions/run-1", true),
            ("run-1", false),
            ("agents/a", true),
            ("agents/b", false),
            ("logs/x/y", true),
            ("sessions/other", false),
        ] {
            assert_eq!(patterns.matches(path), expected, "{path}");
        }
        assert!(Patterns::parse(["**"]).unwrap().matches("any/thing"));
        assert!(Patterns::parse(["*"]).unwrap().matches("sessions/x"));
        assert!(!Patterns::parse(["*"]).unwrap().matches("agents/x"));
        assert!(!Patterns::parse([]).unwrap().matches("sessions/x"));
    }

    #[test]
    fn patterns_are_checked_and_bounded() {
        for bad in ["", "a//b", "../x", "/x", "a**"] {
            assert!(Patterns::parse([bad]).is_err(), "{bad:?}");
        }
        assert_eq!(Patterns::parse(std::iter::repeat_n("a", 65)).unwrap_err(), InvalidPattern::TooMany);
    }
}
