//! The secrets of a server: the Ed25519 key that signs webhooks and the key of its own tokens. They are made
//! once and kept in the store, so that both outlive a restart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{CreateStream, StreamStore};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Clients cannot reach paths below `__ds`.
const PATH: &str = "__ds/keys";

/// Ready to sign.
pub(crate) struct Keys {
    signing: Ed25519KeyPair,
    kid: String,
    pub(crate) tokens: hmac::Key,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    /// Seed of the signing key, base64url.
    signing_seed: String,
    /// Key of the tokens, base64url.
    token_key: String,
}

/// Why there are no keys.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the store does not keep the keys: {0}")]
    Store(String),
    #[error("the stored keys are damaged")]
    Damaged,
    #[error("the system gives no random numbers")]
    Random,
}

impl Keys {
    /// Those in the store; fresh ones if there are none.
    pub(crate) async fn open(store: &dyn StreamStore) -> Result<Self, KeysError> {
        let path: StreamPath = PATH.parse().map_err(|_| KeysError::Damaged)?;
        let fresh = Record::fresh()?;
        let attributes = serde_json::to_vec(&fresh).map(Bytes::from).map_err(|_| KeysError::Damaged)?;
        // Creating is the comparison: whoever comes second gets the keys of the first.
        let created = store
            .create(
                &path,
                CreateStream { attributes: Some(attributes), ..CreateStream::of(ContentType::json()) },
            )
            .await
            .map_err(|why| KeysError::Store(why.to_string()))?;
        let stored = created.head.attributes.ok_or(KeysError::Damaged)?;
        let record: Record = serde_json::from_slice(&stored).map_err(|_| KeysError::Damaged)?;
        record.into_keys().ok_or(KeysError::Damaged)
    }

    /// The value of `Webhook-Signature` for a body sent at this time.
    pub(crate) fn signature(&self, unix_secs: i64, body: &[u8]) -> String {
        let mut signed = format!("{unix_secs}.").into_bytes();
        signed.extend_from_slice(body);
        let signature = URL_SAFE_NO_PAD.encode(self.signing.sign(&signed));
        format!("t={unix_secs},kid={},ed25519={signature}", self.kid)
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": self.kid,
            "use": "sig",
            "alg": "EdDSA",
            "x": public(&self.signing),
        }] })
    }
}

impl Record {
    fn fresh() -> Result<Self, KeysError> {
        let (mut seed, mut tokens) = ([0; 32], [0; 32]);
        getrandom::fill(&mut seed)
            .and_then(|()| getrandom::fill(&mut tokens))
            .map_err(|_| KeysError::Random)?;
        let encode = |secret: [u8; 32]| URL_SAFE_NO_PAD.encode(secret);
        Ok(Self { version: 1, signing_seed: encode(seed), token_key: encode(tokens) })
    }

    fn into_keys(self) -> Option<Keys> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|secret| secret.len() == 32);
        if self.version != 1 {
            return None;
        }
        let signing = Ed25519KeyPair::from_seed_unchecked(&decode(&self.signing_seed)?).ok()?;
        let tokens = hmac::Key::new(hmac::HMAC_SHA256, &decode(&self.token_key)?);
        let kid = thumbprint(&signing);
        Some(Keys { signing, kid, tokens })
    }
}

fn public(key: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(key.public_key())
}

/// RFC 7638: the hash of the members that make the key, in order of name.
fn thumbprint(key: &Ed25519KeyPair) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public(key));
    format!("ds_{}", URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_sessions_storage::{EmbeddedStore, MemoryStore, StoreOptions};
    use ring::signature::{ED25519, UnparsedPublicKey};

    /// As a receiver verifies: from the header and the key set alone.
    fn verifies(jwks: &Value, header: &str, body: &[u8]) -> bool {
        let field = |name: &str| {
            header.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).unwrap()
        };
        let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == field("kid")).unwrap();
        let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(field("ed25519")).unwrap();
        let signed = [field("t").as_bytes(), b".", body].concat();
        UnparsedPublicKey::new(&ED25519, public).verify(&signed, &signature).is_ok()
    }

    #[tokio::test]
    async fn a_signature_is_of_this_body_at_this_time() {
        let store = MemoryStore::open(StoreOptions::default()).unwrap();
        let keys = Keys::open(&store).await.unwrap();
        let header = keys.signature(1_700_000_000, b"{}");
        assert!(verifies(&keys.jwks(), &header, b"{}"));
        assert!(!verifies(&keys.jwks(), &header, b"{ }"));
        assert!(!verifies(&keys.jwks(), &header.replace("t=17", "t=18"), b"{}"));
        assert!(!keys.jwks().to_string().contains("seed"));
        let again = Keys::open(&store).await.unwrap();
        assert_eq!(again.kid(), keys.kid());
    }

    #[tokio::test]
    async fn keys_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
        let keys = Keys::open(&store).await.unwrap();
        store.shutdown().await;
        drop(store);
        let store = EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap();
        let again = Keys::open(&store).await.unwrap();
        assert_eq!(keys.jwks(), again.jwks());
        let tag = hmac::sign(&keys.tokens, b"x");
        assert!(hmac::verify(&again.tokens, b"x", tag.as_ref()).is_ok());
    }

    /// The example of RFC 8037, appendix A.3.
    #[test]
    fn the_kid_is_a_jwk_thumbprint() {
        let record = Record {
            version: 1,
            signing_seed: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".into(),
            token_key: URL_SAFE_NO_PAD.encode([0; 32]),
        };
        assert_eq!(record.into_keys().unwrap().kid(), "ds_kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
