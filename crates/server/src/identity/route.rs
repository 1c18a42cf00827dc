//! Credentials that are good on some routes only: where they are in a request, and which routes those are.

use http::header::COOKIE;
use http::{HeaderMap, Method};

/// The parameter with a stream token.
const TOKEN: &str = "token=";
/// The cookie. The prefix makes browsers refuse one that was not set by this host, for all of it, over TLS.
pub(crate) const COOKIE_SECURE: &str = "__Host-durable-sessions";
/// The same where there is no TLS, in development.
pub(crate) const COOKIE_PLAIN: &str = "durable-sessions";

const STREAMS: &str = "/v1/stream/";
const SESSIONS: &str = "/api/sessions/";

/// The stream token in a query.
pub(super) fn query_token(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix(TOKEN))
}

/// The path of the stream that a request streams, if it is a session's: `GET /v1/stream/sessions/{id}` and
/// `GET /api/sessions/{id}/stream`. Session ids need no decoding; one that does is none.
pub(crate) fn streamed_session(method: &Method, path: &str) -> Option<String> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let id = match path.strip_prefix(STREAMS) {
        Some(stream) => stream.strip_prefix("sessions/")?,
        None => path.strip_prefix(SESSIONS)?.strip_suffix("/stream")?,
    };
    let is_id = id.parse::<durable_sessions_schema::SessionId>().is_ok();
    is_id.then(|| format!("sessions/{id}"))
}

/// Whether the cookie counts: where a browser that follows a link, or a page of another site, could do no harm.
pub(crate) fn takes_cookie(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let streams = path.strip_prefix(STREAMS).is_some_and(|rest| !rest.starts_with("__ds"));
    reads && (streams || path == "/api/sessions" || path.starts_with(SESSIONS))
}

/// The value of our cookie. Over TLS only the one with the prefix is ours: the other one a neighbour's host can set for us.
/// Two of the same name are none, for the same reason.
pub(super) fn cookie(headers: &HeaderMap, over_tls: bool) -> Option<&str> {
    let ours = if over_tls { COOKIE_SECURE } else { COOKIE_PLAIN };
    let mut found = None;
    for list in headers.get_all(COOKIE) {
        for pair in list.to_str().ok()?.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name == ours && found.replace(value).is_some() {
                return None;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_token_is_for_streams_of_sessions() {
        let get = |path| streamed_session(&Method::GET, path);
        assert_eq!(get("/v1/stream/sessions/run-1").as_deref(), Some("sessions/run-1"));
        assert_eq!(get("/api/sessions/run-1/stream").as_deref(), Some("sessions/run-1"));
        for other in [
            "/v1/stream/sessions/",
            "/v1/stream/sessions/a%2Fb",
            "/v1/stream/sessions/run%2d1",
            "/v1/stream/agents/a",
            "/v1/stream/__ds/jwks.json",
            "/api/sessions/run-1",
            "/api/sessions/run-1/events",
            "/api/sessions/a/b/stream",
            "/api/streams",
        ] {
            assert_eq!(get(other), None, "{other}");
        }
        assert_eq!(streamed_session(&Method::POST, "/v1/stream/sessions/run-1"), None);
    }

    #[test]
    fn the_cookie_is_for_reading() {
        assert!(takes_cookie(&Method::GET, "/api/sessions/run-1/stream"));
        assert!(takes_cookie(&Method::HEAD, "/v1/stream/x"));
        for (method, path) in [
            (Method::POST, "/v1/stream/x"),
            (Method::DELETE, "/api/sessions/run-1"),
            (Method::GET, "/v1/stream/__ds/subscriptions/x"),
            (Method::GET, "/api/auth/keys"),
        ] {
            assert!(!takes_cookie(&method, path), "{method} {path}");
        }
    }

    #[test]
    fn two_cookies_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=b; durable-sessions=x".parse().unwrap());
        assert_eq!((cookie(&headers, false), cookie(&headers, true)), (Some("x"), None));
        headers.append(COOKIE, "__Host-durable-sessions=y".parse().unwrap());
        assert_eq!((cookie(&headers, false), cookie(&headers, true)), (Some("x"), Some("y")));
        headers.append(COOKIE, "durable-sessions=z".parse().unwrap());
        assert_eq!((cookie(&headers, false), cookie(&headers, true)), (None, Some("y")));
        assert_eq!(query_token("offset=-1&token=t&live=sse"), Some("t"));
        assert_eq!(query_token("xtoken=t"), None);
    }
}
