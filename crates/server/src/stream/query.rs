//! Query parameters of reads. Unknown ones are ignored, as the protocol wants; known ones may stand once.

use durable_sessions_protocol::{ReadFrom, header};

use super::target::percent_decode;
use crate::Code;
use crate::error::ApiError;

/// Asks for what is not stored as well.
const QUERY_EPHEMERAL: &str = "ephemeral";

/// How a reader wants to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    CatchUp,
    LongPoll,
    Sse,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadQuery {
    pub(crate) from: ReadFrom,
    pub(crate) mode: Mode,
    pub(crate) cursor: Option<String>,
    /// Also what is not stored; an extension of this server.
    pub(crate) ephemeral: bool,
}

impl ReadQuery {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let (mut offset, mut live, mut cursor, mut ephemeral) = (None, None, None, None);
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (slot, name) = match name {
                header::QUERY_OFFSET => (&mut offset, header::QUERY_OFFSET),
                header::QUERY_LIVE => (&mut live, header::QUERY_LIVE),
                header::QUERY_CURSOR => (&mut cursor, header::QUERY_CURSOR),
                QUERY_EPHEMERAL => (&mut ephemeral, QUERY_EPHEMERAL),
                _ => continue,
            };
            let Some(value) = percent_decode(&value.replace('+', " ")) else {
                return Err(invalid(format!("the parameter {name} is not percent-encoded UTF-8")));
            };
            if slot.replace(value).is_some() {
                return Err(invalid(format!("the parameter {name} is repeated")));
            }
        }
        let mode = match live.as_deref() {
            None => Mode::CatchUp,
            Some("long-poll") => Mode::LongPoll,
            Some("sse") => Mode::Sse,
            Some(_) => return Err(invalid("the parameter live must be long-poll or sse")),
        };
        let from = match offset.as_deref() {
            Some(token) => {
                token.parse().map_err(|why| ApiError::bad_request(Code::InvalidOffset, format!("{why}")))?
            }
            None if mode == Mode::CatchUp => ReadFrom::Start,
            None => return Err(invalid("live reads need the parameter offset")),
        };
        Ok(Self { from, mode, cursor, ephemeral: ephemeral.as_deref() == Some("true") })
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::bad_request(Code::InvalidParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_parsed_and_strict_about_what_they_know() {
        let start = ReadQuery { from: ReadFrom::Start, mode: Mode::CatchUp, cursor: None, ephemeral: false };
        assert_eq!(ReadQuery::parse(None).unwrap(), start);
        assert_eq!(ReadQuery::parse(Some("foo=bar&offset=-1&baz")).unwrap(), start);
        let live = ReadQuery::parse(Some("cursor=7&live=sse&offset=now")).unwrap();
        assert_eq!((live.from, live.mode, live.cursor.as_deref()), (ReadFrom::Now, Mode::Sse, Some("7")));
        for bad in
            ["offset=", "offset=a&offset=b", "live=sse", "live=nope", "offset=0+1", "offset=%zz", "offset"]
        {
            assert!(ReadQuery::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
