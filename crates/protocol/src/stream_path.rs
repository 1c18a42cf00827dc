//! The name of a stream: the part of its URL below the stream root. Must not know what lives there.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest path, in bytes.
pub const STREAM_PATH_LEN_MAX: usize = 1024;

/// The path of a stream below the server's stream root, percent-decoded, without a leading slash:
/// `sessions/run-1`.
///
/// 1 to [`STREAM_PATH_LEN_MAX`] bytes; segments are not empty, not `.` and not `..`; no control characters.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPath(Arc<str>);

/// Why a text is no stream path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStreamPath {
    /// Nothing stands below the stream root.
    #[error("the stream path is empty")]
    Empty,
    /// More than [`STREAM_PATH_LEN_MAX`] bytes.
    #[error("the stream path is longer than {STREAM_PATH_LEN_MAX} bytes")]
    TooLong,
    /// An empty, `.` or `..` segment.
    #[error("the stream path has an empty, '.' or '..' segment")]
    Segment,
    /// A control character.
    #[error("the stream path has a control character")]
    ControlCharacter,
}

impl StreamPath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows `prefix/`, when the path lies directly below it: one more segment, no further ones.
    #[must_use]
    pub fn child_of(&self, prefix: &str) -> Option<&str> {
        let rest = self.0.strip_prefix(prefix)?.strip_prefix('/')?;
        (!rest.contains('/')).then_some(rest)
    }
}

impl FromStr for StreamPath {
    type Err = InvalidStreamPath;

    fn from_str(path: &str) -> Result<Self, InvalidStreamPath> {
        if path.is_empty() {
            return Err(InvalidStreamPath::Empty);
        }
        if path.len() > STREAM_PATH_LEN_MAX {
            return Err(InvalidStreamPath::TooLong);
        }
        if path.chars().any(char::is_control) {
            return Err(InvalidStreamPath::ControlCharacter);
        }
        if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(InvalidStreamPath::Segment);
        }
        Ok(Self(path.into()))
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_and_canonical() {
        let path: StreamPath = "sessions/run-1".parse().unwrap();
        assert_eq!(path.child_of("sessions"), Some("run-1"));
        assert_eq!(path.child_of("session"), None);
        assert_eq!("sessions/a/b".parse::<StreamPath>().unwrap().child_of("sessions"), None);
        for (bad, why) in [
            ("", InvalidStreamPath::Empty),
            ("/a", InvalidStreamPath::Segment),
            ("a//b", InvalidStreamPath::Segment),
            ("a/../b", InvalidStreamPath::Segment),
            ("a\nb", InvalidStreamPath::ControlCharacter),
        ] {
            assert_eq!(bad.parse::<StreamPath>(), Err(why), "{bad:?}");
        }
        assert_eq!(
            "a".repeat(STREAM_PATH_LEN_MAX + 1).parse::<StreamPath>(),
            Err(InvalidStreamPath::TooLong)
        );
    }
}
