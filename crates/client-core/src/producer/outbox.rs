//! The messages that are not settled yet, in order and bounded. Must not know requests.

use std::collections::VecDeque;
use std::ops::Range;

use super::Refused;

#[derive(Debug)]
pub(super) struct Outbox {
    messages: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Number of the first message in it.
    first: u64,
    messages_max: usize,
    bytes_max: usize,
}

impl Outbox {
    pub(super) const fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, first: 0, messages_max, bytes_max }
    }

    pub(super) fn add(&mut self, json: &[u8]) -> Result<u64, Refused> {
        // One message always fits, or a bound below its size could never be met.
        let room = self.messages.is_empty()
            || (self.messages.len() < self.messages_max && self.bytes + json.len() <= self.bytes_max);
        if !room {
            return Err(Refused::Full);
        }
        self.bytes += json.len();
        self.messages.push_back(json.into());
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

    /// How many messages the next batch takes.
    pub(super) fn batch_len(&self, messages_max: usize, bytes_max: usize) -> usize {
        let mut bytes = 0;
        let mut len = 0;
        for message in self.messages.iter().take(messages_max.max(1)) {
            // Comma or bracket.
            bytes += message.len() + 1;
            if len > 0 && bytes >= bytes_max {
                break;
            }
            len += 1;
        }
        len
    }

    /// The first `len` messages as one JSON array.
    pub(super) fn array(&self, len: usize) -> Vec<u8> {
        let messages = self.messages.iter().take(len);
        let mut body = Vec::with_capacity(messages.clone().map(|m| m.len() + 1).sum::<usize>() + 1);
        for (i, message) in messages.enumerate() {
            body.push(if i == 0 { b'[' } else { b',' });
            body.extend_from_slice(message);
        }
        body.push(b']');
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
}
