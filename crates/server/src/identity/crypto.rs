//! `ring` as the cryptography of `jsonwebtoken`: verification with HS256, RS256, ES256 and EdDSA, and nothing else.
//!
//! The crate's own choices are a second library beside the one TLS uses here, or one with an open advisory about RSA.

use jsonwebtoken::crypto::{CryptoProvider, JwkUtils, JwtVerifier};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::{hmac, signature};

/// Shortest RSA modulus, in bytes: 2048 bits.
pub(super) const RSA_MODULUS_BYTES_MIN: usize = 256;

static PROVIDER: CryptoProvider = CryptoProvider {
    // This server signs no JWTs.
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    jwk_utils: JwkUtils::new_unimplemented(),
};

/// Before the first token is verified. An application around this library that chose another provider keeps it.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = |key: &DecodingKey| match key.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => Some(bytes.clone()),
        DecodingKeyKind::RsaModulusExponent { .. } => None,
    };
    // The family of the key, not what the token says, chooses how it is used.
    let check = match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            let secret = bytes(key).ok_or(ErrorKind::InvalidKeyFormat)?;
            Check::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa) => match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                Check::RsaParts(signature::RsaPublicKeyComponents { n: n.clone(), e: e.clone() })
            }
            DecodingKeyKind::SecretOrDer(der) => {
                Check::Public(&signature::RSA_PKCS1_2048_8192_SHA256, der.clone())
            }
        },
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            Check::Public(&signature::ECDSA_P256_SHA256_FIXED, bytes(key).ok_or(ErrorKind::InvalidKeyFormat)?)
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            Check::Public(&signature::ED25519, bytes(key).ok_or(ErrorKind::InvalidKeyFormat)?)
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(Ring { algorithm: *algorithm, check }))
}

struct Ring {
    algorithm: Algorithm,
    check: Check,
}

enum Check {
    Hmac(hmac::Key),
    Public(&'static dyn signature::VerificationAlgorithm, Vec<u8>),
    RsaParts(signature::RsaPublicKeyComponents<Vec<u8>>),
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), SignatureError> {
        match &self.check {
            // In constant time.
            Check::Hmac(key) => hmac::verify(key, message, tag),
            Check::Public(algorithm, key) => {
                signature::UnparsedPublicKey::new(*algorithm, key).verify(message, tag)
            }
            Check::RsaParts(key) => key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, tag),
        }
        .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
