//! Cross-origin rules: which pages may read answers, and which may write without authentication.

use durable_sessions_protocol::header as names;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use crate::CorsOrigins;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const MAX_AGE_SECS: HeaderValue = HeaderValue::from_static("7200");

/// The two lists of headers and the rule about origins, built once.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: CorsOrigins,
    allow_headers: HeaderValue,
    expose_headers: HeaderValue,
}

impl Cors {
    pub(crate) fn new(origins: CorsOrigins) -> Self {
        let allow = [
            "authorization",
            "content-type",
            "if-none-match",
            "last-event-id",
            "x-request-id",
            names::STREAM_SEQ,
            names::STREAM_TTL,
            names::STREAM_EXPIRES_AT,
            names::STREAM_RETENTION,
            names::STREAM_CLOSED,
            names::STREAM_FORKED_FROM,
            names::STREAM_FORK_OFFSET,
            names::STREAM_FORK_SUB_OFFSET,
            names::PRODUCER_ID,
            names::PRODUCER_EPOCH,
            names::PRODUCER_SEQ,
        ];
        let expose = [
            "etag",
            "location",
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "retry-after",
            "x-request-id",
            names::STREAM_NEXT_OFFSET,
            names::STREAM_UP_TO_DATE,
            names::STREAM_CLOSED,
            names::STREAM_CURSOR,
            names::STREAM_TTL,
            names::STREAM_EXPIRES_AT,
            names::STREAM_RETENTION,
            names::STREAM_DURABILITY,
            names::STREAM_SSE_DATA_ENCODING,
            names::STREAM_FIRST_OFFSET,
            names::STREAM_MESSAGE_COUNT,
            names::PRODUCER_EPOCH,
            names::PRODUCER_SEQ,
            names::PRODUCER_EXPECTED_SEQ,
            names::PRODUCER_RECEIVED_SEQ,
        ];
        let list = |names: &[&str]| {
            HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("*"))
        };
        Self { origins, allow_headers: list(&allow), expose_headers: list(&expose) }
    }

    /// Whether a page of this origin may read answers.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        match &self.origins {
            CorsOrigins::Any => true,
            CorsOrigins::List(list) => list.iter().any(|allowed| allowed == origin),
            CorsOrigins::Loopback => is_loopback_origin(origin),
        }
    }

    /// Headers of every answer to a page of another origin.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.origins == CorsOrigins::Any {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            headers.append(VARY, HeaderValue::from_static("origin"));
            match origin {
                Some(origin) if self.allows(origin) => {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                    self.mark_credentials(headers);
                }
                _ => return,
            }
        }
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose_headers.clone());
    }

    /// The cookie is for pages of origins that the configuration names one by one, and for no others.
    fn mark_credentials(&self, headers: &mut HeaderMap) {
        if matches!(self.origins, CorsOrigins::List(_)) {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// Headers of the answer to a preflight; without `Access-Control-Allow-Origin` the browser refuses anyway.
    pub(crate) fn mark_preflight(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECS);
    }

    /// Whether a browser page may send this request when nothing else protects the server: without a token, a
    /// page of any site could otherwise append to a developer's local streams with a "simple" request.
    pub(crate) fn permits_unauthenticated(&self, method: &Method, headers: &HeaderMap) -> bool {
        // A name that is not this machine's is DNS rebinding: a foreign page that resolved itself to loopback.
        // Browsers always say which host they mean; who says nothing is none.
        let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        if host.is_some_and(|host| !is_loopback_authority(host)) {
            return false;
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match headers.get(ORIGIN) {
            Some(origin) if !reads => {
                let same = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, a)| a);
                (same.is_some() && same == host) || self.allows(origin)
            }
            _ => true,
        }
    }
}

/// `http://localhost:5173` and the like.
fn is_loopback_origin(origin: &str) -> bool {
    match origin.split_once("://") {
        Some(("http" | "https", authority)) => is_loopback_authority(authority),
        _ => false,
    }
}

fn is_loopback_authority(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<http::uri::Authority>() else { return false };
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_origins_are_recognised_by_host_only() {
        for yes in ["http://localhost", "http://localhost:5173", "https://127.0.0.1:1", "http://[::1]:80"] {
            assert!(is_loopback_origin(yes), "{yes}");
        }
        for no in
            ["null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "file://localhost", ""]
        {
            assert!(!is_loopback_origin(no), "{no}");
        }
    }

    #[test]
    fn who_names_no_host_is_no_browser() {
        let cors = Cors::new(CorsOrigins::Loopback);
        let mut headers = HeaderMap::new();
        assert!(cors.permits_unauthenticated(&Method::POST, &headers));
        headers.insert(HOST, HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(!cors.permits_unauthenticated(&Method::GET, &headers));
    }

    #[test]
    fn without_a_token_foreign_pages_cannot_write_nor_rebind() {
        let cors = Cors::new(CorsOrigins::Loopback);
        let request = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            headers
        };
        for (host, origin, permitted) in [
            ("127.0.0.1:4437", None, true),
            ("localhost:4437", Some("http://localhost:4437"), true),
            ("localhost:4437", Some("http://localhost:5173"), true),
            ("localhost:4437", Some("https://evil.example"), false),
            ("localhost:4437", Some("null"), false),
            ("evil.example:4437", None, false),
        ] {
            let headers = request(host, origin);
            assert_eq!(cors.permits_unauthenticated(&Method::POST, &headers), permitted, "{host} {origin:?}");
        }
    }
}
