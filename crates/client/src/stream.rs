//! Operations on one stream that are one request each: create, look, append, close, delete.

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, OffsetToken, StreamPath, header};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::Client;
use crate::error::{AppendError, CreateError, DeleteError, HeadError};
use crate::http::{self, Repeat};

/// A stream that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// It existed before, configured the same way.
    pub existed: bool,
    /// Its tail.
    pub tail: Option<OffsetToken>,
}

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

/// An acknowledged append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The tail after it.
    pub tail: Option<OffsetToken>,
    /// The stream is closed now.
    pub closed: bool,
}

impl Client {
    /// Creates a JSON stream, or finds it there. Repeated until answered.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create(&self, path: &StreamPath) -> Result<Created, CreateError> {
        let response = self
            .http
            .send(Method::PUT, self.http.stream_url(path, ""), Repeat::Yes, |request| {
                request.header(CONTENT_TYPE, "application/json")
            })
            .await?;
        Ok(Created { existed: response.status() == 200, tail: token(response.headers()) })
    }

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
        let json = json.into();
        let response = self
            .http
            .send(Method::POST, self.http.stream_url(path, ""), Repeat::No, |request| {
                request.header(CONTENT_TYPE, "application/json").body(json.clone())
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
