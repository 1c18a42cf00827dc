//! Reading what is there, page by page, without following the stream.

use bytes::Bytes;
use durable_sessions_client_core::From;
use durable_sessions_protocol::json::{self, Joined};
use durable_sessions_protocol::{OffsetToken, StreamPath, header};
use durable_sessions_schema::{Event, EventFault};
use reqwest::Method;

use crate::Client;
use crate::error::{Fault, ReadError, Unreachable};
use crate::http::{self, Repeat};
use crate::stream::token;

/// Largest page that is accepted; servers choose their own, far smaller limit.
const PAGE_BYTES_MAX: usize = 256 << 20;

/// Messages as they stand in the stream, and where the next ones begin.
#[derive(Debug, Clone)]
pub struct Page {
    joined: Bytes,
    ends: Vec<u32>,
    /// Where the next page begins.
    pub next: OffsetToken,
    /// Nothing came after this page when it was read.
    pub up_to_date: bool,
    /// The stream is closed and this was its last page.
    pub closed: bool,
}

impl Page {
    /// The JSON texts of the messages.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Bytes> + '_ {
        (0..self.ends.len()).map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] as usize + 1 };
            self.joined.slice(start..self.ends[i] as usize)
        })
    }

    /// The messages as events.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Result<Event, EventFault>> + '_ {
        self.messages().map(|message| Event::from_json(&message))
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
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
        let body =
            http::body(response, PAGE_BYTES_MAX).await.map_err(|cause| Unreachable { attempts: 0, cause })?;
        let mut page = Page { joined: Bytes::new(), ends: Vec::new(), next, up_to_date, closed };
        if !body.is_empty() {
            let messages =
                json::split_messages(&body).map_err(|_| Fault::Malformed("the page is not JSON"))?;
            page.ends = messages.ends;
            page.joined = match messages.joined {
                Joined::Range(range) => Bytes::from(body).slice(range),
                Joined::Rebuilt(copy) => copy.into(),
            };
        }
        Ok(page)
    }
}
