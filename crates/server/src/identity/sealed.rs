//! Tokens of this server for browsers that cannot send headers: claims, sealed with HMAC-SHA256. Pure: the time and
//! the key come in.
//!
//! `dss1.` claims in base64url `.` tag. The tag covers the prefix, so that no token of another kind passes for one of
//! these, whatever key it shares with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Identity, Source, Validity};
use super::claims::Claims;

/// What every token begins with.
pub(crate) const PREFIX: &str = "dss1.";
/// Patterns and roles of an identity are bounded, and cookies end at 4 KiB anyway.
pub(crate) const TOKEN_LEN_MAX: usize = 3 << 10;

/// Where a token may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// In the query of the routes that stream one session.
    StreamToken,
    /// In the cookie, for reading.
    Cookie,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    #[serde(rename = "for")]
    pub(crate) purpose: Purpose,
    /// Unix milliseconds.
    #[serde(rename = "exp")]
    pub(crate) expires_at_ms: i64,
    /// The API key that it was made with, which has to be there still.
    #[serde(rename = "key", default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    /// Whose it is.
    #[serde(flatten)]
    pub(crate) claims: Claims,
}

impl Sealed {
    /// `None` when the claims are too long for where tokens go.
    pub(crate) fn seal(&self, key: &hmac::Key) -> Option<String> {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).ok()?);
        let signed = format!("{PREFIX}{claims}");
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes()));
        let token = format!("{signed}.{tag}");
        (token.len() <= TOKEN_LEN_MAX).then_some(token)
    }

    /// The caller of a genuine token for this purpose that has not expired.
    pub(crate) fn open(token: &str, key: &hmac::Key, purpose: Purpose, now_ms: i64) -> Option<Caller> {
        if token.len() > TOKEN_LEN_MAX {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(key, signed.as_bytes(), &tag).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.strip_prefix(PREFIX)?).ok()?;
        let sealed: Self = serde_json::from_slice(&claims).ok()?;
        if sealed.purpose != purpose || now_ms >= sealed.expires_at_ms {
            return None;
        }
        let source = match purpose {
            Purpose::StreamToken => Source::StreamToken,
            Purpose::Cookie => Source::Cookie,
        };
        let validity = Validity {
            ends_at_ms: Some(sealed.expires_at_ms),
            api_key: sealed.api_key.map(String::into_boxed_str),
        };
        sealed.claims.identity(source).ok().map(|identity| Caller::new(Identity { validity, ..identity }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn sealed() -> Sealed {
        let claims = r#"{"sub":"ada","project":"p","scope":"stream:read","sessions":["run-1"]}"#;
        let claims = serde_json::from_str(claims).unwrap();
        Sealed { purpose: Purpose::StreamToken, expires_at_ms: 1000, api_key: None, claims }
    }

    #[test]
    fn a_token_is_for_its_purpose_and_its_time() {
        let token = sealed().seal(&key(1)).unwrap();
        let caller = Sealed::open(&token, &key(1), Purpose::StreamToken, 999).unwrap();
        assert_eq!((&*caller.subject, caller.source), ("ada", Source::StreamToken));
        assert!(Sealed::open(&token, &key(1), Purpose::StreamToken, 1000).is_none());
        assert!(Sealed::open(&token, &key(1), Purpose::Cookie, 0).is_none());
        assert!(Sealed::open(&token, &key(2), Purpose::StreamToken, 0).is_none());
        let other = token.replacen("dss1.", "dst1.", 1);
        assert!(Sealed::open(&other, &key(1), Purpose::StreamToken, 0).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_token_is_none(at in 0usize..200, byte in 0x21u8..0x7f) {
            let token = sealed().seal(&key(1)).unwrap();
            let mut changed = token.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            // The last digit of base64 has bits that mean nothing; the decoder refuses those that are set.
            prop_assert_eq!(
                Sealed::open(&changed, &key(1), Purpose::StreamToken, 0).is_some(),
                changed == token
            );
        }
    }
}
