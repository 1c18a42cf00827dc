//! A request body that tells when it has been taken for writing. Must not know what it holds.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes, and what to call once the connection writes them: by then it is open, and what is sent afterwards follows.
pub(super) struct Announced<F> {
    bytes: Option<Bytes>,
    taken: Option<F>,
}

impl<F: FnOnce()> Announced<F> {
    pub(super) fn new(bytes: Bytes, taken: F) -> Self {
        Self { bytes: Some(bytes), taken: Some(taken) }
    }
}

impl<F: FnOnce() + Unpin> Body for Announced<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(taken) = self.taken.take() {
            taken();
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
