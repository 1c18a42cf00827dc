//! Requests and answers: addresses, tokens, repetition. Must not know what is asked for.

use std::time::{Duration, SystemTime};

use durable_sessions_client_core::{Backoff, LiveConfig, ReconnectConfig, retry_after_ms};
use durable_sessions_protocol::StreamPath;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use url::Url;

use crate::error::{Fault, Refusal, Unreachable};
use crate::token::TokenSource;

/// So much of an error's body is read.
const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
/// So much of a message without structure is kept.
const ERROR_TEXT_CHARS_MAX: usize = 500;

#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) engine: reqwest::Client,
    pub(crate) base: Url,
    /// The path below which streams are, in segments.
    pub(crate) stream_root: Vec<String>,
    pub(crate) token: Option<TokenSource>,
    pub(crate) headers: Vec<(HeaderName, TokenSource)>,
    pub(crate) retry: ReconnectConfig,
    pub(crate) reconnect: ReconnectConfig,
    pub(crate) request_timeout: Duration,
    pub(crate) silence: Duration,
    pub(crate) frame_bytes_max: usize,
    pub(crate) live: LiveConfig,
}

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice is doing it once.
    Yes,
    /// It might count twice.
    No,
}

impl Http {
    pub(crate) fn stream_url(&self, path: &StreamPath, query: &str) -> Url {
        let root = self.stream_root.iter().map(String::as_str);
        let mut url = self.url(root.chain(path.as_str().split('/')));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        url
    }

    pub(crate) fn url<'a>(&self, segments: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        // An http URL always has a path, so this is never left out.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The request with its bearer token and whatever other headers are asked for anew each time.
    pub(crate) async fn authorised(
        &self,
        method: Method,
        url: Url,
        fresh: bool,
    ) -> Result<RequestBuilder, String> {
        let mut request = self.engine.request(method, url);
        if let Some(source) = &self.token {
            let token = source.token(fresh).await.map_err(|failure| format!("no token: {failure}"))?;
            request = request.bearer_auth(token.expose());
        }
        for (name, source) in &self.headers {
            let value = source.token(fresh).await.map_err(|failure| format!("no {name}: {failure}"))?;
            let mut value =
                HeaderValue::from_str(value.expose()).map_err(|_| format!("{name}: not a header value"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok(request)
    }

    /// Whether asking for credentials once more could change anything.
    fn may_ask_again(&self) -> bool {
        self.token.is_some() || !self.headers.is_empty()
    }

    /// Sends until there is an answer that repetition would not change. `dress` adds headers and a body.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        repeat: Repeat,
        dress: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        let mut backoff = Backoff::new(self.retry, seed());
        let (mut fresh, mut asked_again) = (false, false);
        loop {
            let refused = std::mem::take(&mut fresh);
            let (fault, wait_ms) = match self.try_once(method.clone(), url.clone(), refused, &dress).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) if response.status() == 401 && !asked_again && self.may_ask_again() => {
                    (fresh, asked_again) = (true, true);
                    continue;
                }
                Ok(response) => {
                    let wait_ms = retry_after(response.headers());
                    let refusal = refusal(response).await;
                    // 429 says that nothing was done; a 503 may stand for a commit of which nobody knows how it ended.
                    let safe = repeat == Repeat::Yes || refusal.status == 429;
                    if !refusal.is_retryable() || !safe {
                        return Err(Fault::Refused(refusal));
                    }
                    (Fault::Refused(refusal), wait_ms)
                }
                Err(cause) => (Fault::Unreachable(Unreachable { attempts: backoff.attempts(), cause }), None),
            };
            if repeat == Repeat::No && matches!(fault, Fault::Unreachable(_)) {
                return Err(fault);
            }
            let Some(delay_ms) = backoff.next_delay_ms(wait_ms) else { return Err(fault) };
            tracing::debug!(
                id = "client.retry",
                delay_ms,
                attempt = backoff.attempts(),
                "repeating a request"
            );
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }

    async fn try_once(
        &self,
        method: Method,
        url: Url,
        fresh: bool,
        dress: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, String> {
        let request = self.authorised(method, url, fresh).await?;
        dress(request.timeout(self.request_timeout)).send().await.map_err(|error| describe(&error))
    }
}

/// A seed for jitter; where the system has no randomness, the address space has a little.
pub(crate) fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| std::ptr::from_ref(&ERROR_TEXT_CHARS_MAX).addr() as u64)
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    header(headers, name).and_then(|value| value.parse().ok())
}

pub(crate) fn is_true(headers: &HeaderMap, name: &str) -> bool {
    header(headers, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Milliseconds that the server asks to wait: seconds, or the time until an HTTP date by this machine's clock. A date in
/// the past is no wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let value = header(headers, RETRY_AFTER.as_str())?;
    retry_after_ms(value).or_else(|| {
        let at = httpdate::parse_http_date(value.trim()).ok()?;
        let wait = at.duration_since(SystemTime::now()).unwrap_or_default();
        Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    })
}

/// An error with its causes, which is where reqwest keeps the interesting part. URLs are left out: they may hold
/// what applications put into them.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut text = match () {
        () if error.is_timeout() => "timed out".to_owned(),
        () if error.is_connect() => "could not connect".to_owned(),
        () if error.is_body() || error.is_decode() => "the answer broke off".to_owned(),
        () => "the request failed".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The body, up to a limit.
pub(crate) async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(format!("the answer is larger than {bytes_max} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What an answer that is no success says.
pub(crate) struct Said {
    pub(crate) refusal: Refusal,
    /// It names long-poll as what to do instead.
    pub(crate) offers_long_poll: bool,
}

/// What the server said, whoever wrote it.
pub(crate) async fn refusal(response: Response) -> Refusal {
    said(response).await.refusal
}

/// `{ok: false, error: {code, message, details}}`, `{error: ...}`, or plain text.
pub(crate) async fn said(response: Response) -> Said {
    let status = response.status().as_u16();
    let body = body(response, ERROR_BODY_BYTES_MAX).await.unwrap_or_default();
    let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let field = |name: &str| {
        let json = json.as_ref()?;
        json.get("error").and_then(|error| error.get(name)).or_else(|| json.get(name))
    };
    let words = |name: &str| field(name)?.as_str().map(str::to_owned);
    // Some servers say it in the place of the object.
    let error = || json.as_ref()?.get("error")?.as_str().map(str::to_owned);
    let text = || {
        let text = String::from_utf8_lossy(&body);
        let text: String = text.trim().chars().take(ERROR_TEXT_CHARS_MAX).collect();
        (json.is_none() && !text.is_empty()).then_some(text)
    };
    let fallback = field("details").and_then(|details| details.get("fallback"));
    Said {
        refusal: Refusal {
            status,
            code: words("code"),
            message: words("message").or_else(error).or_else(text),
        },
        offers_long_poll: fallback.and_then(serde_json::Value::as_str) == Some("long-poll"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_to_wait(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn a_pause_is_given_in_seconds_or_until_a_date() {
        assert_eq!(asked_to_wait("7"), Some(7000));
        let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        // Dates have whole seconds, and the test takes its time.
        assert!(asked_to_wait(&in_an_hour).is_some_and(|ms| (3_500_000..=3_600_000).contains(&ms)));
        assert_eq!(asked_to_wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(asked_to_wait("Sunday, 06-Nov-94 08:49:37 GMT"), Some(0));
        assert_eq!(asked_to_wait("soon"), None);
        assert_eq!(asked_to_wait("-1"), None);
    }
}
