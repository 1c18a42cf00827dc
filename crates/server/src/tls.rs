//! TLS of the listening socket: certificate and key, which can be read anew while they are used, and what is offered. Must
//! not know HTTP.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig as RustlsConfig};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// HTTP/2 where the client knows it.
const PROTOCOLS: [&[u8]; 2] = [H2, b"http/1.1"];
pub(crate) const H2: &[u8] = b"h2";

/// Where certificate and key are. They are read at start, and again by [`Certificates::reload`].
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
    /// What the socket is served with, and the way to read certificate and key again.
    pub(crate) fn acceptor(&self) -> Result<(TlsAcceptor, Certificates), TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = RwLock::new(self.read(&provider)?);
        let held = Arc::new(Held { files: self.clone(), provider: provider.clone(), current });
        let mut config = RustlsConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(held.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok((TlsAcceptor::from(Arc::new(config)), Certificates(held)))
    }

    fn read(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let certificates = certificates(&self.cert)
            .map_err(|reason| TlsError::Certificate { path: self.cert.clone(), reason })?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|why| TlsError::Key { path: self.key.clone(), reason: why.to_string() })?;
        Ok(Arc::new(CertifiedKey::from_der(certificates, key, provider)?))
    }
}

/// The certificate of a running server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificates(Arc<Held>);

#[derive(Debug)]
struct Held {
    files: TlsConfig,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads certificate and key again, for connections that begin from now on; those that are open keep theirs. Blocks for
    /// as long as the files take to be read.
    ///
    /// # Errors
    /// [`TlsError`]: the ones in use stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Held { files, provider, current } = &*self.0;
        let read = files.read(provider)?;
        *current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
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
