//! Request headers of the protocol, parsed once at the border.

use std::str::FromStr;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, ProducerClaim, header};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::Code;
use crate::error::ApiError;

/// Longest `Stream-Seq`, in bytes.
const STREAM_SEQ_LEN_MAX: usize = 1024;

/// A header that may stand once. Twice is ambiguous: a proxy may look at the other one.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::bad_request(Code::InvalidHeader, format!("the header {name} is repeated")));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(ApiError::bad_request(
            Code::InvalidHeader,
            format!("the header {name} must be visible ASCII"),
        )),
    }
}

/// A decimal number without sign, fraction, exponent or leading zeros; `None` above `u64::MAX` as well.
pub(crate) fn plain_u64(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// `Content-Type`, `None` when absent or empty.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<Option<ContentType>, ApiError> {
    match single(headers, CONTENT_TYPE.as_str())? {
        None | Some("") => Ok(None),
        Some(text) => ContentType::from_str(text)
            .map(Some)
            .map_err(|why| ApiError::bad_request(Code::InvalidContentType, why.to_string())),
    }
}

/// Whether `Stream-Closed` says `true`, in any case; every other value counts as absent.
pub(crate) fn closes(headers: &HeaderMap) -> bool {
    headers
        .get(header::STREAM_CLOSED)
        .is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true"))
}

/// `Stream-Seq`, opaque bytes.
pub(crate) fn stream_seq(headers: &HeaderMap) -> Result<Option<Bytes>, ApiError> {
    let mut values = headers.get_all(header::STREAM_SEQ).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if (1..=STREAM_SEQ_LEN_MAX).contains(&value.len()) => {
            Ok(Some(Bytes::copy_from_slice(value.as_bytes())))
        }
        _ => Err(ApiError::bad_request(
            Code::InvalidHeader,
            format!("Stream-Seq must stand once and have 1 to {STREAM_SEQ_LEN_MAX} bytes"),
        )),
    }
}

/// All three producer headers, or none.
pub(crate) fn producer(headers: &HeaderMap) -> Result<Option<ProducerClaim>, ApiError> {
    let id = single(headers, header::PRODUCER_ID)?;
    let epoch = single(headers, header::PRODUCER_EPOCH)?;
    let seq = single(headers, header::PRODUCER_SEQ)?;
    let (Some(id), Some(epoch), Some(seq)) = (id, epoch, seq) else {
        if id.is_none() && epoch.is_none() && seq.is_none() {
            return Ok(None);
        }
        return Err(ApiError::bad_request(
            Code::InvalidProducer,
            "Producer-Id, Producer-Epoch and Producer-Seq belong together",
        ));
    };
    let claim = id
        .parse()
        .and_then(|id| Ok(ProducerClaim { id, epoch: epoch.parse()?, seq: seq.parse()? }))
        .map_err(|why| ApiError::bad_request(Code::InvalidProducer, why.to_string()))?;
    Ok(Some(claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain() {
        assert_eq!(plain_u64("0"), Some(0));
        assert_eq!(plain_u64("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-1", "1.0", "1e3", " 1", "18446744073709551616", "abc"] {
            assert_eq!(plain_u64(bad), None, "{bad}");
        }
    }
}
