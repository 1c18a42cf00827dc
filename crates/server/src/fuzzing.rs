//! What the fuzz target `request_head` calls: everything that is read from a request before its body. For nothing else.

use durable_sessions_protocol::{LiveCursor, ReadFrom};
use http::HeaderMap;
use http::request::Parts;

use crate::glob::Glob;
use crate::reached;
use crate::retention::RetentionRule;
use crate::stream::fuzzing as stream;

/// Any request head: each part is refused or read, and what was read and is written again reads the same.
pub fn request_head(parts: &Parts) {
    let (headers, uri) = (&parts.headers, &parts.uri);
    if let Ok(target) = stream::Target::of_url(uri.path()) {
        assert!(!stream::is_reserved_path(target.path.as_str()));
        assert_eq!(target.path.as_str().parse().as_ref(), Ok(&target.path));
        drop(stream::fork(headers, target.namespace));
    }
    if let Ok(query) = stream::ReadQuery::parse(uri.query()) {
        if let ReadFrom::At(offset) = query.from {
            assert_eq!(offset.to_string().parse(), Ok(offset));
        }
        for secs in [0, 1_800_000_000, u64::MAX] {
            let cursor = LiveCursor::answer(secs, query.cursor.as_deref(), u64::MAX);
            let echoed = LiveCursor::answer(secs, Some(&cursor.number().to_string()), 0);
            assert!(echoed.number() >= cursor.number() || cursor.number() > 1 << 53);
        }
    }
    if let Ok(lifetime) = stream::lifetime(headers) {
        let mut answer = HeaderMap::new();
        stream::mark_lifetime(lifetime, &mut answer);
        assert_eq!(stream::lifetime(&answer).ok(), Some(lifetime));
    }
    if let Ok(Some(content_type)) = stream::content_type(headers) {
        assert_eq!(content_type.as_str().parse(), Ok(content_type));
    }
    if let Ok(retention) = stream::retention(headers) {
        assert_eq!(retention.to_string().parse(), Ok(retention));
    }
    if let Ok(Some(claim)) = stream::producer(headers) {
        assert_eq!(claim.epoch.to_string().parse(), Ok(claim.epoch));
        assert_eq!(claim.id.as_str().parse(), Ok(claim.id));
    }
    if let Ok(Some(seq)) = stream::stream_seq(headers) {
        assert!((1..=1024).contains(&seq.len()));
    }
    let _ = stream::closes(headers);
    if let Some(url) = reached::as_reached(true, headers, uri) {
        assert!(http::HeaderValue::from_str(&url).is_ok(), "{url}");
    }
    for given in headers.get_all(http::header::IF_NONE_MATCH) {
        let _ = crate::stream::matches_etag(given, "\"1:0:7\"");
    }
    // Patterns and rules come from operators and bodies; here any text will do.
    let texts = headers.values().filter_map(|value| value.to_str().ok());
    for text in texts {
        if let Ok(glob) = text.parse::<Glob>() {
            assert!(!glob.matches(uri.path()) || uri.path().starts_with(glob.literal_prefix()));
        }
        let _ = text.parse::<RetentionRule>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, headers: &[(&str, &str)]) {
        let mut request = http::Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request_head(&request.body(()).unwrap().into_parts().0);
    }

    /// What was found by fuzzing, or could have been.
    #[test]
    fn found_before() {
        // One hour before the year 10000 in its own offset, and after it in UTC.
        head("/v1/stream/a", &[("stream-expires-at", "9999-12-31T23:59:59-01:00")]);
        head(
            "/v1/stream/a?offset=-1&cursor=18446744073709551615",
            &[("stream-expires-at", "1970-01-01T00:00:00+23:59")],
        );
    }
}
