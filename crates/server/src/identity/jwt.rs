//! JSON Web Tokens of the application: which keys there are, and what a token must say. Must not know how keys are
//! fetched.
//!
//! A key is good for exactly one algorithm, which comes from the key and never from the token; so `alg: none` and the
//! use of a public key as an HMAC secret fail before a signature is looked at.

use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::claims::Claims;
use super::crypto;

/// Longest token that is looked at.
const TOKEN_LEN_MAX: usize = 8 << 10;
/// Most keys of one set.
const KEYS_MAX: usize = 64;
/// Shortest HMAC secret: as long as what it makes (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// A key that verifies tokens, with the one algorithm it is for.
#[derive(Clone)]
pub struct JwtKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish()
    }
}

/// Why a text holds no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwtKey {
    /// Guessable.
    #[error("an HS256 secret must have at least {SECRET_BYTES_MIN} bytes")]
    ShortSecret,
    /// Neither PEM nor a JWK set.
    #[error("expected public keys as PEM (RSA, P-256 or Ed25519), or a JSON Web Key Set")]
    Format,
    /// Nothing of it can be used.
    #[error("no key for RS256, ES256 or EdDSA is in it")]
    NoKey,
    /// Too short to be safe.
    #[error("an RSA key must have at least 2048 bits")]
    ShortRsa,
    /// More than anybody needs.
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
}

impl JwtKey {
    /// The key of HS256, shared with whoever makes the tokens.
    ///
    /// # Errors
    /// [`InvalidJwtKey::ShortSecret`].
    pub fn secret(secret: &[u8]) -> Result<Self, InvalidJwtKey> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(InvalidJwtKey::ShortSecret);
        }
        Ok(Self { kid: None, algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) })
    }

    /// Public keys: one or more PEM blocks, or a JSON Web Key Set. Keys of other kinds in a set are passed over.
    ///
    /// # Errors
    /// [`InvalidJwtKey`].
    pub fn public(text: &[u8]) -> Result<Vec<Self>, InvalidJwtKey> {
        let keys = match text.trim_ascii_start().first() {
            Some(b'{') => {
                let set: JwkSet = jwk_set(text)?;
                if set.keys.len() > KEYS_MAX {
                    return Err(InvalidJwtKey::TooMany);
                }
                set.keys.iter().filter_map(Self::of_jwk).collect()
            }
            _ => pem_blocks(text).map(|block| Self::of_pem(&block)).collect::<Result<Vec<_>, _>>()?,
        };
        match keys.len() {
            0 => Err(InvalidJwtKey::NoKey),
            1..=KEYS_MAX => Ok(keys),
            _ => Err(InvalidJwtKey::TooMany),
        }
    }

    /// Whether everybody may know it.
    pub(super) fn is_public(&self) -> bool {
        self.algorithm != Algorithm::HS256
    }

    /// A symmetric key in a set would be known to everybody who can read the set, so there is no arm for it.
    fn of_jwk(jwk: &Jwk) -> Option<Self> {
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            _ => return None,
        };
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        if !signs || common.key_algorithm.is_some_and(|given| given != named) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        if let jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind()
            && n.len() < crypto::RSA_MODULUS_BYTES_MIN
        {
            return None;
        }
        Some(Self { kid: common.key_id.clone(), algorithm, key })
    }

    fn of_pem(block: &[u8]) -> Result<Self, InvalidJwtKey> {
        let of = |algorithm, key| Self { kid: None, algorithm, key };
        let rsa = DecodingKey::from_rsa_pem(block).map(|key| of(Algorithm::RS256, key));
        let key = rsa
            .or_else(|_| DecodingKey::from_ec_pem(block).map(|key| of(Algorithm::ES256, key)))
            .or_else(|_| DecodingKey::from_ed_pem(block).map(|key| of(Algorithm::EdDSA, key)))
            .map_err(|_| InvalidJwtKey::Format)?;
        let der = key.key.as_bytes();
        match key.algorithm {
            Algorithm::RS256 if der.len() < crypto::RSA_MODULUS_BYTES_MIN => Err(InvalidJwtKey::ShortRsa),
            // An uncompressed point of P-256; other curves have other lengths.
            Algorithm::ES256 if der.len() != 65 => Err(InvalidJwtKey::Format),
            Algorithm::EdDSA if der.len() != 32 => Err(InvalidJwtKey::Format),
            _ => Ok(key),
        }
    }
}

