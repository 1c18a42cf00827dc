//! Finds out who a request comes from. The credential decides which way that goes; what one way refuses no other lets
//! in.
//!
//! | credential | way |
//! |---|---|
//! | `?token=` on a route that streams one session | stream token |
//! | `Authorization: Bearer` the static token | the administrator |
//! | `Authorization: Bearer dsk_…` | API key |
//! | `Authorization: Bearer` three parts with dots | JWT, where configured |
//! | the cookie, for reading | cookie |
//! | anything else in `Authorization` or `Cookie` | forward-auth, where configured |
//! | nothing | 401 |

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use durable_sessions_storage::{Clock, ReadError, StreamStore};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use tokio::sync::OnceCell;

use super::api_key::{self, Presented};
use super::bearer::{self, unauthorized};
use super::caller::{Caller, Source, Validity};
use super::config::safe_url;
use super::forward::{Decision, Forward};
use super::jwt::{self, JwtError, Rules};
use super::key_set::KeySet;
use super::key_store::KeyStore;
use super::outgoing::Outgoing;
use super::remembered::{Fingerprint, Remembered};
use super::sealed::{Purpose, Sealed};
use super::{crypto, route};
use crate::Code;
use crate::config::{AuthConfig, ServerConfig};
use crate::error::ApiError;
use crate::keys::{Keys, KeysError};
use crate::seldom::seldom;

/// Verified tokens that are kept, twice.
const REMEMBERED_MAX: usize = 10_000;
/// How long a verified token is not verified again; its key may be withdrawn meanwhile.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// When the keys of tokens, or the application, may be reachable again.
const RETRY_SECS: u32 = 5;

/// All ways into one server.
pub(crate) struct Authenticator {
    auth: AuthConfig,
    jwt: Option<Jwt>,
    forward: Option<Forward>,
    pub(crate) api_keys: KeyStore,
    /// Whether browsers reach the server over TLS.
    over_tls: bool,
    store: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    seals: OnceCell<Keys>,
}

struct Jwt {
    keys: KeySet,
    rules: Rules,
    verified: Remembered<Caller>,
}

impl Authenticator {
    /// The configuration has been validated.
    pub(crate) fn new(config: &ServerConfig, store: Arc<dyn StreamStore>) -> Self {
        let identity = &config.identity;
        let outgoing = (!identity.is_empty()).then(Outgoing::new);
        let jwt = identity.jwt.as_ref().zip(outgoing.as_ref()).map(|(jwt, outgoing)| {
            crypto::install();
            let url = jwt.jwks_url.as_deref().and_then(|url| safe_url(url, "").ok());
            Jwt {
                keys: KeySet::new(
                    jwt.keys.clone(),
                    url.map(|url| (url, jwt.jwks_max_age, jwt.jwks_fetch_interval)),
                    outgoing,
                ),
                rules: Rules {
                    issuer: jwt.issuer.clone(),
                    audience: jwt.audience.clone(),
                    leeway: jwt.leeway,
                },
                verified: Remembered::new(REMEMBERED_MAX),
            }
        });
        let forward = identity.forward_auth.as_ref().zip(outgoing.as_ref());
        let forward = forward.and_then(|(forward, outgoing)| {
            safe_url(&forward.url, "").ok().map(|url| Forward::new(url, forward.cache_ttl, outgoing))
        });
        Self {
            auth: config.auth.clone(),
            jwt,
            forward,
            api_keys: KeyStore::new(store.clone(), identity.api_keys_max),
            over_tls: config.is_reached_over_tls(),
            store,
            clock: config.store_options.clock.clone(),
            seals: OnceCell::new(),
        }
    }

    /// Who a request comes from, where that needs nothing but the request: the static token, and nobody asked.
    pub(crate) fn at_once<B>(&self, request: &Request<B>) -> Option<Caller> {
        match &self.auth {
            AuthConfig::DevNoAuth => Some(Caller::dev_admin()),
            AuthConfig::Token(secret) => bearer::bearer_token(request.headers())
                .filter(|token| secret.matches(token))
                .map(|_| Caller::static_admin()),
            AuthConfig::Credentials => None,
        }
    }

    /// Who a request comes from.
    ///
    /// # Errors
    /// 401; 403 where the application says so; 503 when whoever could tell does not answer.
    pub(crate) async fn authenticate(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        if let Some(token) = query.and_then(route::query_token) {
            return self.stream_token(method, path, token).await;
        }
        if !bearer::is_present(headers) {
            if let Some(cookie) = route::cookie(headers, self.over_tls)
                && route::takes_cookie(method, path)
                && let Some(caller) = self.open(cookie, Purpose::Cookie).await?
            {
                return Ok(caller);
            }
            return self.ask(method, path, headers, "a bearer token is required").await;
        }
        let token = bearer::bearer_token(headers).and_then(|token| std::str::from_utf8(token).ok());
        match token {
            Some(token) if token.starts_with(api_key::PREFIX) => self.api_key(token).await,
            Some(token) if token.bytes().filter(|&byte| byte == b'.').count() == 2 && self.jwt.is_some() => {
                self.jwt(token).await
            }
            _ => self.ask(method, path, headers, "the bearer token is not valid").await,
        }
    }

