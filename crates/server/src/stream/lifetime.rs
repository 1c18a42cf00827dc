//! `Stream-TTL` and `Stream-Expires-At`, PROTOCOL.md section 5.1.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use durable_sessions_protocol::header;
use durable_sessions_storage::Lifetime;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::{plain_u64, single};
use crate::Code;
use crate::answer::number_value;
use crate::error::ApiError;

pub(crate) fn of_request(headers: &HeaderMap) -> Result<Lifetime, ApiError> {
    let ttl = single(headers, header::STREAM_TTL)?;
    let expires_at = single(headers, header::STREAM_EXPIRES_AT)?;
    match (ttl, expires_at) {
        (None, None) => Ok(Lifetime::Unlimited),
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            Code::InvalidHeader,
            "Stream-TTL and Stream-Expires-At exclude each other",
        )),
        (Some(ttl), None) => plain_u64(ttl).map(Lifetime::SlidingSecs).ok_or_else(|| {
            ApiError::bad_request(
                Code::InvalidHeader,
                "Stream-TTL must be a decimal number of seconds without sign, fraction or leading zeros",
            )
        }),
        (None, Some(at)) => parse_rfc3339_ms(at).map(Lifetime::ExpiresAtMs).ok_or_else(|| {
            ApiError::bad_request(
                Code::InvalidHeader,
                "Stream-Expires-At must be an RFC 3339 time such as 2026-01-31T12:00:00Z",
            )
        }),
    }
}

pub(crate) fn mark(lifetime: Lifetime, headers: &mut HeaderMap) {
    match lifetime {
        Lifetime::Unlimited => {}
        Lifetime::SlidingSecs(secs) => {
            headers.insert(HeaderName::from_static(header::STREAM_TTL), number_value(secs));
        }
        Lifetime::ExpiresAtMs(at_ms) => {
            let since = Duration::from_millis(u64::try_from(at_ms).unwrap_or_default());
            let mut text = String::new();
            // What is parsed lies before the year 10000, where this format ends; what was stored once may not.
            let written = write!(text, "{}", humantime::format_rfc3339_millis(UNIX_EPOCH + since));
            if let (Ok(()), Ok(value)) = (written, HeaderValue::from_str(&text)) {
                headers.insert(HeaderName::from_static(header::STREAM_EXPIRES_AT), value);
            }
        }
    }
}

/// The last millisecond before the year 10000.
const YEAR_9999_END_MS: i64 = 253_402_300_799_999;

/// Unix milliseconds of an RFC 3339 time with any UTC offset, from 1970 on.
fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    let (date_time, offset_minutes) = match text.strip_suffix(['Z', 'z']) {
        Some(date_time) => (date_time, 0),
        None => {
            let at = text.len().checked_sub(6)?;
            let (date_time, offset) = text.split_at_checked(at)?;
            let sign = match offset.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (date_time, sign * (i64::from(hours) * 60 + i64::from(minutes)))
        }
    };
    let utc = format!("{}Z", date_time.replace(['t', ' '], "T"));
    let time = humantime::parse_rfc3339(&utc).ok()?;
    let ms = i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    // By its own offset a time may be of the year 9999 and by UTC be later, when it could not be written any more.
    Some((ms - offset_minutes * 60_000).max(0)).filter(|ms| *ms <= YEAR_9999_END_MS)
}

fn two_digits(text: &str) -> Option<u8> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_any_utc_offset() {
        let noon = parse_rfc3339_ms("2026-01-31T12:00:00Z");
        assert_eq!(noon, Some(1_769_860_800_000));
        assert_eq!(parse_rfc3339_ms("2026-01-31T14:00:00+02:00"), noon);
        assert_eq!(parse_rfc3339_ms("2026-01-31T06:30:00.000-05:30"), noon);
        for bad in [
            "",
            "tomorrow",
            "2026-13-01T00:00:00Z",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00+25:00",
            "é",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(parse_rfc3339_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_left_out() {
        let marked = |at_ms| {
            let mut headers = HeaderMap::new();
            mark(Lifetime::ExpiresAtMs(at_ms), &mut headers);
            headers.get(header::STREAM_EXPIRES_AT).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(marked(YEAR_9999_END_MS).as_deref(), Some("9999-12-31T23:59:59.999Z"));
        assert_eq!(marked(YEAR_9999_END_MS + 1), None);
        assert_eq!(marked(i64::MAX), None);
        assert_eq!(marked(-1).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
