//! Requests that authentication makes itself: of key sets, and to the application. Bounded in time and size, follows
//! nothing. Must not know what the answers mean.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::subscriptions::connector;

/// A key set, and claims, are far smaller.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const CALL_TIME_MAX: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Outgoing {
    tls: Option<TlsConnector>,
}

/// Why there is no answer. Texts hold no URL: it may hold secrets of its owner.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutgoingError {
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no certificates to verify https with")]
    Tls,
    #[error("the request cannot be made")]
    Request,
    #[error("the request failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer broke off, or is longer than {ANSWER_BYTES_MAX} bytes")]
    Answer,
    #[error("no answer in time")]
    Timeout,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { tls: connector() }
    }

    /// One request on a connection of its own; a redirect is an answer like any other.
    pub(super) async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<(StatusCode, Bytes), OutgoingError> {
        let exchange = self.exchange(url, headers);
        tokio::time::timeout(CALL_TIME_MAX, exchange).await.map_err(|_| OutgoingError::Timeout)?
    }

    async fn exchange(&self, url: &Url, headers: HeaderMap) -> Result<(StatusCode, Bytes), OutgoingError> {
        let request = request(url, headers).ok_or(OutgoingError::Request)?;
        let host = url.host().ok_or(OutgoingError::Request)?;
        let port = url.port_or_known_default().ok_or(OutgoingError::Request)?;
        let socket = match &host {
            Host::Domain(name) => TcpStream::connect((*name, port)).await,
            Host::Ipv4(address) => TcpStream::connect((*address, port)).await,
            Host::Ipv6(address) => TcpStream::connect((*address, port)).await,
        };
        let socket = socket.map_err(OutgoingError::Connect)?;
        if url.scheme() != "https" {
            return send(socket, request).await;
        }
        let tls = self.tls.as_ref().ok_or(OutgoingError::Tls)?;
        let name = match host {
            Host::Domain(name) => {
                ServerName::try_from(name.to_owned()).map_err(|_| OutgoingError::Request)?
            }
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        send(tls.connect(name, socket).await.map_err(OutgoingError::Connect)?, request).await
    }
}

fn request(url: &Url, headers: HeaderMap) -> Option<Request<Empty<Bytes>>> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::get(target).body(Empty::new()).ok()?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, HeaderValue::from_str(host).ok()?);
    let agent = HeaderValue::from_static(concat!("durable-sessions/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    Some(request)
}

async fn send<S>(socket: S, request: Request<Empty<Bytes>>) -> Result<(StatusCode, Bytes), OutgoingError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Ends with the sender, or with the answer.
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| OutgoingError::Answer)?;
    Ok((parts.status, body.to_bytes()))
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
