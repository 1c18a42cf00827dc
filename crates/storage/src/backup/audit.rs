//! Whether everything a store holds fits together: entries go in, in order of keys; problems come out. Must not know
//! engines or files.
//!
//! A row's key says where it begins, and its content how many positions it has: so each row names the one before it,
//! and whatever is missing in between shows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use bytes::Bytes;

use super::INNER_DIR;
use crate::layout::{
    FORMAT, KEY_FORMAT, KEY_NEXT_ID, StreamRecord, TAG_ATTRIBUTES, TAG_DELETED, TAG_PRODUCER, TAG_ROW,
    TAG_STREAM, key_first, key_id, read_attributes, read_producer, read_row,
};

/// Problems that are told one by one; more are counted.
const PROBLEMS_MAX: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Streams, hidden ones included.
    pub streams: u64,
    /// Rows: what one append carried each.
    pub rows: u64,
    /// Messages, and bytes of streams that have no messages.
    pub units: u64,
    /// Producers whose state is remembered.
    pub producers: u64,
    /// Rows of the store within, where there is one; none of the other numbers has them.
    pub inner_rows: Option<u64>,
    /// Bytes of the file, or of keys and values.
    pub bytes: u64,
    /// When a backup was begun, in Unix milliseconds.
    pub taken_at_ms: Option<i64>,
    /// What is wrong; the first hundred.
    pub problems: Vec<Problem>,
    /// How much is wrong.
    pub problem_count: u64,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stream it is about, if that is known.
    pub stream: Option<String>,
    /// What is wrong, with positions.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stream {
            Some(stream) => write!(f, "stream {stream}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What is known of a stream while its rows come.
struct Known {
    record: StreamRecord,
    /// First position of its own.
    base: u64,
    /// Where its first row begins, and its last one ends.
    rows: Option<(u64, u64)>,
    forks: u32,
}

impl Report {
    /// With what was found in the store within.
    pub(super) fn with_inner(mut self, inner: Option<Self>) -> Self {
        let Some(inner) = inner else { return self };
        self.inner_rows = Some(inner.rows);
        self.problem_count += inner.problem_count;
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        self.problems.extend(inner.problems.into_iter().take(room).map(|problem| Problem {
            stream: Some(match problem.stream {
                Some(stream) => format!("{INNER_DIR}/{stream}"),
                None => INNER_DIR.to_owned(),
            }),
            ..problem
        }));
        self
    }
}

#[derive(Default)]
pub(super) struct Audit {
    report: Report,
    streams: BTreeMap<u64, Known>,
    deleted: HashSet<u64>,
    attributes: Vec<u64>,
    /// Streams without record of which something was found, once each.
    unknown: HashSet<u64>,
    next_id: u64,
    has_format: bool,
    last_key: Vec<u8>,
    entry_bytes: u64,
}

impl Audit {
    fn problem(&mut self, id: Option<u64>, what: impl Into<String>) {
        self.report.problem_count += 1;
        if self.report.problems.len() < PROBLEMS_MAX {
            let stream = id.map(|id| match self.streams.get(&id) {
                Some(known) => known.record.path.to_string(),
                None => format!("number {id}"),
            });
            self.report.problems.push(Problem { stream, what: what.into() });
        }
    }

    /// Something behind an entry cannot be read: of this stream, behind this position.
    pub(super) fn unreadable(&mut self, behind: Option<(u64, u64)>, reason: &str) {
        match behind {
            Some((id, position)) => {
                self.problem(
                    Some(id),
                    format!("what is behind position {position} cannot be read: {reason}"),
                );
            }
            None => self.problem(None, format!("something cannot be read: {reason}")),
        }
    }

    /// Takes the next entry.
    pub(super) fn entry(&mut self, key: &[u8], value: &Bytes) {
        self.entry_bytes += (key.len() + value.len()) as u64;
        if !self.last_key.is_empty() && *key <= *self.last_key {
            self.problem(None, "the entries are not in order");
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        match (key, key.first()) {
            (KEY_FORMAT, _) => {
                self.has_format = true;
                if **value != FORMAT.to_le_bytes()[..] {
                    self.problem(None, format!("the format is not {FORMAT}"));
                }
            }
            (KEY_NEXT_ID, _) => match value[..].try_into() {
                Ok(number) => self.next_id = u64::from_le_bytes(number),
                Err(_) => self.problem(None, "the number of the next stream cannot be read"),
            },
            (_, Some(&tag)) => match key_id(key) {
                Some(id) => self.of_stream(tag, id, key, value),
                None => self.problem(None, format!("a key of kind {tag} cannot be read")),
            },
            (_, None) => self.problem(None, "a key is empty"),
        }
    }

    fn of_stream(&mut self, tag: u8, id: u64, key: &[u8], value: &Bytes) {
        match tag {
            TAG_ATTRIBUTES => match read_attributes(key, value) {
                Ok(_) => self.attributes.push(id),
                Err(_) => self.problem(Some(id), "the attributes are damaged"),
            },
            TAG_DELETED => drop(self.deleted.insert(id)),
            TAG_STREAM => match StreamRecord::read(key, value) {
                Ok(record) => {
                    self.report.streams += 1;
                    let base = record.fork.as_ref().map_or(0, |fork| fork.position);
                    self.streams.insert(id, Known { record, base, rows: None, forks: 0 });
                }
                Err(_) => self.problem(Some(id), "the record is damaged"),
            },
            TAG_PRODUCER => {
                self.report.producers += 1;
                if read_producer(key, value).is_err() {
                    self.problem(Some(id), "the state of a producer is damaged");
                }
                self.expect_stream(id, "a producer");
            }
            TAG_ROW => self.row(id, key, value),
            _ => self.problem(None, format!("a key of the unknown kind {tag}")),
        }
    }

    fn expect_stream(&mut self, id: u64, what: &str) {
        let is_known = self.streams.contains_key(&id) || self.deleted.contains(&id);
        if !is_known && self.unknown.insert(id) {
            self.problem(Some(id), format!("there is {what}, and no record"));
        }
    }

    fn row(&mut self, id: u64, key: &[u8], value: &Bytes) {
        self.report.rows += 1;
        self.expect_stream(id, "a row");
        let Some(first) = key_first(key) else {
            return self.problem(Some(id), "the key of a row is damaged");
        };
        let units = match read_row(key, value) {
            Ok(row) => row.batch.units(),
            Err(_) => {
                self.problem(Some(id), format!("the row at position {first} is damaged"));
                // Counted as one, so that what is missing behind it shows.
                1
            }
        };
        self.report.units += units;
        let Some(known) = self.streams.get_mut(&id) else { return };
        let retained = known.record.first.max(known.base);
        let end = first.saturating_add(units);
        let expected = match known.rows {
            // Of what was trimmed, rows may still be there.
            None => first.clamp(known.base, retained.max(known.base)),
            Some((_, end)) => end,
        };
        known.rows = Some((known.rows.map_or(first, |(start, _)| start), end));
        if first > expected {
            self.problem(Some(id), format!("positions {expected} to {} are missing", first - 1));
        } else if first < expected {
            self.problem(Some(id), format!("position {first} is there twice, or before the stream begins"));
        }
    }

    /// What is known when everything was seen.
    pub(super) fn finish(mut self) -> Report {
        if !self.has_format {
            self.problem(None, "the format is missing");
        }
        let last = self.streams.keys().copied().chain(self.deleted.iter().copied()).max();
        if last.is_some_and(|last| last >= self.next_id) {
            self.problem(None, "the number of the next stream is taken");
        }
        for id in std::mem::take(&mut self.attributes) {
            self.expect_stream(id, "attributes");
        }
        self.paths();
        self.forks();
        self.report.bytes = self.entry_bytes;
        self.report
    }

    fn paths(&mut self) {
        let mut seen: HashMap<String, u64> = HashMap::new();
        let mut doubled = Vec::new();
        for (id, known) in &self.streams {
            if seen.insert(known.record.path.to_string(), *id).is_some() {
                doubled.push(*id);
            }
        }
        for id in doubled {
            self.problem(Some(id), "two streams have this path");
        }
    }

    fn forks(&mut self) {
        let forks: Vec<(u64, u64, u64)> = self
            .streams
            .iter()
            .filter_map(|(id, known)| {
                let fork = known.record.fork.as_ref()?;
                Some((*id, fork.source_id, known.record.first))
            })
            .collect();
        for (id, source, first) in forks {
            match self.streams.get_mut(&source) {
                Some(known) => known.forks += 1,
                None => self.problem(Some(id), format!("its source, number {source}, is not there")),
            }
            if let Some(missing) = self.inherited_hole(id, first) {
                self.problem(Some(id), format!("positions from {missing} on are missing in its source"));
            }
        }
        let wrong: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, known)| known.record.references != known.forks)
            .map(|(id, known)| (*id, known.record.references, known.forks))
            .collect();
        for (id, references, forks) in wrong {
            self.problem(Some(id), format!("it counts {references} forks, and there are {forks}"));
        }
    }

    /// The first position from `first` on that a fork reads of its sources and that none of them has.
    fn inherited_hole(&self, id: u64, first: u64) -> Option<u64> {
        let mut below = self.streams.get(&id)?;
        let mut upper = below.base;
        // A chain that is longer than there are streams goes round.
        for _ in 0..self.streams.len() {
            if first >= upper {
                return None;
            }
            let source = self.streams.get(&below.record.fork.as_ref()?.source_id)?;
            let from = first.max(source.base);
            if from < upper {
                let (start, end) = source.rows.unwrap_or((upper, upper));
                if start > from {
                    return Some(from);
                }
                if end < upper {
                    return Some(end);
                }
            }
            upper = upper.min(source.base);
            below = source;
        }
        None
    }
}
