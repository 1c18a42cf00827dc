//! What operators ask of a server of ours: its metrics and its dead letters. Needs the administrator's token. Must not know
//! what the numbers mean.

use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Client;
use crate::error::{DeadLetterError, Fault, MetricsError, Unreachable};
use crate::http::{self, Repeat};

const METRICS_BYTES_MAX: usize = 4 << 20;
/// A letter holds an append, which is larger in JSON than it was.
const LETTERS_BYTES_MAX: usize = 64 << 20;

/// Some dead letters, oldest first.
#[derive(Debug, Clone)]
pub struct DeadLetterPage {
    /// Each one as the server tells it, without its payload: `id`, `path`, `reason`, `attempts` and times.
    pub letters: Vec<Map<String, Value>>,
    /// Where the list goes on, if it does.
    pub next: Option<String>,
}

/// How many dead letters something was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// So many.
    pub count: u64,
    /// There are others: one request does not do all of many.
    pub more: bool,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    dead_letters: Vec<Map<String, Value>>,
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(alias = "redriven", alias = "purged")]
    count: u64,
    #[serde(default)]
    more: bool,
}

async fn data<T: for<'de> Deserialize<'de>>(response: Response) -> Result<T, DeadLetterError> {
    let body =
        http::body(response, LETTERS_BYTES_MAX).await.map_err(|cause| Unreachable { attempts: 0, cause })?;
    let answer: Answer<T> = serde_json::from_slice(&body)
        .map_err(|_| Fault::Malformed("this is no answer about dead letters"))?;
    Ok(answer.data)
}

impl Client {
    /// All metrics, in the text format of Prometheus.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub async fn metrics(&self) -> Result<String, MetricsError> {
        let url = self.http.url(["metrics"].into_iter());
        let response = self.http.send(Method::GET, url, Repeat::Yes, |request| request).await?;
        let body = http::body(response, METRICS_BYTES_MAX)
            .await
            .map_err(|cause| Unreachable { attempts: 0, cause })?;
        String::from_utf8(body).map_err(|_| Fault::Malformed("metrics are not text").into())
    }

    /// Dead letters after `after`, oldest first.
    ///
    /// # Errors
    /// [`DeadLetterError`].
    pub async fn dead_letters(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<DeadLetterPage, DeadLetterError> {
        let mut url = self.letters_url(&[]);
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("limit", &limit.to_string());
            if let Some(after) = after {
                query.append_pair("after", after);
            }
        }
        let response = self.http.send(Method::GET, url, Repeat::Yes, |request| request).await?;
        let page: Page = data(response).await?;
        Ok(DeadLetterPage { letters: page.dead_letters, next: page.next_cursor })
    }

    /// One dead letter with its payload.
    ///
    /// # Errors
    /// [`DeadLetterError`].
    pub async fn dead_letter(&self, id: &str) -> Result<Map<String, Value>, DeadLetterError> {
        let url = self.letters_url(&[id]);
        let response = self.http.send(Method::GET, url, Repeat::Yes, |request| request).await?;
        data(response).await
    }

    /// Queues dead letters again: one, or the oldest of all. Repeated, since a letter is one append to its stream
    /// however often it is queued.
    ///
    /// # Errors
    /// [`DeadLetterError`].
    pub async fn redrive_dead_letters(&self, id: Option<&str>) -> Result<Swept, DeadLetterError> {
        let segments: Vec<_> = id.into_iter().chain(["redrive"]).collect();
        self.sweep(Method::POST, &segments).await
    }

    /// Deletes dead letters for good: one, or the oldest of all.
    ///
    /// # Errors
    /// [`DeadLetterError`].
    pub async fn purge_dead_letters(&self, id: Option<&str>) -> Result<Swept, DeadLetterError> {
        let segments: Vec<_> = id.into_iter().collect();
        self.sweep(Method::DELETE, &segments).await
    }

    async fn sweep(&self, method: Method, segments: &[&str]) -> Result<Swept, DeadLetterError> {
        let url = self.letters_url(segments);
        let response = self.http.send(method, url, Repeat::Yes, |request| request).await?;
        let counts: Counts = data(response).await?;
        Ok(Swept { count: counts.count, more: counts.more })
    }

    fn letters_url(&self, segments: &[&str]) -> url::Url {
        self.http.url(["api", "dead-letters"].into_iter().chain(segments.iter().copied()))
    }
}
