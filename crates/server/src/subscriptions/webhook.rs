//! Calls webhooks: resolves the host, connects only to an address the rules permit, follows nothing. Must not
//! know subscriptions: a body goes out, an answer comes back.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use url::Host;

use super::webhook_url::{RefusedUrl, WebhookUrl};

/// `{"done":true}` needs far less; a longer answer is not read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The longest a handler may take to answer; one that needs longer answers at once and calls back.
const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 4;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Name of the header with the signature.
const WEBHOOK_SIGNATURE: &str = "webhook-signature";

/// Sends signed bodies, so many at a time.
pub(crate) struct Caller {
    tls: Option<TlsConnector>,
    places: Arc<Semaphore>,
    development: bool,
}

/// What a handler answered with a status of success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `{"done":true}`.
    Done,
    /// Anything else.
    Accepted,
}

/// Why a call failed. Texts hold no URL: it may hold secrets of its owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the URL is not permitted: {0}")]
    Url(#[from] RefusedUrl),
    #[error("the host does not resolve: {0}")]
    Resolve(std::io::Error),
    #[error("the host resolves to no address that is permitted")]
    Address,
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no certificates to verify https with")]
    Tls,
    #[error("the request failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made")]
    Request,
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("no answer in time")]
    Timeout,
}

impl Caller {
    pub(crate) fn new(calls_max: usize, development: bool) -> Self {
        Self { tls: connector(), places: Arc::new(Semaphore::new(calls_max)), development }
    }

    pub(crate) fn check(&self, url: &str) -> Result<WebhookUrl, RefusedUrl> {
        WebhookUrl::parse(url, self.development)
    }

    /// One call. Waits for a free place first; `body` is made then, so that its signature is fresh.
    pub(crate) async fn call(
        &self,
        url: &str,
        time_max: Duration,
        body: impl FnOnce() -> (Bytes, String),
    ) -> Result<Answer, CallError> {
        let url = self.check(url)?;
        // Never closed.
        let _place = self.places.acquire().await;
        let (body, signature) = body();
        let call = self.exchange(&url, body, &signature);
        tokio::time::timeout(time_max.min(CALL_TIME_MAX), call).await.map_err(|_| CallError::Timeout)?
    }

    async fn exchange(&self, url: &WebhookUrl, body: Bytes, signature: &str) -> Result<Answer, CallError> {
        let request = request(url, body, signature).ok_or(CallError::Request)?;
        self.over(connect(url).await?, url, request).await
    }

    async fn over(
        &self,
        socket: TcpStream,
        url: &WebhookUrl,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        if !url.tls {
            return send(socket, request).await;
        }
        let tls = self.tls.as_ref().ok_or(CallError::Tls)?;
        let name = match &url.host {
            Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| CallError::Request)?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        send(tls.connect(name, socket).await.map_err(CallError::Connect)?, request).await
    }
}

/// Certificates as the system trusts them; without any, plain http in development still works.
pub(crate) fn connector() -> Option<TlsConnector> {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(rustls::ConfigBuilder::with_platform_verifier);
    match config {
        Ok(config) => Some(TlsConnector::from(Arc::new(config.with_no_client_auth()))),
        Err(error) => {
            tracing::warn!(error_id = "webhook-tls-setup", %error, "https webhooks cannot be called");
            None
        }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn request(url: &WebhookUrl, body: Bytes, signature: &str) -> Option<Request<Full<Bytes>>> {
    let target = match url.url.query() {
        Some(query) => format!("{}?{query}", url.url.path()),
        None => url.url.path().to_owned(),
    };
    let host = match url.url.port() {
        Some(port) => format!("{}:{port}", url.host),
        None => url.host.to_string(),
    };
    Request::builder()
        .method(Method::POST)
        .uri(target)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, HeaderValue::from_static(concat!("durable-sessions/", env!("CARGO_PKG_VERSION"))))
        .header(WEBHOOK_SIGNATURE, signature)
        .body(Full::new(body))
        .ok()
}

/// The address that is checked is the one that is connected to: nothing resolves the name a second time.
async fn connect(url: &WebhookUrl) -> Result<TcpStream, CallError> {
    let addresses: Vec<SocketAddr> = match &url.host {
        Host::Ipv4(address) => vec![(*address, url.port).into()],
        Host::Ipv6(address) => vec![(*address, url.port).into()],
        Host::Domain(name) => {
            tokio::net::lookup_host((name.as_str(), url.port)).await.map_err(CallError::Resolve)?.collect()
        }
    };
    let mut failure = CallError::Address;
    for address in addresses.into_iter().filter(|address| url.permits(address.ip())).take(ADDRESSES_MAX) {
        match tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failure = CallError::Connect(error),
            Err(_) => failure = CallError::Timeout,
        }
    }
    Err(failure)
}

