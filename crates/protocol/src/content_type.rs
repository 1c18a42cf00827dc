//! Content types of streams and what they mean for framing, PROTOCOL.md section 9.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest content type, in bytes.
pub const CONTENT_TYPE_LEN_MAX: usize = 256;

/// A media type as given at creation. Two are equal when their essence (`type/subtype`, any case) is;
/// parameters such as `charset` are kept for answers and ignored when comparing.
#[derive(Debug, Clone)]
pub struct ContentType {
    text: Arc<str>,
    essence_len: u16,
    /// Asked for by every append, so it is not compared each time.
    is_json: bool,
}

const JSON: &str = "application/json";

/// What one unit of a stream's positions is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// One JSON message (`application/json`).
    Message,
    /// One byte (every other type).
    Byte,
}

/// Not a media type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed content type: expected type/subtype")]
pub struct MalformedContentType;

impl ContentType {
    /// `application/json`, the type of every session stream.
    #[must_use]
    pub fn json() -> Self {
        Self::with_essence(JSON, JSON)
    }

    /// `application/octet-stream`, the default of the protocol.
    #[must_use]
    pub fn octet_stream() -> Self {
        Self::with_essence("application/octet-stream", "application/octet-stream")
    }

    /// `text` starts with `essence`, and is no longer than [`CONTENT_TYPE_LEN_MAX`].
    fn with_essence(text: &str, essence: &str) -> Self {
        Self {
            text: text.into(),
            essence_len: essence.len() as u16,
            is_json: essence.eq_ignore_ascii_case(JSON),
        }
    }

    /// The type as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `type/subtype` without parameters.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.text[..usize::from(self.essence_len)]
    }

    /// What one unit of a stream of this type is.
    #[must_use]
    pub fn unit(&self) -> Unit {
        if self.is_json() { Unit::Message } else { Unit::Byte }
    }

    /// Whether this is `application/json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether SSE carries it as text rather than base64, section 5.8.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.is_json() || self.essence().get(..5).is_some_and(|head| head.eq_ignore_ascii_case("text/"))
    }
}

impl PartialEq for ContentType {
    fn eq(&self, other: &Self) -> bool {
        self.essence().eq_ignore_ascii_case(other.essence())
    }
}

impl Eq for ContentType {}

impl FromStr for ContentType {
    type Err = MalformedContentType;

    fn from_str(text: &str) -> Result<Self, MalformedContentType> {
        let text = text.trim();
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        let token = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-*%'`|~".contains(&b))
        };
        match essence.split_once('/') {
            Some((kind, subtype))
                if token(kind)
                    && token(subtype)
                    && text.len() <= CONTENT_TYPE_LEN_MAX
                    && text.bytes().all(|b| (b' '..=b'~').contains(&b)) =>
            {
                Ok(Self::with_essence(text, essence))
            }
            _ => Err(MalformedContentType),
        }
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter_for_equality() {
        let plain: ContentType = "application/json".parse().unwrap();
        let dressed: ContentType = "Application/JSON; charset=utf-8".parse().unwrap();
        assert_eq!(plain, dressed);
        assert_eq!(dressed.unit(), Unit::Message);
        assert_eq!(dressed.as_str(), "Application/JSON; charset=utf-8");
        assert_eq!(dressed.essence(), "Application/JSON");
        assert_eq!("application/jsonl".parse::<ContentType>().unwrap().unit(), Unit::Byte);
        assert!("text/plain".parse::<ContentType>().unwrap().is_text());
        assert!(!ContentType::octet_stream().is_text());
        for bad in ["", "json", "/json", "application/", "a b/c", "text/plain\u{7f}"] {
            assert!(bad.parse::<ContentType>().is_err(), "{bad}");
        }
    }
}
