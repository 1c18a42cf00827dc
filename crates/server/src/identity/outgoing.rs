//! Requests that authentication makes itself: of key sets, and to the application. Bounded in time and size, follows
//! nothing. Must not know what the answers mean.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use url::Url;

/// A key set, and claims, are far smaller.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const CALL_TIME_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Outgoing(reqwest::Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutgoingError {
    // reqwest's texts have the URL, which may hold secrets of its owner.
    #[error("the request failed: {0}")]
    Request(#[source] reqwest::Error),
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl Outgoing {
    pub(super) fn new() -> Result<Self, OutgoingError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing a race against another installation is as good as winning it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        reqwest::Client::builder()
            .connect_timeout(CALL_TIME_MAX)
            .timeout(CALL_TIME_MAX)
            // Whoever answers a redirect would choose where credentials go.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("durable-sessions/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|why| OutgoingError::Request(why.without_url()))
    }

    pub(super) async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<(StatusCode, Bytes), OutgoingError> {
        let failed = |why: reqwest::Error| OutgoingError::Request(why.without_url());
        let mut answer = self.0.get(url.clone()).headers(headers).send().await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(OutgoingError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), body.freeze()))
    }
}

/// Whether secrets may go there, and keys come from there: over TLS, or within this machine.
pub(crate) fn is_safe_url(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay() {
        for (url, safe) in [
            ("https://a.example/x", true),
            ("http://127.0.0.1:1/x", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://a.example/", false),
            ("http://localhost.example/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_safe_url(&url.parse().unwrap()), safe, "{url}");
        }
    }
}