    /// The key of stream tokens and cookies. It is in the store, so that they outlive a restart.
    pub(crate) async fn seals(&self) -> Result<&Keys, ApiError> {
        let opened = self.seals.get_or_try_init(|| Keys::open(&*self.store)).await;
        opened.map_err(|why: KeysError| {
            tracing::error!(error_id = "seal-keys", %why, "the keys of stream tokens are not available");
            unavailable("the keys of tokens are not available")
        })
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    async fn open(&self, token: &str, purpose: Purpose) -> Result<Option<Caller>, ApiError> {
        let opened = Sealed::open(token, &self.seals().await?.tokens, purpose, self.now_ms());
        let Some(caller) = opened else { return Ok(None) };
        // Its end is that of the key at the latest; that the key is revoked only the store knows.
        let is_revoked = match &caller.validity.api_key {
            Some(id) => self.api_keys.find(id).await.map_err(|why| unread(&why))?.is_none(),
            None => false,
        };
        Ok((!is_revoked).then_some(caller))
    }

    /// A token in a URL is for one session, and for the routes that stream it.
    async fn stream_token(&self, method: &Method, path: &str, token: &str) -> Result<Caller, ApiError> {
        let refused = || unauthorized("the stream token is not valid here");
        let session = route::streamed_session(method, path).ok_or_else(refused)?;
        let caller = self.open(token, Purpose::StreamToken).await?.ok_or_else(refused)?;
        let fits = caller.sessions.as_ref().is_some_and(|sessions| sessions.matches(&session));
        if fits { Ok(caller) } else { Err(refused()) }
    }

    async fn api_key(&self, token: &str) -> Result<Caller, ApiError> {
        let refused = || unauthorized("the API key is not valid");
        let presented = Presented::parse(token).ok_or_else(refused)?;
        let found = self.api_keys.opened_by(&presented, self.now_ms()).await;
        let key = found.map_err(|why| unread(&why))?.ok_or_else(refused)?;
        let validity = Validity { ends_at_ms: key.expires_at, api_key: Some(key.id.into_boxed_str()) };
        key.claims.caller_for(Source::ApiKey, validity).map_err(|_| refused())
    }

    async fn jwt(&self, token: &str) -> Result<Caller, ApiError> {
        let Some(jwt) = &self.jwt else { return Err(unauthorized("the bearer token is not valid")) };
        let key = Fingerprint::of(&[token.as_bytes()]);
        if let Some(caller) = jwt.verified.get(&key, Instant::now()) {
            return Ok(caller);
        }
        let (claims, exp) = jwt.verify(token).await?;
        // As long as the token itself would be taken.
        let ends_at_secs = exp.saturating_add(jwt.rules.leeway.as_secs());
        let ends_at_ms = i64::try_from(ends_at_secs.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let validity = Validity { ends_at_ms: Some(ends_at_ms), api_key: None };
        let caller = claims.caller_for(Source::Jwt, validity).map_err(|why| {
            tracing::debug!(%why, "a genuine token with claims of no use");
            unauthorized("the token's claims are not valid")
        })?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let left = Duration::from_secs(exp.saturating_sub(now));
        jwt.verified.put(key, caller.clone(), Instant::now(), left.min(REMEMBERED_FOR));
        Ok(caller)
    }

    async fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        otherwise: &'static str,
    ) -> Result<Caller, ApiError> {
        let forward = self.forward.as_ref().filter(|_| Forward::concerns(headers));
        let Some(forward) = forward else { return Err(unauthorized(otherwise)) };
        match forward.decide(method, path, headers).await {
            Ok(Decision::Caller(caller)) => Ok(caller),
            Ok(Decision::Unauthorized) => {
                Err(unauthorized("the application does not know these credentials"))
            }
            Ok(Decision::Forbidden) => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                Code::Forbidden,
                "the application does not permit this",
            )),
            Err(undecided) => Err(unavailable(undecided.to_string())),
        }
    }
}

impl Jwt {
    async fn verify(&self, token: &str) -> Result<(super::Claims, u64), ApiError> {
        let refused = |why: JwtError| match why {
            JwtError::Refused(why) => invalid_token(why),
            JwtError::UnknownKey => invalid_token("the token is not signed by a known key"),
        };
        let wanted = jwt::wanted(token).map_err(refused)?;
        match jwt::verify(token, &wanted, self.keys.configured(), &self.rules) {
            Err(JwtError::UnknownKey) => {}
            verified => return verified.map_err(refused),
        }
        let keys = self.keys.remote().await.map_err(|why| unavailable(why.to_string()))?;
        match jwt::verify(token, &wanted, &keys, &self.rules) {
            Err(JwtError::UnknownKey) => match self.keys.newer(&keys).await {
                Some(newer) => jwt::verify(token, &wanted, &newer, &self.rules).map_err(refused),
                None => Err(refused(JwtError::UnknownKey)),
            },
            verified => verified.map_err(refused),
        }
    }
}

fn unread(why: &ReadError) -> ApiError {
    seldom!(|unsaid| tracing::error!(error_id = "api-key-store", %why, unsaid, "API keys cannot be read"));
    unavailable("the store is unavailable")
}

/// RFC 6750, section 3.1.
fn invalid_token(why: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, why)
        .header("www-authenticate", HeaderValue::from_static("Bearer error=\"invalid_token\""))
}

/// Nobody gets in while it is not known who they are.
fn unavailable(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, message).retry_after(RETRY_SECS)
}
