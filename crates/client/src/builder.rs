//! Configuring a client. Must not make requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_sessions_client_core::{LiveConfig, ReconnectConfig};
use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::SessionId;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::http::Http;
use crate::token::TokenSource;

/// Where our server has its streams, and others usually too.
const STREAM_ROOT: &str = "/v1/stream";

/// A client of one server. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: Arc<Http>,
}

/// Collects what a [`Client`] needs.
pub struct ClientBuilder {
    url: String,
    stream_root: String,
    token: Option<TokenSource>,
    headers: Vec<(String, String)>,
    header_sources: Vec<(String, TokenSource)>,
    reconnect: ReconnectConfig,
    retry: ReconnectConfig,
    connect_timeout: Duration,
    request_timeout: Duration,
    silence: Duration,
    frame_bytes_max: usize,
    live: LiveConfig,
}

impl fmt::Debug for ClientBuilder {
    /// Values of headers may be secrets, so only their names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.header_sources.iter().map(|(name, _)| name.as_str());
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).chain(sources).collect();
        f.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .field("headers", &headers)
            .field("reconnect", &self.reconnect)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The URL is not an absolute `http` or `https` URL.
    #[error("not an absolute http or https URL: {url}")]
    Url {
        /// What was given.
        url: String,
    },
    /// A header name or value that HTTP does not allow.
    #[error("not a valid header: {name}")]
    Header {
        /// The name that was given.
        name: String,
    },
    /// The HTTP library could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(#[source] reqwest::Error),
}

impl BuildError {
    /// Whether the same configuration may work later: never, it is wrong.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

impl Client {
    /// Starts with the server's URL: `http://127.0.0.1:4437`.
    #[must_use]
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            stream_root: STREAM_ROOT.to_owned(),
            token: None,
            headers: Vec::new(),
            header_sources: Vec::new(),
            reconnect: ReconnectConfig::default(),
            retry: ReconnectConfig {
                initial_delay_ms: 200,
                max_delay_ms: 5000,
                max_attempts: 8,
                ..ReconnectConfig::default()
            },
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            silence: Duration::from_secs(45),
            frame_bytes_max: durable_sessions_protocol::sse::FRAME_BYTES_MAX_DEFAULT,
            live: LiveConfig::default(),
        }
    }

    /// The stream of a session.
    #[must_use]
    pub fn session(id: &SessionId) -> StreamPath {
        let path = format!("sessions/{id}");
        #[expect(clippy::expect_used, reason = "1 to 100 characters of [A-Za-z0-9_-] make a valid segment")]
        path.parse().expect("a session id is a path segment")
    }
}

impl ClientBuilder {
    /// The path below which the server has its streams; `/v1/stream` unless given. The protocol leaves it open.
    #[must_use]
    pub fn stream_root(mut self, path: &str) -> Self {
        self.stream_root = path.to_owned();
        self
    }

    /// Sends this bearer token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(TokenSource::fixed(token));
        self
    }

    /// Asks this source for bearer tokens.
    #[must_use]
    pub fn token_source(mut self, source: TokenSource) -> Self {
        self.token = Some(source);
        self
    }

    /// Sends a header with every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a header with every request whose value is asked for each time, such as a signature or a short-lived key of a
    /// gateway. After a 401 it is asked once more, as a token is.
    #[must_use]
    pub fn header_source(mut self, name: &str, source: TokenSource) -> Self {
        self.header_sources.push((name.to_owned(), source));
        self
    }

    /// When and how often subscriptions reconnect.
    #[must_use]
    pub fn reconnect(mut self, config: ReconnectConfig) -> Self {
        self.reconnect = config;
        self
    }

    /// When and how often requests that may be repeated are repeated.
    #[must_use]
    pub fn retry(mut self, config: ReconnectConfig) -> Self {
        self.retry = config;
        self
    }

    /// How long a connection may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request that is not a subscription may take.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long a subscription may hear nothing before it reconnects. Servers ping every 15 s.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Largest SSE frame of a subscription.
    #[must_use]
    pub fn frame_bytes_max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// How subscriptions choose between SSE and long-poll.
    #[must_use]
    pub fn live(mut self, config: LiveConfig) -> Self {
        self.live = config;
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<Client, BuildError> {
        let base = Url::parse(&self.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| BuildError::Url { url: self.url.clone() })?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let header = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            let (Ok(header), Ok(mut value)) = header else {
                return Err(BuildError::Header { name: name.clone() });
            };
            value.set_sensitive(true);
            headers.append(header, value);
        }
        let mut sources = Vec::new();
        for (name, source) in self.header_sources {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| BuildError::Header { name })?;
            sources.push((header, source));
        }
        install_tls();
        let engine = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .user_agent(concat!("durable-sessions/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BuildError::Setup)?;
        Ok(Client {
            http: Arc::new(Http {
                engine,
                base,
                stream_root: self
                    .stream_root
                    .split('/')
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned)
                    .collect(),
                token: self.token,
                headers: sources,
                retry: self.retry,
                reconnect: self.reconnect,
                request_timeout: self.request_timeout,
                silence: self.silence,
                frame_bytes_max: self.frame_bytes_max,
                live: self.live,
            }),
        })
    }
}

/// rustls wants one provider per process. An application that chose another before keeps it.
fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race against another installation is as good as winning it.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_configuration_is_named() {
        for bad in ["", "127.0.0.1:4437", "/v1", "ftp://host", "http://"] {
            assert!(matches!(Client::builder(bad).build(), Err(BuildError::Url { .. })), "{bad}");
        }
        assert!(matches!(
            Client::builder("http://localhost").header("a b", "c").build(),
            Err(BuildError::Header { name }) if name == "a b"
        ));
        assert!(matches!(
            Client::builder("http://localhost").header_source("a b", TokenSource::fixed("c")).build(),
            Err(BuildError::Header { name }) if name == "a b"
        ));
        assert!(Client::builder("https://localhost/base").header("x-a", "c").build().is_ok());
    }

    #[test]
    fn values_of_headers_are_not_printed() {
        let builder = Client::builder("http://localhost").header("x-key", "hush").token("hush");
        let shown = format!("{builder:?}");
        assert!(shown.contains("x-key") && !shown.contains("hush"), "{shown}");
        let shown = format!("{:?}", builder.build().unwrap());
        assert!(shown.contains("x-key") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn streams_are_where_the_server_has_them() {
        let path = "a b/c".parse().unwrap();
        let url = |builder: ClientBuilder| builder.build().unwrap().http.stream_url(&path, "").to_string();
        assert_eq!(url(Client::builder("http://h")), "http://h/v1/stream/a%20b/c");
        assert_eq!(url(Client::builder("http://h/p/").stream_root("/")), "http://h/p/a%20b/c");
        assert_eq!(url(Client::builder("http://h").stream_root("ds/v2/")), "http://h/ds/v2/a%20b/c");
    }

    #[test]
    fn every_session_id_has_a_stream() {
        let id: SessionId = "A-z_9".parse().unwrap();
        assert_eq!(Client::session(&id).as_str(), "sessions/A-z_9");
    }
}
