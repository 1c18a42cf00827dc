//! Creating streams, new ones and forks. Must not know what is read from them.

use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, OffsetToken, StreamPath, header};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::Client;
use crate::error::CreateError;
use crate::http::{self, Repeat};
use crate::stream::token;

/// A stream that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// It existed before, configured the same way.
    pub existed: bool,
    /// Its tail.
    pub tail: Option<OffsetToken>,
}

/// How a stream is to be, PROTOCOL.md section 5.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateOptions {
    /// What it holds; JSON unless given, and of a fork what its source holds.
    pub content_type: Option<ContentType>,
    /// How long it lives; for ever unless given, and of a fork as long as its source would.
    pub lifetime: Option<Lifetime>,
    /// What it begins with, framed as its content type has it.
    pub content: Bytes,
    /// It is closed from the beginning: `content` is all of it.
    pub closed: bool,
    /// It continues another stream.
    pub fork: Option<Fork>,
}

/// How long a stream lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifetime {
    /// So long after it was last read or written, in whole seconds (a part of one counts as one).
    Idle(Duration),
    /// Until a time, as RFC 3339 writes it.
    Until(String),
}

/// Where a fork begins, PROTOCOL.md section 4.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The stream that it continues; of the same server.
    pub source: StreamPath,
    /// Up to where it shares its source.
    pub at: ForkPoint,
    /// So many messages more (bytes, where the stream is not JSON), which the cursors around them do not separate.
    pub sub_offset: u64,
}

/// Up to where a fork shares its source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForkPoint {
    /// Everything that it holds when the fork is created.
    #[default]
    Tail,
    /// Nothing, or as much as the sub-offset says. The protocol asks for an offset that the server gave, which this is not:
    /// ours takes it, another server may refuse (400).
    Start,
    /// Up to this cursor of the source.
    At(OffsetToken),
}

impl Client {
    /// Creates a JSON stream, or finds it there. Repeated until answered.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create(&self, path: &StreamPath) -> Result<Created, CreateError> {
        self.create_with(path, &CreateOptions::default()).await
    }

    /// Creates a stream that continues another one from some point of its history. What is appended to either afterwards is
    /// not in the other. Repeated until answered.
    ///
    /// # Errors
    /// [`CreateError`]; of it [`CreateError::NotFound`] when there is no such source.
    pub async fn fork(&self, path: &StreamPath, fork: Fork) -> Result<Created, CreateError> {
        self.create_with(path, &CreateOptions { fork: Some(fork), ..CreateOptions::default() }).await
    }

    /// Creates a stream, or finds it there with the same options. Repeated until answered.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create_with(
        &self,
        path: &StreamPath,
        options: &CreateOptions,
    ) -> Result<Created, CreateError> {
        let CreateOptions { content_type, lifetime, content, closed, fork } = options;
        let (tail, inherited) = match fork {
            Some(fork) => self.source(&fork.source).await?,
            None => (None, Some(ContentType::json())),
        };
        let content_type = content_type.as_ref().or(inherited.as_ref());
        let url = self.http.stream_url(path, "");
        let response = self
            .http
            .send(Method::PUT, url, Repeat::Yes, |mut request| {
                if let Some(content_type) = content_type {
                    request = request.header(CONTENT_TYPE, content_type.as_str());
                }
                request = match lifetime {
                    None => request,
                    Some(Lifetime::Idle(ttl)) => {
                        let started = u64::from(ttl.subsec_nanos() > 0);
                        request.header(header::STREAM_TTL, ttl.as_secs().saturating_add(started))
                    }
                    Some(Lifetime::Until(at)) => request.header(header::STREAM_EXPIRES_AT, at),
                };
                if *closed {
                    request = request.header(header::STREAM_CLOSED, "true");
                }
                if let Some(fork) = fork {
                    // The path of its URL, as the protocol has it: the stream root is a part of it.
                    let source = self.http.stream_url(&fork.source, "");
                    request = request.header(header::STREAM_FORKED_FROM, source.path());
                    request = match (&fork.at, &tail) {
                        (ForkPoint::Tail, None) => request,
                        (ForkPoint::Start, _) => request.header(header::STREAM_FORK_OFFSET, "-1"),
                        (ForkPoint::At(at), _) | (ForkPoint::Tail, Some(at)) => {
                            request.header(header::STREAM_FORK_OFFSET, at.as_str())
                        }
                    };
                    if fork.sub_offset > 0 {
                        request = request.header(header::STREAM_FORK_SUB_OFFSET, fork.sub_offset);
                    }
                }
                if content.is_empty() { request } else { request.body(content.clone()) }
            })
            .await?;
        Ok(Created { existed: response.status() == 200, tail: token(response.headers()) })
    }

    /// Where the source of a fork ends now, and what it holds. Both are left to the server by the protocol, but then a
    /// repeated request asks for another fork when the source has grown meanwhile, and some servers do not know their own
    /// fork again when no type is given.
    async fn source(
        &self,
        path: &StreamPath,
    ) -> Result<(Option<OffsetToken>, Option<ContentType>), CreateError> {
        let url = self.http.stream_url(path, "");
        let response = self.http.send(Method::HEAD, url, Repeat::Yes, |request| request).await?;
        let headers = response.headers();
        let content_type = http::header(headers, CONTENT_TYPE.as_str()).and_then(|value| value.parse().ok());
        Ok((token(headers), content_type))
    }
}
