//! The messages that are not settled yet, in order and bounded. Must not know requests.

use std::collections::VecDeque;
use std::ops::Range;

use super::Refused;

/// How messages become the body of one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// Each is one JSON text; a batch is their array (`application/json`, PROTOCOL.md section 9.1.2).
    #[default]
    Json,
    /// Each is a piece of the stream; a batch is the pieces one after another (every other content type).
    Bytes,
}

#[derive(Debug)]
pub(super) struct Outbox {
    framing: Framing,
    messages: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Number of the first message in it.
    first: u64,
    messages_max: usize,
    bytes_max: usize,
}

impl Outbox {
    pub(super) const fn new(framing: Framing, messages_max: usize, bytes_max: usize) -> Self {
        Self { framing, messages: VecDeque::new(), bytes: 0, first: 0, messages_max, bytes_max }
    }

    pub(super) fn add(&mut self, message: &[u8]) -> Result<u64, Refused> {
        // One message always fits, or a bound below its size could never be met.
        let room = self.messages.is_empty()
            || (self.messages.len() < self.messages_max && self.bytes + message.len() <= self.bytes_max);
        if !room {
            return Err(Refused::Full);
        }
        self.bytes += message.len();
        self.messages.push_back(message.into());
        Ok(self.end() - 1)
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// One past the number of the last message ever added.
    pub(super) fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// How many messages a batch takes that begins after the first `skip`.
    pub(super) fn batch_len(&self, skip: usize, messages_max: usize, bytes_max: usize) -> usize {
        let (mut bytes, mut len) = (0, 0);
        for message in self.messages.iter().skip(skip).take(messages_max.max(1)) {
            bytes += message.len() + self.overhead();
            if len > 0 && bytes + self.overhead() > bytes_max {
                break;
            }
            len += 1;
        }
        len
    }

    /// Whether a batch could be made of this message alone.
    pub(super) const fn fits_alone(&self, message: &[u8], bytes_max: usize) -> bool {
        message.len() + 2 * self.overhead() <= bytes_max
    }

    /// The messages at these places as the body of an append.
    pub(super) fn body(&self, places: Range<usize>) -> Vec<u8> {
        let messages = self.messages.range(places);
        let mut body =
            Vec::with_capacity(messages.clone().map(|m| m.len() + self.overhead()).sum::<usize>() + 1);
        match self.framing {
            Framing::Bytes => messages.for_each(|message| body.extend_from_slice(message)),
            Framing::Json => {
                for (i, message) in messages.enumerate() {
                    body.push(if i == 0 { b'[' } else { b',' });
                    body.extend_from_slice(message);
                }
                body.push(b']');
            }
        }
        body
    }

    /// The first `len` messages are settled.
    pub(super) fn settle(&mut self, len: usize) -> Range<u64> {
        let start = self.first;
        for message in self.messages.drain(..len.min(self.messages.len())) {
            self.bytes -= message.len();
            self.first += 1;
        }
        start..self.first
    }

    /// A comma or bracket for each message, and one more bracket.
    const fn overhead(&self) -> usize {
        match self.framing {
            Framing::Json => 1,
            Framing::Bytes => 0,
        }
    }
}
