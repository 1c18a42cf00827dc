//! Tokens that let exactly one wake of one subscription be answered: HMAC-SHA256 over what they are good for.
//! Pure: the time comes in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// How long a token can be used at most. The lease ends far earlier, unless it is extended again and again.
const LIFETIME_MS: i64 = 24 * 3600 * 1000;
/// Tokens of ours are shorter: an id of at most 128 bytes and some numbers.
const TOKEN_LEN_MAX: usize = 1024;
const VERSION: &str = "dst1";

/// Which requests a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// `callback`, of webhooks.
    Callback,
    /// `ack` and `release`, of pull-wake.
    Claim,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    #[serde(rename = "sub")]
    pub(crate) subscription: String,
    /// Tells a subscription from an earlier one with the same id.
    pub(crate) birth: u64,
    #[serde(rename = "gen")]
    pub(crate) generation: u64,
    #[serde(rename = "for")]
    pub(crate) purpose: Purpose,
    /// Unix milliseconds.
    #[serde(rename = "exp")]
    pub(crate) expires_at_ms: i64,
}

impl Grant {
    pub(crate) fn new(
        subscription: &str,
        birth: u64,
        generation: u64,
        purpose: Purpose,
        now_ms: i64,
    ) -> Self {
        let subscription = subscription.to_owned();
        Self { subscription, birth, generation, purpose, expires_at_ms: now_ms.saturating_add(LIFETIME_MS) }
    }

    pub(crate) fn seal(&self, key: &hmac::Key) -> String {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        let signed = format!("{VERSION}.{claims}");
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes()));
        format!("{signed}.{tag}")
    }

    /// The grant of a genuine token for this subscription and purpose that has not expired. Whether the wake it
    /// is for is still the current one is for the state machine to say.
    pub(crate) fn open(
        token: &str,
        key: &hmac::Key,
        subscription: &str,
        purpose: Purpose,
        now_ms: i64,
    ) -> Option<Self> {
        if token.len() > TOKEN_LEN_MAX {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(key, signed.as_bytes(), &tag).ok()?;
        let claims = signed.strip_prefix(VERSION)?.strip_prefix('.')?;
        let grant: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (grant.subscription == subscription && grant.purpose == purpose && now_ms < grant.expires_at_ms)
            .then_some(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    #[test]
    fn a_token_opens_what_it_is_for_and_nothing_else() {
        let grant = Grant::new("a", 7, 3, Purpose::Callback, 1_000);
        let token = grant.seal(&key(1));
        let open = |key, id, purpose, now| Grant::open(&token, &key, id, purpose, now);
        assert_eq!(open(key(1), "a", Purpose::Callback, 1_000), Some(grant));
        assert_eq!(open(key(2), "a", Purpose::Callback, 1_000), None);
        assert_eq!(open(key(1), "b", Purpose::Callback, 1_000), None);
        assert_eq!(open(key(1), "a", Purpose::Claim, 1_000), None);
        assert_eq!(open(key(1), "a", Purpose::Callback, 1_000 + LIFETIME_MS), None);
    }

    proptest! {
        #[test]
        fn no_changed_token_opens(at: proptest::sample::Index, to in proptest::char::range('!', '~')) {
            let token = Grant::new("a", 7, 3, Purpose::Claim, 0).seal(&key(1));
            let mut changed: Vec<char> = token.chars().collect();
            let at = at.index(changed.len());
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            prop_assert_eq!(Grant::open(&changed, &key(1), "a", Purpose::Claim, 1), None);
        }

        #[test]
        fn any_text_is_taken(text in "\\PC{0,200}") {
            prop_assert_eq!(Grant::open(&text, &key(1), "a", Purpose::Claim, 1), None);
        }
    }
}
