//! Which stream a URL names, and the rules of the namespace it lives in.

use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_schema::{AgentId, SessionId};
use http::StatusCode;

use super::STREAM_ROOT;
use crate::Code;
use crate::error::ApiError;

/// First segment of paths the protocol keeps for itself.
const RESERVED: &str = "__ds";

/// Part of the URL space with rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// `sessions/{id}`: JSON session events.
    Sessions,
    /// `agents/{id}`: JSON session events of one agent.
    Agents,
    /// Everything else: plain streams of the protocol.
    Plain,
}

impl Namespace {
    /// Where a path belongs.
    pub(crate) fn of(path: &str) -> Self {
        match path.split('/').next() {
            Some("sessions") => Self::Sessions,
            Some("agents") => Self::Agents,
            _ => Self::Plain,
        }
    }

    /// Whether messages must be valid session events.
    pub(crate) const fn holds_events(self) -> bool {
        matches!(self, Self::Sessions | Self::Agents)
    }

    /// The type of a stream created without one.
    pub(crate) fn default_content_type(self) -> ContentType {
        if self.holds_events() { ContentType::json() } else { ContentType::octet_stream() }
    }
}

/// The stream a request is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) path: StreamPath,
    pub(crate) namespace: Namespace,
}

impl Target {
    /// The stream of a URL path below the stream root.
    pub(crate) fn of_url(url_path: &str) -> Result<Self, ApiError> {
        let encoded = url_path.strip_prefix(STREAM_ROOT).unwrap_or_default();
        let Some(decoded) = percent_decode(encoded) else {
            return Err(ApiError::bad_request(
                Code::InvalidStreamPath,
                "the stream path is not percent-encoded UTF-8",
            ));
        };
        Self::of_path(&decoded)
    }

    /// The stream of a path relative to the stream root.
    pub(crate) fn of_path(path: &str) -> Result<Self, ApiError> {
        let first = path.split('/').next().unwrap_or_default();
        if is_reserved_path(path) {
            return Err(ApiError::new(
                StatusCode::NOT_FOUND,
                Code::NotFound,
                "paths below __ds are reserved by the protocol",
            ));
        }
        let namespace = Namespace::of(path);
        if namespace.holds_events() {
            let id = path.strip_prefix(first).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
            check_id(namespace, id)?;
        }
        match path.parse() {
            Ok(path) => Ok(Self { path, namespace }),
            Err(why) => Err(ApiError::bad_request(Code::InvalidStreamPath, why.to_string())),
        }
    }
}

/// Whether the protocol keeps a path for itself.
pub(crate) fn is_reserved_path(path: &str) -> bool {
    path.split('/').next() == Some(RESERVED)
}

fn check_id(namespace: Namespace, id: &str) -> Result<(), ApiError> {
    if id.is_empty() {
        return Err(ApiError::bad_request(
            Code::MissingSessionId,
            "the id after the first segment is missing",
        ));
    }
    let fits = match namespace {
        Namespace::Sessions => id.parse::<SessionId>().is_ok(),
        // One segment, like a session's.
        Namespace::Agents => !id.contains('/') && id.parse::<AgentId>().is_ok(),
        Namespace::Plain => true,
    };
    if fits {
        return Ok(());
    }
    Err(ApiError::bad_request(
        Code::InvalidSessionId,
        match namespace {
            Namespace::Sessions => "a session id has 1 to 100 letters, digits, '-' or '_'",
            Namespace::Agents | Namespace::Plain => {
                "an agent id is one path segment of 1 to 256 characters without control characters"
            }
        },
    ))
}

/// Decodes `%XX`; `None` when that is malformed or the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_their_rules() {
        for (path, namespace) in [
            ("sessions/run-1", Namespace::Sessions),
            ("agents/a.b", Namespace::Agents),
            ("anything/at/all", Namespace::Plain),
            ("sessions-of-mine/a/b", Namespace::Plain),
        ] {
            assert_eq!(Target::of_path(path).unwrap().namespace, namespace, "{path}");
        }
        for bad in
            ["sessions", "sessions/", "sessions/a/b", "sessions/a b", "agents/a/b", "__ds/x", "a//b", "../a"]
        {
            assert!(Target::of_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percent_encoding_is_strict() {
        assert_eq!(percent_decode("a%20b%C3%A9").as_deref(), Some("a b\u{e9}"));
        for bad in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }
}
