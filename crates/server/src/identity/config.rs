//! How callers prove who they are, beside the static token. Must not read files or environment.

use std::time::Duration;

use url::Url;

use super::jwt::JwtKey;
use super::outgoing::is_safe_url;

/// Credentials that a server accepts.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// Signed tokens of the application.
    pub jwt: Option<JwtConfig>,
    /// The application decides.
    pub forward_auth: Option<ForwardAuthConfig>,
    /// How long a stream token can be used.
    pub stream_token_ttl: Duration,
    /// How long the cookie can be used.
    pub cookie_ttl: Duration,
    /// API keys there may be: 507 beyond.
    pub api_keys_max: usize,
}

/// Which JSON Web Tokens are accepted: HS256, RS256, ES256 and EdDSA, each by keys of its kind.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// Keys that are known.
    pub keys: Vec<JwtKey>,
    /// Where more of them are (a JSON Web Key Set): https, or this machine.
    pub jwks_url: Option<String>,
    /// After how long the key set is fetched anew.
    pub jwks_max_age: Duration,
    /// Least time between two fetches, whatever key ids tokens name: nobody makes the server ask by inventing them.
    pub jwks_fetch_interval: Duration,
    /// The `iss` a token must have, if any.
    pub issuer: Option<String>,
    /// The `aud` a token must have. Needed with public keys: their owner also signs tokens for others.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// The application's URL that says who a request comes from.
#[derive(Debug, Clone)]
pub struct ForwardAuthConfig {
    /// The URL: https, or this machine.
    pub url: String,
    /// How long a decision is good for the same credentials, method and path; zero asks every time.
    pub cache_ttl: Duration,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            jwt: None,
            forward_auth: None,
            stream_token_ttl: Duration::from_secs(5 * 60),
            cookie_ttl: Duration::from_secs(12 * 3600),
            api_keys_max: 10_000,
        }
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            jwks_url: None,
            jwks_max_age: Duration::from_secs(10 * 60),
            jwks_fetch_interval: Duration::from_secs(10),
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
        }
    }
}

/// Why an identity configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// Nothing could verify a token.
    #[error("JSON Web Tokens need a secret, public keys, or the URL of a key set")]
    NoKeys,
    /// Tokens for others would be accepted.
    #[error("public keys and key sets need an audience: their owner signs tokens for others as well")]
    NoAudience,
    /// Keys or credentials would travel in the open.
    #[error("{0} must be an https URL, or an http URL of this machine")]
    Url(&'static str),
    /// Too far for clocks.
    #[error("the leeway must be at most ten minutes")]
    Leeway,
    /// Longer than a decision or a token should be good.
    #[error("{0} is too long or zero")]
    Duration(&'static str),
}

impl IdentityConfig {
    /// Whether anybody could come in by it.
    pub(crate) fn is_empty(&self) -> bool {
        self.jwt.is_none() && self.forward_auth.is_none()
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidIdentity> {
        if let Some(jwt) = &self.jwt {
            if jwt.keys.is_empty() && jwt.jwks_url.is_none() {
                return Err(InvalidIdentity::NoKeys);
            }
            let public = jwt.jwks_url.is_some() || jwt.keys.iter().any(JwtKey::is_public);
            if public && jwt.audience.is_none() {
                return Err(InvalidIdentity::NoAudience);
            }
            if jwt.leeway > Duration::from_secs(600) {
                return Err(InvalidIdentity::Leeway);
            }
            if let Some(url) = &jwt.jwks_url {
                safe_url(url, "the URL of the key set")?;
            }
            within(jwt.jwks_max_age, Duration::from_secs(24 * 3600), "the age of the key set")?;
        }
        if let Some(forward) = &self.forward_auth {
            safe_url(&forward.url, "the URL of forward-auth")?;
            if forward.cache_ttl > Duration::from_secs(3600) {
                return Err(InvalidIdentity::Duration("the time decisions are kept"));
            }
        }
        within(self.stream_token_ttl, Duration::from_secs(24 * 3600), "the life of stream tokens")?;
        within(self.cookie_ttl, Duration::from_secs(30 * 24 * 3600), "the life of the cookie")
    }
}

/// A URL that secrets may go to.
pub(super) fn safe_url(url: &str, what: &'static str) -> Result<Url, InvalidIdentity> {
    url.parse().ok().filter(is_safe_url).ok_or(InvalidIdentity::Url(what))
}

fn within(duration: Duration, max: Duration, what: &'static str) -> Result<(), InvalidIdentity> {
    if duration.is_zero() || duration > max { Err(InvalidIdentity::Duration(what)) } else { Ok(()) }
}
