//! Patterns over stream paths, PROTOCOL.md section 6.2. Pure; must not know streams.

/// A pattern: `*` matches within one segment, `**` any number of whole segments, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    segments: Vec<Segment>,
    /// What every matching path begins with: settles most appends without looking at segments.
    literal_prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`
    Any,
    /// Text between the stars of one segment; a single part has none.
    Parts(Vec<String>),
}

/// Longest pattern, as long as the longest path it could match.
const PATTERN_LEN_MAX: usize = 1024;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidGlob {
    #[error("pattern must have 1 to {PATTERN_LEN_MAX} bytes")]
    Length,
    #[error("pattern has an empty, '.' or '..' segment, or a control character")]
    Segment,
    #[error("'**' in a pattern must be a whole segment")]
    DoubleStar,
}

impl std::str::FromStr for Glob {
    type Err = InvalidGlob;

    fn from_str(pattern: &str) -> Result<Self, InvalidGlob> {
        if pattern.is_empty() || pattern.len() > PATTERN_LEN_MAX {
            return Err(InvalidGlob::Length);
        }
        if pattern.chars().any(char::is_control) {
            return Err(InvalidGlob::Segment);
        }
        let segments = pattern.split('/').map(|segment| match segment {
            "" | "." | ".." => Err(InvalidGlob::Segment),
            "**" => Ok(Segment::Any),
            _ if segment.contains("**") => Err(InvalidGlob::DoubleStar),
            _ => Ok(Segment::Parts(segment.split('*').map(str::to_owned).collect())),
        });
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        let literal_prefix = literal_prefix(&segments);
        Ok(Self { segments, literal_prefix })
    }
}

impl Glob {
    /// Whether a path matches. Goes back to the last `**` only, so the cost is at most pattern times path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        if !path.starts_with(&self.literal_prefix) {
            return false;
        }
        let path: Vec<&str> = path.split('/').collect();
        let (mut at, mut segment) = (0, 0);
        let mut resume: Option<(usize, usize)> = None;
        while at < path.len() {
            match self.segments.get(segment) {
                Some(Segment::Any) => {
                    segment += 1;
                    resume = Some((segment, at));
                }
                Some(Segment::Parts(parts)) if matches_segment(parts, path[at]) => {
                    segment += 1;
                    at += 1;
                }
                _ => match &mut resume {
                    Some((after, taken)) => {
                        *taken += 1;
                        (segment, at) = (*after, *taken);
                    }
                    None => return false,
                },
            }
        }
        self.segments[segment..].iter().all(|segment| *segment == Segment::Any)
    }

    pub(crate) fn literal_prefix(&self) -> &str {
        &self.literal_prefix
    }
}

fn literal_prefix(segments: &[Segment]) -> String {
    let mut prefix = String::new();
    for (index, segment) in segments.iter().enumerate() {
        let Segment::Parts(parts) = segment else { break };
        if index > 0 {
            prefix.push('/');
        }
        prefix.push_str(&parts[0]);
        if parts.len() > 1 {
            break;
        }
    }
    prefix
}

/// First part at the beginning, last part at the end, the others in order between them.
fn matches_segment(parts: &[String], text: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else { return false };
    let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
    for part in middle {
        match text.find(part.as_str()) {
            Some(found) => text = &text[found + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(pattern: &str) -> Glob {
        pattern.parse().unwrap()
    }

    #[test]
    fn stars_have_their_reach() {
        for (pattern, path, expected) in [
            ("events/*", "events/a", true),
            ("events/*", "events/a/b", false),
            ("events/*", "events", false),
            ("events/*", "event/a", false),
            ("events/**", "events/a/b", true),
            ("events/**", "events", true),
            ("events/**", "eventsx", false),
            ("**", "a/b/c", true),
            ("**/log", "log", true),
            ("**/log", "a/b/log", true),
            ("**/log", "a/logs", false),
            ("a/**/b/*", "a/b/b/c", true),
            ("a/**/b/*", "a/b", false),
            ("run-*-log", "run-7-log", true),
            ("run-*-log", "run-log", false),
            ("run-*", "run-", true),
            ("a.c", "abc", false),
            ("a", "a", true),
        ] {
            assert_eq!(glob(pattern).matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in ["", "/a", "a//b", "a/", "../a", "a**", "a/b**c", "a\nb"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(1025).parse::<Glob>().is_err());
    }

    /// The rule as it is written, exponential.
    fn naive(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => {
                naive(rest, path) || path.split_first().is_some_and(|(_, path)| naive(pattern, path))
            }
            (Some((segment, rest)), Some((text, path))) => {
                naive_segment(segment.as_bytes(), text.as_bytes()) && naive(rest, path)
            }
            _ => false,
        }
    }

    fn naive_segment(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                naive_segment(rest, text)
                    || text.split_first().is_some_and(|(_, text)| naive_segment(pattern, text))
            }
            (Some((a, rest)), Some((b, text))) => a == b && naive_segment(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_as_the_rule_says(
            pattern in proptest::collection::vec("\\*\\*|[ab]{1,2}|\\*|[ab]\\*[ab]?|\\*[ab]\\*", 1..6),
            path in proptest::collection::vec("[ab]{1,3}", 1..6),
        ) {
            let text = path.join("/");
            let glob = glob(&pattern.join("/"));
            let pattern: Vec<_> = pattern.iter().map(String::as_str).collect();
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            prop_assert_eq!(glob.matches(&text), naive(&pattern, &path));
            if glob.matches(&text) {
                prop_assert!(text.starts_with(glob.literal_prefix()));
            }
        }
    }
}
