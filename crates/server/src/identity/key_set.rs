//! The keys that verify tokens: those of the configuration, and those of a URL, which rotate. Must not know tokens.
//!
//! | when | what happens |
//! |---|---|
//! | first use | fetched; who asks waits |
//! | older than `max_age` | fetched anew; if that fails, the old ones are good for a day more |
//! | a token names a key that is not there | fetched anew, at most every `fetch_interval`, whatever tokens name |

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use tokio::sync::Mutex;
use url::Url;

use super::jwt::JwtKey;
use super::outgoing::Outgoing;

/// How long keys are used when no newer ones can be had.
const STALE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Keys as they are known now.
pub(super) struct KeySet {
    configured: Arc<[JwtKey]>,
    remote: Option<Remote>,
}

struct Remote {
    url: Url,
    max_age: Duration,
    fetch_interval: Duration,
    outgoing: Outgoing,
    fetched: RwLock<Option<Fetched>>,
    /// One fetch at a time; holds when the last one began.
    fetching: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<[JwtKey]>,
    at: Instant,
}

/// No key can be had, which says nothing about the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of tokens cannot be fetched")]
pub(super) struct KeysUnavailable;

impl KeySet {
    pub(super) fn new(
        configured: Vec<JwtKey>,
        remote: Option<(Url, Duration, Duration)>,
        outgoing: &Outgoing,
    ) -> Self {
        let remote = remote.map(|(url, max_age, fetch_interval)| Remote {
            url,
            max_age,
            fetch_interval,
            outgoing: outgoing.clone(),
            fetched: RwLock::new(None),
            fetching: Mutex::new(None),
        });
        Self { configured: configured.into(), remote }
    }

    pub(super) fn configured(&self) -> &[JwtKey] {
        &self.configured
    }

    /// The keys of the URL, fetched if they are missing or old; none without a URL.
    pub(super) async fn remote(&self) -> Result<Arc<[JwtKey]>, KeysUnavailable> {
        let Some(remote) = &self.remote else { return Ok([].into()) };
        match remote.known() {
            Some(fetched) if fetched.at.elapsed() < remote.max_age => Ok(fetched.keys),
            known => {
                remote.fetch(known.as_ref().map(|fetched| fetched.at)).await;
                let usable = remote.known().filter(|fetched| fetched.at.elapsed() < STALE_MAX);
                usable.map(|fetched| fetched.keys).ok_or(KeysUnavailable)
            }
        }
    }

    /// After a key was missing: the keys of the URL, if there are newer ones than these.
    pub(super) async fn newer(&self, than: &Arc<[JwtKey]>) -> Option<Arc<[JwtKey]>> {
        let remote = self.remote.as_ref()?;
        let known = remote.known();
        if known.as_ref().is_some_and(|fetched| Arc::ptr_eq(&fetched.keys, than)) {
            remote.fetch(known.map(|fetched| fetched.at)).await;
        }
        remote.known().map(|fetched| fetched.keys).filter(|keys| !Arc::ptr_eq(keys, than))
    }
}

impl Remote {
    fn known(&self) -> Option<Fetched> {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches, unless somebody did so since `seen`, or a moment ago.
    async fn fetch(&self, seen: Option<Instant>) {
        let mut last = self.fetching.lock().await;
        let meanwhile = self.known().is_some_and(|fetched| Some(fetched.at) != seen);
        if meanwhile || last.is_some_and(|began| began.elapsed() < self.fetch_interval) {
            return;
        }
        *last = Some(Instant::now());
        match self.load().await {
            Ok(keys) => {
                let fetched = Fetched { keys: keys.into(), at: Instant::now() };
                *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
            }
            Err(reason) => {
                tracing::error!(error_id = "jwks-fetch", reason, "the keys of tokens cannot be fetched");
            }
        }
    }

    async fn load(&self) -> Result<Vec<JwtKey>, String> {
        match self.outgoing.get(&self.url, HeaderMap::new()).await {
            Ok((StatusCode::OK, body)) => JwtKey::public(&body).map_err(|why| why.to_string()),
            Ok((status, _)) => Err(format!("status {}", status.as_u16())),
            Err(why) => Err(why.to_string()),
        }
    }
}
