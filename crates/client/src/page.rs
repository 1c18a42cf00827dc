//! Reading what is there, page by page, without following the stream.

use bytes::Bytes;
use durable_sessions_client_core::From;
use durable_sessions_protocol::json::{self, Joined};
use durable_sessions_protocol::{ContentType, OffsetToken, StreamPath, header};
use durable_sessions_schema::{Event, EventFault};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::Client;
use crate::error::{Fault, ReadError, Unreachable};
use crate::http::{self, Repeat};
use crate::stream::token;

/// Largest page that is accepted; servers choose their own, far smaller limit.
const PAGE_BYTES_MAX: usize = 256 << 20;

/// A part of a stream as it stands there, and where the next one begins.
#[derive(Debug, Clone)]
pub struct Page {
    content: Content,
    /// Where the next page begins.
    pub next: OffsetToken,
    /// Nothing came after this page when it was read.
    pub up_to_date: bool,
    /// The stream is closed and this was its last page.
    pub closed: bool,
}

/// What a page holds.
#[derive(Debug, Clone)]
enum Content {
    /// Messages of a JSON stream, joined by one byte each, and where each ends.
    Json { joined: Bytes, ends: Vec<u32> },
    /// Bytes of any other stream.
    Bytes(Bytes),
}

/// A JSON stream's page was not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotJson;

impl Page {
    /// A page that holds nothing yet.
    pub(crate) fn at(next: OffsetToken, up_to_date: bool, closed: bool) -> Self {
        Self { content: Content::Bytes(Bytes::new()), next, up_to_date, closed }
    }

    pub(crate) fn with_bytes(mut self, bytes: Bytes) -> Self {
        self.content = Content::Bytes(bytes);
        self
    }

    pub(crate) fn with_messages(mut self, joined: Bytes, ends: Vec<u32>) -> Self {
        self.content = Content::Json { joined, ends };
        self
    }

    /// The array of messages as servers send it; nothing at all is no message.
    fn with_json(self, body: Bytes) -> Result<Self, NotJson> {
        if body.is_empty() {
            return Ok(self.with_messages(body, Vec::new()));
        }
        let messages = json::split_messages(&body).map_err(|_| NotJson)?;
        let joined = match messages.joined {
            Joined::Range(range) => body.slice(range),
            Joined::Rebuilt(copy) => copy.into(),
        };
        Ok(self.with_messages(joined, messages.ends))
    }

    /// The JSON texts of the messages; none where the stream is not JSON.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Bytes> + '_ {
        let (joined, ends): (&Bytes, &[u32]) = match &self.content {
            Content::Json { joined, ends } => (joined, ends),
            Content::Bytes(bytes) => (bytes, &[]),
        };
        (0..ends.len()).map(move |i| {
            let start = if i == 0 { 0 } else { ends[i - 1] as usize + 1 };
            joined.slice(start..ends[i] as usize)
        })
    }

    /// The messages as events.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Result<Event, EventFault>> + '_ {
        self.messages().map(|message| Event::from_json(&message))
    }

    /// The bytes of a stream that is not JSON. Pages joined are the stream, byte for byte; a character of text may be cut
    /// by their ends.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Json { .. } => None,
            Content::Bytes(bytes) => Some(bytes),
        }
    }

    /// How many messages there are, or how many bytes where the stream is not JSON.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Json { ends, .. } => ends.len(),
            Content::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Client {
    /// Reads one page. Start with [`From::Start`] and go on with [`Page::next`] until
    /// [`up_to_date`](Page::up_to_date).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, path: &StreamPath, from: &From) -> Result<Page, ReadError> {
        let offset = match from {
            From::Start => "-1",
            From::Now => "now",
            From::After { cursor, .. } => cursor.as_str(),
        };
        let mut url = self.http.stream_url(path, "");
        url.query_pairs_mut().append_pair(header::QUERY_OFFSET, offset);
        let response = self.http.send(Method::GET, url, Repeat::Yes, |request| request).await?;
        let headers = response.headers();
        let next = token(headers).ok_or(Fault::Malformed("no Stream-Next-Offset"))?;
        let closed = http::is_true(headers, header::STREAM_CLOSED);
        let up_to_date = closed || http::is_true(headers, header::STREAM_UP_TO_DATE);
        let content_type =
            http::header(headers, CONTENT_TYPE.as_str()).and_then(|value| value.parse::<ContentType>().ok());
        let body =
            http::body(response, PAGE_BYTES_MAX).await.map_err(|cause| Unreachable { attempts: 0, cause })?;
        let page = Page::at(next, up_to_date, closed);
        if content_type.is_some_and(|content_type| content_type.is_json()) {
            Ok(page.with_json(body.into()).map_err(|NotJson| Fault::Malformed("the page is not JSON"))?)
        } else {
            Ok(page.with_bytes(body.into()))
        }
    }
}