async fn send<S>(socket: S, request: Request<Full<Bytes>>) -> Result<Answer, CallError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            // Redirects too: where they lead was never checked.
            return Err(CallError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let done = body
            .ok()
            .and_then(|body| serde_json::from_slice::<serde_json::Value>(&body.to_bytes()).ok())
            .is_some_and(|answer| answer.get("done") == Some(&serde_json::Value::Bool(true)));
        Ok(if done { Answer::Done } else { Answer::Accepted })
    };
    // Driven here and not in a task of its own, so that dropping the call closes the connection.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A listener that counts who connects.
    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_not_connected_to() {
        let (listener, port) = listener().await;
        // What a foreign name looks like whose owner lets it resolve to us.
        let mut url = WebhookUrl::parse(&format!("https://worker.example:{port}/"), true).unwrap();
        url.host = Host::Domain("localhost".into());
        assert!(matches!(connect(&url).await, Err(CallError::Address)));
        let development = WebhookUrl::parse(&format!("http://localhost:{port}/"), true).unwrap();
        assert!(connect(&development).await.is_ok());
        listener.accept().await.unwrap();
    }

    #[tokio::test]
    async fn a_url_is_checked_again_at_every_call() {
        let (_listener, port) = listener().await;
        let called = Caller::new(1, false)
            .call(&format!("http://127.0.0.1:{port}/"), CALL_TIME_MAX, || (Bytes::new(), String::new()))
            .await;
        assert!(matches!(called, Err(CallError::Url(RefusedUrl::Scheme))));
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        let (listener, port) = listener().await;
        let url = format!("http://127.0.0.1:{port}/");
        let caller = Caller::new(1, true);
        let call = caller.call(&url, Duration::from_millis(20), || (Bytes::from("{}"), "t=0".into()));
        let (called, _socket) = tokio::join!(call, listener.accept());
        assert!(matches!(called, Err(CallError::Timeout)));
    }

    /// Answers one TLS connection with `done`, as `name`; hands out the certificate and the port.
    async fn tls_receiver(name: &str) -> (rustls::pki_types::CertificateDer<'static>, u16) {
        let issued = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let certificate = issued.cert.der().clone();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let (listener, port) = listener().await;
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let Ok(socket) = acceptor.accept(socket).await else { return };
            let service = hyper::service::service_fn(async |request: Request<hyper::body::Incoming>| {
                assert_eq!(request.headers()[HOST], "worker.example");
                Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(
                    r#"{"done":true}"#,
                ))))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
        (certificate, port)
    }

    #[tokio::test]
    async fn https_is_verified() {
        let url = WebhookUrl::parse("https://worker.example/hook", false).unwrap();
        let calls = |trusted: bool, name: &'static str| {
            let url = url.clone();
            async move {
                let (certificate, port) = tls_receiver(name).await;
                let mut caller = Caller::new(1, false);
                if trusted {
                    let mut roots = rustls::RootCertStore::empty();
                    roots.add(certificate).unwrap();
                    let config = rustls::ClientConfig::builder_with_provider(provider())
                        .with_safe_default_protocol_versions()
                        .unwrap()
                        .with_root_certificates(roots)
                        .with_no_client_auth();
                    caller.tls = Some(TlsConnector::from(Arc::new(config)));
                }
                let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let request = request(&url, Bytes::from("{}"), "t=0").unwrap();
                caller.over(socket, &url, request).await
            }
        };
        assert!(matches!(calls(true, "worker.example").await, Ok(Answer::Done)));
        assert!(matches!(calls(true, "elsewhere.example").await, Err(CallError::Connect(_))));
        assert!(matches!(calls(false, "worker.example").await, Err(CallError::Connect(_))));
    }
}
