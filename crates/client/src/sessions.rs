//! The list of sessions, which servers of the session API have. Must not know their events.

use std::fmt;

use durable_sessions_schema::{SessionId, SessionStatus};
use reqwest::Method;
use serde::{Deserialize, Deserializer};

use crate::Client;
use crate::error::{Fault, ListError, Unreachable};
use crate::http::{self, Repeat};

const LIST_BYTES_MAX: usize = 16 << 20;

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Continues a list: [`SessionPage::next`].
    pub cursor: Option<String>,
    /// How many at most; the server has its own limit.
    pub limit: Option<u32>,
}

/// Some sessions, the newest first.
#[derive(Debug, Clone)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionSummary>,
    /// Where the list goes on, if it does.
    pub next: Option<String>,
}

/// One session in a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSummary {
    /// Names the session.
    pub id: SessionId,
    /// Where it stands.
    #[serde(default)]
    pub status: Option<ListedStatus>,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Whatever else the server tells.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Where a session in a list stands. A newer server may have words that this version does not know; they are kept, so that
/// one such session does not hide all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedStatus {
    /// One of the schema's.
    Known(SessionStatus),
    /// Another word.
    Other(String),
}

impl ListedStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(status) => status.as_str(),
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for ListedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ListedStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(word.parse().map_or_else(|_| Self::Other(word), Self::Known))
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    #[serde(rename_all = "camelCase")]
    Page {
        sessions: Vec<SessionSummary>,
        #[serde(default)]
        next_cursor: Option<String>,
    },
    All(Vec<SessionSummary>),
}

impl Client {
    /// Lists the sessions that the caller may read.
    ///
    /// # Errors
    /// [`ListError`]; of it [`ListError::NoList`] when the server speaks the Durable Streams protocol only, which has no
    /// list of streams.
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage, ListError> {
        let mut url = self.http.url(["api", "sessions"].into_iter());
        {
            let mut query = url.query_pairs_mut();
            if let Some(cursor) = &filter.cursor {
                query.append_pair("after", cursor);
            }
            if let Some(limit) = filter.limit {
                query.append_pair("limit", &limit.to_string());
            }
        }
        let response = self.http.send(Method::GET, url, Repeat::Yes, |request| request).await?;
        let body =
            http::body(response, LIST_BYTES_MAX).await.map_err(|cause| Unreachable { attempts: 0, cause })?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| Fault::Malformed("this is no list of sessions"))?;
        Ok(match answer.data {
            Data::Page { sessions, next_cursor } => SessionPage { sessions, next: next_cursor },
            Data::All(sessions) => SessionPage { sessions, next: None },
        })
    }
}
