//! Forward-auth: the application says who a request comes from. Must not know routes.
//!
//! The application is asked with `GET`, the request's `Authorization` and `Cookie`, and `X-Forwarded-Method` and
//! `X-Forwarded-Uri` (the path, without its query, which may hold tokens). 200 with claims as JSON lets in; 401 and 403
//! do not; anything else, and no answer, means that nobody gets in until it answers again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::caller::{Caller, Source};
use super::claims::Claims;
use super::outgoing::Outgoing;
use super::remembered::{Fingerprint, Remembered};

/// Decisions that are kept, twice.
const REMEMBERED_MAX: usize = 10_000;
/// Questions under way at once; one more is refused, not queued.
const CALLS_MAX: usize = 64;

pub(super) struct Forward {
    url: Url,
    keep: Duration,
    outgoing: Outgoing,
    places: Arc<Semaphore>,
    decisions: Remembered<Decision>,
}

/// What the application decided.
#[derive(Debug, Clone)]
pub(super) enum Decision {
    Caller(Caller),
    /// Without credentials it knows.
    Unauthorized,
    /// With them, and yet not.
    Forbidden,
}

/// The application did not decide, so nobody gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the application does not say who this is")]
pub(super) struct Undecided;

impl Forward {
    pub(super) fn new(url: Url, keep: Duration, outgoing: &Outgoing) -> Self {
        Self {
            url,
            keep,
            outgoing: outgoing.clone(),
            places: Arc::new(Semaphore::new(CALLS_MAX)),
            decisions: Remembered::new(REMEMBERED_MAX),
        }
    }

    /// Whether a request has anything that the application could know it by.
    pub(super) fn concerns(headers: &HeaderMap) -> bool {
        headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
    }

    pub(super) async fn decide(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Decision, Undecided> {
        let key = fingerprint(method, path, headers);
        if let Some(decision) = self.decisions.get(&key, Instant::now()) {
            return Ok(decision);
        }
        let decision = self.ask(method, path, headers).await?;
        self.decisions.put(key, decision.clone(), Instant::now(), self.keep);
        Ok(decision)
    }

    async fn ask(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Decision, Undecided> {
        let undecided = |reason: &str| {
            tracing::error!(
                error_id = "forward-auth",
                reason,
                "the application does not decide about callers"
            );
            Undecided
        };
        let Ok(_place) = self.places.try_acquire() else {
            return Err(undecided("too many questions are under way"));
        };
        let question =
            question(method, path, headers).ok_or_else(|| undecided("the path has no header form"))?;
        let (status, body) =
            self.outgoing.get(&self.url, question).await.map_err(|why| undecided(&why.to_string()))?;
        match status {
            StatusCode::OK => {
                let claims: Claims =
                    serde_json::from_slice(&body).map_err(|_| undecided("the answer has no claims"))?;
                let caller = claims.caller(Source::Forwarded).map_err(|why| undecided(&why.to_string()))?;
                Ok(Decision::Caller(caller))
            }
            StatusCode::UNAUTHORIZED => Ok(Decision::Unauthorized),
            StatusCode::FORBIDDEN => Ok(Decision::Forbidden),
            status => Err(undecided(&format!("status {}", status.as_u16()))),
        }
    }
}

fn question(method: &Method, path: &str, headers: &HeaderMap) -> Option<HeaderMap> {
    let mut question = HeaderMap::new();
    for name in [AUTHORIZATION, COOKIE] {
        for value in headers.get_all(&name) {
            question.append(name.clone(), value.clone());
        }
    }
    question
        .insert(HeaderName::from_static("x-forwarded-method"), HeaderValue::from_str(method.as_str()).ok()?);
    question.insert(HeaderName::from_static("x-forwarded-uri"), HeaderValue::from_str(path).ok()?);
    Some(question)
}

fn fingerprint(method: &Method, path: &str, headers: &HeaderMap) -> Fingerprint {
    let mut parts = vec![method.as_str().as_bytes(), path.as_bytes()];
    for (name, tag) in [(AUTHORIZATION, b"a"), (COOKIE, b"c")] {
        for value in headers.get_all(&name) {
            parts.push(tag);
            parts.push(value.as_bytes());
        }
    }
    Fingerprint::of(&parts)
}
