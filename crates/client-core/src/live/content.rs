//! What a live subscription reads: the session events of a JSON stream, or any stream as it is. Must not know modes.

use durable_sessions_protocol::Control;

use crate::{Millis, ResponseHead, Subscription};

/// How bytes become what the application gets. [`Events`](super::Events) and [`Batches`](super::Batches) are the two
/// there are; they feed the subscription machine inside, which keeps the position.
pub trait Content {
    /// Where it is delivered.
    type Sink<'s>: ?Sized;

    /// A new request: nothing is left of the one before.
    fn begin(&mut self);

    /// Whether an answer that is no event stream can be read.
    fn reads(&self, content_type: Option<&str>) -> bool;

    /// The head of an SSE answer as the machine inside is to see it.
    fn sse_head(&mut self, head: ResponseHead) -> ResponseHead;

    /// Takes bytes of an SSE answer.
    fn push(&mut self, inner: &mut Subscription, bytes: &[u8]);

    /// Delivers what is complete of an SSE answer.
    fn drain(&mut self, inner: &mut Subscription, now: Millis, sink: &mut Self::Sink<'_>);

    /// An SSE answer ends here.
    fn end(&mut self, inner: &mut Subscription);

    /// Delivers the whole answer of a poll. `control` says where it ends, `count` how many messages stand before it.
    fn page(&mut self, inner: &mut Subscription, now: Millis, page: Page<'_>, sink: &mut Self::Sink<'_>);
}

/// The answer of a poll.
#[derive(Debug)]
pub struct Page<'a> {
    /// Its body.
    pub body: &'a [u8],
    /// Where it ends, and what is known there.
    pub control: Control,
    /// How many messages stand before its first one.
    pub count: Option<u64>,
}
