//! Operations on one stream that are one request each: look, append, close, delete.

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, OffsetToken, StreamPath, header};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::Client;
use crate::error::{AppendError, DeleteError, HeadError};
use crate::http::{self, Repeat};

/// The state of a stream.
#[derive(Debug, Clone)]
pub struct StreamHead {
    /// Its content type.
    pub content_type: Option<ContentType>,
    /// Its tail: what is appended next comes after it.
    pub tail: Option<OffsetToken>,
    /// How many messages it holds, if the server tells.
    pub message_count: Option<u64>,
    /// Whether it is closed.
    pub closed: bool,
}

/// How to append, PROTOCOL.md section 5.2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppendOptions {
    /// The stream's content type; JSON unless given.
    pub content_type: Option<ContentType>,
    /// The stream is closed with this.
    pub close: bool,
    /// `Stream-Seq`: refused (409) unless byte-wise greater than that of every append before.
    pub sequence: Option<String>,
}

/// An acknowledged append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The tail after it.
    pub tail: Option<OffsetToken>,
    /// The stream is closed now.
    pub closed: bool,
}

impl Client {
    /// Looks at a stream.
    ///
    /// # Errors
    /// [`HeadError`].
    pub async fn head(&self, path: &StreamPath) -> Result<StreamHead, HeadError> {
        let url = self.http.stream_url(path, "");
        let response = self.http.send(Method::HEAD, url, Repeat::Yes, |request| request).await?;
        let headers = response.headers();
        Ok(StreamHead {
            content_type: http::header(headers, CONTENT_TYPE.as_str()).and_then(|value| value.parse().ok()),
            tail: token(headers),
            message_count: http::number(headers, header::STREAM_MESSAGE_COUNT),
            closed: http::is_true(headers, header::STREAM_CLOSED),
        })
    }

    /// Appends one JSON message, or an array of messages, in one request that is sent at most once (again only after a
    /// 429, which says that nothing was done). To survive lost answers, use a [`producer`](Self::producer).
    ///
    /// # Errors
    /// [`AppendError`]; after [`AppendError::Unreachable`] and after a status from 500 on the messages may be there all
    /// the same.
    pub async fn append(&self, path: &StreamPath, json: impl Into<Bytes>) -> Result<Appended, AppendError> {
        self.append_with(path, json, &AppendOptions::default()).await
    }

    /// Appends to a stream of any content type, and closes it with that if wanted. Sent at most once, as
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_with(
        &self,
        path: &StreamPath,
        content: impl Into<Bytes>,
        options: &AppendOptions,
    ) -> Result<Appended, AppendError> {
        let content = content.into();
        let json = ContentType::json();
        let content_type = options.content_type.as_ref().unwrap_or(&json);
        let response = self
            .http
            .send(Method::POST, self.http.stream_url(path, ""), Repeat::No, |mut request| {
                if let Some(sequence) = &options.sequence {
                    request = request.header(header::STREAM_SEQ, sequence);
                }
                if options.close {
                    request = request.header(header::STREAM_CLOSED, "true");
                }
                request.header(CONTENT_TYPE, content_type.as_str()).body(content.clone())
            })
            .await?;
        Ok(appended(response.headers()))
    }

    /// Closes a stream: nothing can be appended any more, readers learn that this is the end. Repeated until answered.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn close(&self, path: &StreamPath) -> Result<Appended, AppendError> {
        let response = self
            .http
            .send(Method::POST, self.http.stream_url(path, ""), Repeat::Yes, |request| {
                request.header(header::STREAM_CLOSED, "true")
            })
            .await?;
        Ok(appended(response.headers()))
    }

    /// Deletes a stream. Repeated until answered, so [`DeleteError::NotFound`] may mean that an earlier request, whose
    /// answer was lost, has deleted it.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete(&self, path: &StreamPath) -> Result<(), DeleteError> {
        let url = self.http.stream_url(path, "");
        self.http.send(Method::DELETE, url, Repeat::Yes, |request| request).await?;
        Ok(())
    }
}

fn appended(headers: &HeaderMap) -> Appended {
    Appended { tail: token(headers), closed: http::is_true(headers, header::STREAM_CLOSED) }
}

pub(crate) fn token(headers: &HeaderMap) -> Option<OffsetToken> {
    http::header(headers, header::STREAM_NEXT_OFFSET).and_then(|token| token.parse().ok())
}
