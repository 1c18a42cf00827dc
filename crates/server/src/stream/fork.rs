//! Fork headers of a create, PROTOCOL.md section 4.2.

use durable_sessions_protocol::{Offset, header};
use durable_sessions_storage::Fork;
use http::HeaderMap;

use super::STREAM_ROOT;
use super::headers::{plain_u64, single};
use super::target::{Namespace, Target, percent_decode};
use crate::Code;
use crate::error::ApiError;

/// How clients of other servers write "before the first unit"; their hard-coded zero means ours.
const FOREIGN_ZERO: &str = "0000000000000000_0000000000000000";

/// The fork a create asks for, with the target it names as its source.
pub(crate) fn of_request(headers: &HeaderMap, namespace: Namespace) -> Result<Option<Fork>, ApiError> {
    let source = single(headers, header::STREAM_FORKED_FROM)?;
    let offset = single(headers, header::STREAM_FORK_OFFSET)?;
    let sub_offset = single(headers, header::STREAM_FORK_SUB_OFFSET)?;
    let Some(source) = source else {
        if offset.is_some() || sub_offset.is_some() {
            return Err(invalid("Stream-Fork-Offset and Stream-Fork-Sub-Offset need Stream-Forked-From"));
        }
        return Ok(None);
    };
    let path = source.strip_prefix(STREAM_ROOT).unwrap_or(source.trim_start_matches('/'));
    let path =
        percent_decode(path).ok_or_else(|| invalid("Stream-Forked-From is not a stream's URL path"))?;
    let source = Target::of_path(&path)?;
    // Content of other streams was never checked against the schema.
    if namespace.holds_events() && source.namespace != namespace {
        return Err(invalid("a session forks from a session, an agent's stream from an agent's"));
    }
    let at = match offset {
        None => None,
        Some(FOREIGN_ZERO | "-1") => Some(Offset::ZERO),
        Some(token) => {
            Some(token.parse().map_err(|_| invalid("Stream-Fork-Offset is not an offset of this server"))?)
        }
    };
    let sub_offset = match sub_offset {
        None => 0,
        Some(digits) => plain_u64(digits)
            .ok_or_else(|| invalid("Stream-Fork-Sub-Offset must be a plain non-negative integer"))?,
    };
    Ok(Some(Fork { source: source.path, at, sub_offset }))
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::bad_request(Code::InvalidFork, message)
}