/// A set in which keys of kinds that nobody knows here do not spoil the others.
fn jwk_set(text: &[u8]) -> Result<JwkSet, InvalidJwtKey> {
    #[derive(serde::Deserialize)]
    struct Loose {
        keys: Vec<serde_json::Value>,
    }
    let loose: Loose = serde_json::from_slice(text).map_err(|_| InvalidJwtKey::Format)?;
    if loose.keys.len() > KEYS_MAX {
        return Err(InvalidJwtKey::TooMany);
    }
    Ok(JwkSet { keys: loose.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() })
}

fn pem_blocks(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const END: &str = "-----END";
    let text = String::from_utf8_lossy(text).into_owned();
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("-----BEGIN") {
        let block = &rest[start..];
        let Some(end) = block.find(END) else { break };
        let stop = block[end + END.len()..].find("-----").map_or(block.len(), |at| end + END.len() + at + 5);
        blocks.push(block.as_bytes()[..stop].to_vec());
        rest = &block[stop..];
    }
    blocks.into_iter()
}

/// What a token must say.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) leeway: Duration,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwtError {
    /// Perhaps a newer key than those at hand.
    #[error("no key of this id")]
    UnknownKey,
    #[error("{0}")]
    Refused(&'static str),
}

/// Which key a token asks for.
pub(super) struct Wanted {
    kid: Option<String>,
    algorithm: Algorithm,
}

/// Reads the header of a token. Nothing of it is trusted but to choose among our keys.
pub(super) fn wanted(token: &str) -> Result<Wanted, JwtError> {
    if token.len() > TOKEN_LEN_MAX {
        return Err(JwtError::Refused("the token is too long"));
    }
    // An algorithm that is none, and any other word there, is not among those the type knows.
    let header = decode_header(token).map_err(|_| JwtError::Refused("the token is malformed"))?;
    if header.crit.is_some() {
        return Err(JwtError::Refused("the token has critical extensions"));
    }
    Ok(Wanted { kid: header.kid, algorithm: header.alg })
}

/// The claims of a token that one of these keys signed, and when they end, in Unix seconds.
pub(super) fn verify(
    token: &str,
    wanted: &Wanted,
    keys: &[JwtKey],
    rules: &Rules,
) -> Result<(Claims, u64), JwtError> {
    #[derive(serde::Deserialize)]
    struct Timed {
        #[serde(flatten)]
        claims: Claims,
        exp: f64,
    }
    let fits = |key: &&JwtKey| {
        // A key without a name fits every name: files of keys often have none.
        key.algorithm == wanted.algorithm
            && (key.kid.is_none() || wanted.kid.is_none() || key.kid == wanted.kid)
    };
    let mut refused = JwtError::UnknownKey;
    for key in keys.iter().filter(fits) {
        match decode::<Timed>(token, &key.key, &validation(key.algorithm, rules)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time, saturating")]
            Ok(verified) => return Ok((verified.claims.claims, verified.claims.exp as u64)),
            Err(why) => refused = refusal(why.kind(), key.kid.is_some() && key.kid == wanted.kid),
        }
    }
    Err(refused)
}

fn validation(algorithm: Algorithm, rules: &Rules) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = rules.leeway.as_secs();
    validation.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    if let Some(issuer) = &rules.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    // Without an audience of our own, a token that is for somebody is not for us.
    if let Some(audience) = &rules.audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn refusal(why: &jsonwebtoken::errors::ErrorKind, named: bool) -> JwtError {
    use jsonwebtoken::errors::ErrorKind;
    JwtError::Refused(match why {
        // A key without this very name may be the wrong one; the right one may not be here yet.
        ErrorKind::InvalidSignature if !named => return JwtError::UnknownKey,
        ErrorKind::InvalidSignature => "the token's signature is not valid",
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token has another issuer",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim it must have",
        _ => "the token is malformed",
    })
}
