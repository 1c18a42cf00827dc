//! API keys: `dsk_` id `_` secret. The secret has 256 bits of chance, so one SHA-256 of it is what a stolen store
//! tells, and no slower hash would tell less. Pure; must not know where records are kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::claims::Claims;

/// What every key begins with, so that scanners of repositories find those that got there.
pub(crate) const PREFIX: &str = "dsk_";
/// Longest name of a key.
pub(crate) const NAME_CHARS_MAX: usize = 200;
const ID_BYTES: usize = 9;
const SECRET_BYTES: usize = 32;

/// A key as it is stored: everything but the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    /// Of this record's form.
    pub(crate) version: u32,
    pub(crate) id: String,
    /// SHA-256 of the secret, base64url.
    pub(crate) hash: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// What its bearer may do.
    pub(crate) claims: Claims,
    /// Who made it.
    pub(crate) created_by: String,
    /// Unix milliseconds.
    pub(crate) created_at: i64,
    /// Unix milliseconds; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
}

/// The two halves of a key as it is presented.
pub(crate) struct Presented<'a> {
    pub(crate) id: &'a str,
    secret: &'a str,
}

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(crate) struct NoChance;

impl ApiKey {
    /// A new key, and its text, which is shown once.
    pub(crate) fn mint(
        claims: Claims,
        name: Option<String>,
        created_by: &str,
        now_ms: i64,
        expires_at: Option<i64>,
    ) -> Result<(Self, String), NoChance> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut secret)).map_err(|_| NoChance)?;
        // Letters and digits: an id is one segment of a path, and the underscore ends it.
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let text = format!("{PREFIX}{id}_{secret}");
        let key = Self {
            version: 1,
            id,
            hash: hash(&secret),
            name,
            claims,
            created_by: created_by.to_owned(),
            created_at: now_ms,
            expires_at,
        };
        Ok((key, text))
    }

    /// Whether this is its secret, compared in constant time, and it is still good.
    pub(crate) fn is_opened_by(&self, presented: &Presented<'_>, now_ms: i64) -> bool {
        let same: bool = hash(presented.secret).as_bytes().ct_eq(self.hash.as_bytes()).into();
        same && self.version == 1 && self.expires_at.is_none_or(|at| now_ms < at)
    }
}

impl<'a> Presented<'a> {
    /// The halves of what looks like a key.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
        (is_key_id(id) && !secret.is_empty() && secret.len() <= 64).then_some(Self { id, secret })
    }
}

/// Whether a text may be the id of a key.
pub(crate) fn is_key_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_secret_opens_a_key() {
        let claims: Claims = serde_json::from_str(r#"{"sub":"ci"}"#).unwrap();
        let (key, text) = ApiKey::mint(claims.clone(), None, "admin", 5, Some(100)).unwrap();
        let (_, other) = ApiKey::mint(claims, None, "admin", 5, None).unwrap();
        let presented = Presented::parse(&text).unwrap();
        assert_eq!(presented.id, key.id);
        assert!(key.is_opened_by(&presented, 99) && !key.is_opened_by(&presented, 100));
        assert!(!key.is_opened_by(&Presented::parse(&other).unwrap(), 0));
        let stored = serde_json::to_string(&key).unwrap();
        assert!(!stored.contains(presented.secret));
        for bad in ["", "dsk_", "dsk_abc", "dsk_../x_y", &text[..30], "dsk_0123456789abcdef01_"] {
            assert!(Presented::parse(bad).is_none_or(|presented| !key.is_opened_by(&presented, 0)), "{bad}");
        }
    }
}
