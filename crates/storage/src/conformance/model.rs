//! A naive store to compare real ones with: it keeps the list of everything that was ever accepted, copies forks,
//! and finds every answer by looking through the list. Must not share code with what it checks.

use durable_sessions_protocol::{ContentType, Offset, ProducerClaim, StreamPath};

use crate::{Append, AppendError, Appended, Batch, CreateStream, Fork};

/// A JSON stream.
#[derive(Debug, Clone, Default)]
pub struct ModelStream {
    /// Every message, the inherited ones too.
    pub messages: Vec<Vec<u8>>,
    /// Position behind each row, the inherited ones too.
    pub row_ends: Vec<u64>,
    /// The trim point.
    pub first: u64,
    /// Attributes given at creation.
    pub first_attributes: Option<Vec<u8>>,
    created_closed: bool,
    accepted: Vec<Append>,
}

impl ModelStream {
    /// Whether it was created closed or a close was accepted.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.created_closed || self.accepted.iter().any(|append| append.close)
    }

    fn attributes_version(&self) -> u64 {
        let changes = self.accepted.iter().filter(|append| append.attributes.is_some()).count();
        changes as u64 + u64::from(self.first_attributes.is_some())
    }

    /// Version and value of the attributes.
    #[must_use]
    pub fn attributes(&self) -> (u64, Option<Vec<u8>>) {
        let newest = self.accepted.iter().rev().find_map(|append| append.attributes.as_ref());
        let value = newest.map(|change| change.value.to_vec()).or_else(|| self.first_attributes.clone());
        (self.attributes_version(), value)
    }

    fn tail(&self) -> Offset {
        Offset::new(self.messages.len() as u64)
    }

    fn highest(&self, claim: &ProducerClaim) -> Option<&ProducerClaim> {
        let claims = self.accepted.iter().filter_map(|append| append.producer.as_ref());
        claims.filter(|other| other.id == claim.id).max_by_key(|other| (other.epoch, other.seq))
    }

    fn push(&mut self, batch: &Batch) {
        self.messages.extend(batch.messages().map(|message| message.to_vec()));
        self.row_ends.push(self.messages.len() as u64);
    }

    /// One append, as the trait and PROTOCOL.md 5.2 say.
    ///
    /// # Errors
    /// Those of the trait, but for limits and failures.
    pub fn append(&mut self, append: &Append) -> Result<Appended, AppendError> {
        let answer = |stream: &Self, duplicate, claim: Option<&ProducerClaim>| Appended {
            next_offset: stream.tail(),
            closed: stream.closed(),
            duplicate,
            producer: claim.map(|claim| (claim.epoch, claim.seq)),
        };
        if append.batch.is_none() && !append.close && append.attributes.is_none() {
            return Err(AppendError::Empty);
        }
        if self.closed() {
            let closing = self.accepted.iter().find(|append| append.close);
            let retried = !self.created_closed && closing.is_some_and(|it| it.producer == append.producer);
            let only_describes = append.producer.is_none() && append.batch.is_none();
            if retried && append.producer.is_some() {
                return Ok(answer(self, true, append.producer.as_ref()));
            }
            if only_describes && append.attributes.is_none() {
                return Ok(answer(self, false, None));
            }
            if !only_describes {
                return Err(AppendError::Closed { next_offset: self.tail() });
            }
        }
        if let Some(batch) = &append.batch {
            let typed = append.content_type.as_ref().is_none_or(ContentType::is_json);
            if !typed || batch.ends().is_empty() {
                return Err(AppendError::ContentType { expected: ContentType::json() });
            }
        }
        if let Some(claim) = &append.producer {
            match self.highest(claim) {
                Some(highest) if claim.epoch < highest.epoch => {
                    return Err(AppendError::StaleEpoch { current: highest.epoch });
                }
                Some(highest) if claim.epoch > highest.epoch && claim.seq.number() > 0 => {
                    return Err(AppendError::EpochStart);
                }
                Some(highest) if claim.epoch == highest.epoch && claim.seq <= highest.seq => {
                    return Ok(answer(self, true, Some(highest)));
                }
                highest => {
                    let same_epoch = highest.filter(|highest| highest.epoch == claim.epoch);
                    let expected = same_epoch.and_then(|highest| highest.seq.next()).unwrap_or_default();
                    if claim.seq != expected {
                        return Err(AppendError::SequenceGap { expected, received: claim.seq });
                    }
                }
            }
        }
        if let Some(seq) = &append.stream_seq {
            let last = self.accepted.iter().rev().find_map(|append| append.stream_seq.as_ref());
            if last.is_some_and(|last| seq <= last) {
                return Err(AppendError::StreamSeq);
            }
        }
        if let Some(change) = &append.attributes
            && change.expected_version != self.attributes_version()
        {
            return Err(AppendError::AttributesConflict { current: self.attributes_version() });
        }
        if let Some(batch) = &append.batch {
            self.push(batch);
        }
        self.accepted.push(append.clone());
        Ok(answer(self, false, append.producer.as_ref()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existence {
    There,
    Hidden,
    Gone,
}

#[derive(Debug, Clone)]
struct Entry {
    path: StreamPath,
    existence: Existence,
    source: Option<usize>,
    create: CreateStream,
    /// Where a fork's own messages begin.
    branched_at: u64,
    stream: ModelStream,
}

impl Entry {
    /// Whether a fork asked for is the one that this is: in the same words, or by naming the same place.
    fn is_fork(&self, asked: Option<&Fork>) -> bool {
        let (Some(made), Some(asked)) = (&self.create.fork, asked) else {
            return self.create.fork.is_none() && asked.is_none();
        };
        let place = asked.at.and_then(|at| at.position().checked_add(asked.sub_offset));
        made == asked || (made.source == asked.source && place == Some(self.branched_at))
    }
}

/// All streams there ever were. JSON streams without lifetimes only.
#[derive(Debug, Clone, Default)]
pub struct ModelStore {
    entries: Vec<Entry>,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<S> {
    /// A stream.
    There(S),
    /// A deleted stream that has forks.
    Hidden,
    /// Nothing.
    Nothing,
}

impl ModelStore {
    fn index(&self, path: &StreamPath) -> Option<usize> {
        self.entries.iter().position(|entry| entry.path == *path && entry.existence != Existence::Gone)
    }

    /// The stream at a path.
    pub fn find(&mut self, path: &StreamPath) -> Found<&mut ModelStream> {
        match self.index(path) {
            None => Found::Nothing,
            Some(at) if self.entries[at].existence == Existence::Hidden => Found::Hidden,
            Some(at) => Found::There(&mut self.entries[at].stream),
        }
    }

    /// Paths in order.
    #[must_use]
    pub fn paths(&self) -> Vec<StreamPath> {
        let there = self.entries.iter().filter(|entry| entry.existence == Existence::There);
        let mut paths: Vec<_> = there.map(|entry| entry.path.clone()).collect();
        paths.sort();
        paths
    }

    /// Whether a create is accepted, and whether it made a new stream.
    pub fn create(&mut self, path: &StreamPath, create: &CreateStream) -> Option<bool> {
        if let Some(at) = self.index(path) {
            let entry = &self.entries[at];
            let same = entry.existence == Existence::There
                && entry.is_fork(create.fork.as_ref())
                && create.content_type.as_ref().is_none_or(ContentType::is_json)
                && entry.stream.closed() == create.closed;
            return same.then_some(false);
        }
        let (mut stream, source) = match &create.fork {
            None => (ModelStream::default(), None),
            Some(fork) => {
                let source = self.index(&fork.source)?;
                (self.branch(source, fork)?, Some(source))
            }
        };
        let branched_at = stream.messages.len() as u64;
        if let Some(batch) = &create.initial {
            stream.push(batch);
        }
        stream.created_closed = create.closed;
        stream.first_attributes = create.attributes.as_ref().map(|attributes| attributes.to_vec());
        self.entries.push(Entry {
            path: path.clone(),
            existence: Existence::There,
            source,
            create: create.clone(),
            branched_at,
            stream,
        });
        Some(true)
    }

    fn branch(&self, source: usize, fork: &Fork) -> Option<ModelStream> {
        let source = &self.entries[source];
        if source.existence != Existence::There {
            return None;
        }
        let stream = &source.stream;
        let at = fork.at.unwrap_or(stream.tail()).position();
        let row_end = stream.row_ends.iter().copied().find(|&end| end > at).unwrap_or(at);
        let position = at.checked_add(fork.sub_offset)?;
        if at < stream.first || at > stream.tail().position() || (fork.sub_offset > 0 && position > row_end) {
            return None;
        }
        let mut row_ends: Vec<u64> = stream.row_ends.iter().copied().filter(|&end| end < position).collect();
        row_ends.push(position);
        let messages = stream.messages[..usize::try_from(position).ok()?].to_vec();
        Some(ModelStream { messages, row_ends, first: stream.first, ..ModelStream::default() })
    }

    /// The trim point after a trim, if that is accepted.
    pub fn trim(&mut self, path: &StreamPath, before: u64) -> Option<u64> {
        let Found::There(stream) = self.find(path) else { return None };
        if before > stream.tail().position() {
            return None;
        }
        stream.first = stream.first.max(before);
        Some(stream.first)
    }

    /// Whether a delete is accepted.
    pub fn delete(&mut self, path: &StreamPath) -> bool {
        let Some(at) = self.index(path) else { return false };
        if self.entries[at].existence == Existence::Hidden {
            return false;
        }
        self.entries[at].existence = Existence::Hidden;
        // Whatever is hidden and has no fork left goes, until nothing more does.
        while let Some(unused) = (0..self.entries.len()).find(|&at| {
            let has_fork = self
                .entries
                .iter()
                .any(|entry| entry.source == Some(at) && entry.existence != Existence::Gone);
            self.entries[at].existence == Existence::Hidden && !has_fork
        }) {
            self.entries[unused].existence = Existence::Gone;
        }
        true
    }
}
