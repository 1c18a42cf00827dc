//! TLS of the listening socket: certificate and key, and what is offered. Must not know HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerConfig as RustlsConfig;
use tokio_rustls::TlsAcceptor;

/// HTTP/2 where the client knows it.
const PROTOCOLS: [&[u8]; 2] = [H2, b"http/1.1"];
pub(crate) const H2: &[u8] = b"h2";

/// Where certificate and key are. They are read once, at start: a renewed certificate needs a restart, which takes a
/// moment and loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with the certificate, and the intermediate ones after it.
    pub cert: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the certificate.
    #[error("cannot read certificates from {}: {reason}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file with the key. The reason holds nothing of it.
    #[error("cannot read a private key from {}: {reason}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// They do not belong together, or are of a kind that is not used any more.
    #[error("certificate and key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

impl TlsConfig {
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let certificates = certificates(&self.cert)
            .map_err(|reason| TlsError::Certificate { path: self.cert.clone(), reason })?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|why| TlsError::Key { path: self.key.clone(), reason: why.to_string() })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = RustlsConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).map_err(|why| why.to_string())?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
    if found.is_empty() {
        return Err("it holds none".to_owned());
    }
    Ok(found)
}
