//! TLS with both versions of HTTP, as a client with the certificate sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::TestServer;
use durable_sessions_server::{AuthConfig, Secret, Server, ServerConfig, StoreConfig, TlsConfig};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Certified {
    dir: tempfile::TempDir,
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Certified {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.pem"), pem("CERTIFICATE", made.cert.der())).unwrap();
        std::fs::write(dir.path().join("key.pem"), pem("PRIVATE KEY", &made.signing_key.serialize_der()))
            .unwrap();
        Self { dir, certificate: made.cert.der().clone() }
    }

    fn config(&self) -> TlsConfig {
        TlsConfig { cert: self.dir.path().join("cert.pem"), key: self.dir.path().join("key.pem") }
    }

    async fn connect(&self, server: &TestServer, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let socket = TcpStream::connect(server.address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        common::within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await.unwrap()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn request(method: &str, path: &str) -> http::Request<Empty<Bytes>> {
    let uri = format!("https://localhost{path}");
    let builder = http::Request::builder().method(method).uri(uri).header("host", "localhost");
    builder.header("authorization", "Bearer s3cret").body(Empty::new()).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_and_live_answers() {
    let certified = Certified::new();
    let tls = certified.config();
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new("s3cret"));
        config.tls = Some(tls);
    })
    .await;
    let stream = certified.connect(&server, &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut h2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let created = h2.send_request(request("PUT", "/v1/stream/sessions/run-1")).await.unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["location"], "https://localhost/v1/stream/sessions/run-1");
    let cookie = h2.send_request(request("POST", "/api/auth/cookie")).await.unwrap();
    let cookie = cookie.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-durable-sessions=") && cookie.ends_with("; Secure"), "{cookie}");

    let stream = certified.connect(&server, &[b"http/1.1"]).await;
    let (mut h1, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (what, live) in [
        ("HTTP/2", h2.send_request(request("GET", "/v1/stream/sessions/run-1?offset=-1&live=sse")).await),
        ("HTTP/1.1", h1.send_request(request("GET", "/v1/stream/sessions/run-1?offset=-1&live=sse")).await),
    ] {
        let mut live = live.unwrap();
        assert_eq!(live.status(), 200, "{what}");
        assert_eq!(live.headers()["x-accel-buffering"], "no", "{what}");
        assert!(live.headers()["cache-control"].to_str().unwrap().contains("private"), "{what}");
        let first = common::within(live.body_mut().frame()).await.unwrap().unwrap();
        let first = first.into_data().unwrap();
        assert!(first.starts_with(b"event: control"), "{what}: {first:?}");
    }
}

#[tokio::test]
async fn plain_http_is_not_answered_on_a_tls_port() {
    let certified = Certified::new();
    let tls = certified.config();
    let server = TestServer::start_with(|config| config.tls = Some(tls)).await;
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let plain =
        http::Request::get("/healthz").header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    assert!(common::within(sender.send_request(plain)).await.is_err());
}

/// What the server shows to who connects.
async fn shown(address: std::net::SocketAddr, trusted: &Certified) -> Option<Vec<u8>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = common::within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await.ok()?;
    Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
}

#[tokio::test]
async fn a_renewed_certificate_is_read_while_the_server_runs() {
    let (old, new) = (Certified::new(), Certified::new());
    let files = old.config();
    let mut config =
        ServerConfig::new("127.0.0.1:0".parse().unwrap(), StoreConfig::Memory, AuthConfig::DevNoAuth);
    config.tls = Some(files.clone());
    let server = Server::bind(config).await.unwrap();
    let (address, certificates) = (server.local_addr(), server.certificates().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    assert_eq!(shown(address, &old).await.as_deref(), Some(&old.certificate[..]));
    // A half of the new pair is none: the old one stays.
    std::fs::copy(new.config().cert, &files.cert).unwrap();
    assert!(certificates.reload().is_err());
    assert_eq!(shown(address, &old).await.as_deref(), Some(&old.certificate[..]));
    std::fs::copy(new.config().key, &files.key).unwrap();
    certificates.reload().unwrap();
    assert_eq!(shown(address, &new).await.as_deref(), Some(&new.certificate[..]));
    assert_eq!(shown(address, &old).await, None);
    std::fs::remove_file(&files.cert).unwrap();
    assert!(certificates.reload().is_err());
    assert!(shown(address, &new).await.is_some());
    drop(stop);
    common::within(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn files_that_are_none_stop_the_start() {
    let certified = Certified::new();
    let good = certified.config();
    for tls in [
        TlsConfig { cert: good.key.clone(), key: good.key.clone() },
        TlsConfig { cert: good.cert.clone(), key: good.cert.clone() },
        TlsConfig { cert: "missing.pem".into(), key: good.key.clone() },
        TlsConfig { cert: good.cert.clone(), key: Certified::new().config().key },
    ] {
        let what = format!("{tls:?}");
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
        config.tls = Some(tls);
        let refused = Server::bind(config).await.err().map(|why| why.to_string());
        assert!(refused.is_some_and(|why| why.contains("cert") || why.contains("key")), "{what}");
    }
}
