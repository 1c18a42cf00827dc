//! How much each identity, address and session may ask for. Must not know routes or what requests mean.
//!
//! | limit | counted by | beyond it |
//! |---|---|---|
//! | requests | identity | 429 `RATE_LIMITED`, `Retry-After` |
//! | requests | address, before anybody is asked who it is | the same |
//! | events | session | the same |
//! | live answers | identity | 429 `TOO_MANY_CONNECTIONS`, with long-poll as the way out |
//! | open streams | identity | 429 `TOO_MANY_STREAMS`, `Retry-After` |
//!
//! Who may do everything is not counted as an identity or an address. The maps are bounded.

mod address;
mod bucket;
mod buckets;
mod limit;
mod open;
mod rate;
mod streams;

use std::sync::Arc;

use durable_sessions_schema::ProjectId;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::Code;
use crate::config::Limits;
use crate::error::ApiError;
use crate::identity::Identity;

pub(crate) use address::client_address;
pub use address::{InvalidNetwork, Network};
pub(crate) use bucket::Standing;
use buckets::Buckets;
pub(crate) use limit::Limit;
pub(crate) use open::{Open, OpenSlot};
pub use rate::{InvalidRate, Rate};
pub(crate) use streams::OpenStreams;

/// When a refused subscriber may find a place: connections rotate about once a minute.
const LIVE_RETRY_SECS: u32 = 10;

/// All counters of a server.
pub(crate) struct Quota {
    identities: Option<Buckets>,
    addresses: Option<Buckets>,
    sessions: Option<Buckets>,
    live: Arc<Open>,
}

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        let buckets = |rate: Option<Rate>| rate.map(Buckets::new);
        Self {
            identities: buckets(limits.requests_per_identity),
            addresses: buckets(limits.requests_per_address),
            sessions: buckets(limits.events_per_session),
            live: Open::new(limits.sse_subscribers_per_identity_max),
        }
    }

    /// One request from an address.
    pub(crate) fn address(&self, address: Option<std::net::IpAddr>) -> Result<(), ApiError> {
        match (&self.addresses, address) {
            (Some(buckets), Some(address)) => {
                let standing = buckets.take(&address::key(address), 1);
                if standing.is_over() {
                    let message = "too many requests from this address";
                    Err(limited(&standing, Limit::RequestsPerAddress, message))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    /// One request of an identity; how it stands, for the headers of the answer.
    pub(crate) fn identity(&self, caller: &Identity) -> Result<Option<Standing>, ApiError> {
        let Some(buckets) = self.identities.as_ref().filter(|_| !caller.is_superuser()) else {
            return Ok(None);
        };
        let standing = buckets.take(&key(caller), 1);
        if standing.is_over() {
            return Err(limited(&standing, Limit::RequestsPerIdentity, "too many requests"));
        }
        Ok(Some(standing))
    }

    /// So many events for a session.
    pub(crate) fn events(&self, path: &str, count: u64) -> Result<(), ApiError> {
        let Some(buckets) = &self.sessions else { return Ok(()) };
        let standing = buckets.take(path.as_bytes(), u32::try_from(count).unwrap_or(u32::MAX));
        if standing.is_over() {
            return Err(limited(&standing, Limit::EventsPerSession, "too many events for this session"));
        }
        Ok(())
    }

    /// One live answer of an identity; `None` when it has none of its own to count.
    pub(crate) fn live(&self, caller: &Identity) -> Result<Option<OpenSlot>, ApiError> {
        if caller.is_superuser() {
            return Ok(None);
        }
        self.live.try_open(&key(caller)).map(Some).ok_or_else(|| {
            ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                Code::TooManyConnections,
                "too many live connections of this identity are open",
            )
            .limit(Limit::SubscribersPerIdentity)
            .retry_after(LIVE_RETRY_SECS)
            .details(json!({ "fallback": "long-poll", "limit": self.live.max() }))
        })
    }
}

/// Projects have their own users.
fn key(caller: &Identity) -> Vec<u8> {
    key_of(caller.project.as_ref().map(ProjectId::as_str), &caller.subject)
}

fn key_of(project: Option<&str>, subject: &str) -> Vec<u8> {
    // Neither has control characters.
    [project.unwrap_or_default().as_bytes(), b"\0", subject.as_bytes()].concat()
}

fn limited(standing: &Standing, limit: Limit, message: &'static str) -> ApiError {
    let retry_secs = u32::try_from(standing.wait_ms.div_ceil(1000)).unwrap_or(u32::MAX);
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited, message)
        .limit(limit)
        .retry_after(retry_secs)
        .details(json!({ "limit": standing.limit, "retryAfterMs": standing.wait_ms }));
    fields(standing).into_iter().fold(error, |error, (name, value)| error.header(name, value))
}

/// `RateLimit-Limit`, `-Remaining` and `-Reset` of an answer.
pub(crate) fn mark(standing: &Standing, headers: &mut HeaderMap) {
    for (name, value) in fields(standing) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn fields(standing: &Standing) -> [(&'static str, HeaderValue); 3] {
    [
        ("ratelimit-limit", HeaderValue::from(standing.limit)),
        ("ratelimit-remaining", HeaderValue::from(standing.remaining)),
        ("ratelimit-reset", HeaderValue::from(standing.reset_ms.div_ceil(1000))),
    ]
}
