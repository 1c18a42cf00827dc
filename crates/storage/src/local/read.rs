//! Pages from windows and from the engine, across forks. Must not know the writer.

use std::ops::ControlFlow;

use durable_sessions_protocol::Offset;

use super::lock;
use super::stream::Stream;
use crate::engine::{EngineError, Entries};
use crate::layout::{key_first, read_row, row_key};
use crate::{Batch, ReadError};

/// Rows of one page as they come.
#[derive(Clone)]
pub(super) struct PageBuilder {
    rows: Vec<Batch>,
    next: u64,
    bytes_left: usize,
    full: bool,
}

impl PageBuilder {
    pub(super) fn new(from: u64, bytes_max: usize) -> Self {
        Self { rows: Vec::new(), next: from, bytes_left: bytes_max, full: false }
    }

    /// The position that is wanted next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn rows(self) -> (Vec<Batch>, u64) {
        (self.rows, self.next)
    }

    /// Adds what of a row lies between the wanted position and `to`, as far as it fits. `Break` when the page
    /// is full, or `to` reached. The row must not start after the wanted position.
    pub(super) fn push(&mut self, first: u64, batch: &Batch, to: u64) -> ControlFlow<()> {
        let start = self.next - first;
        let end = batch.units().min(to.saturating_sub(first));
        let Some(mut part) = batch.slice(start, end) else {
            return if end < batch.units() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        };
        if part.body().len() > self.bytes_left {
            self.full = true;
            if !self.rows.is_empty() {
                return ControlFlow::Break(());
            }
            match part.slice(0, part.units_within(0, self.bytes_left)) {
                Some(fitting) => part = fitting,
                None => return ControlFlow::Break(()),
            }
        }
        self.bytes_left = self.bytes_left.saturating_sub(part.body().len());
        self.full |= self.bytes_left == 0;
        self.next += part.units();
        self.rows.push(part);
        if self.full || self.next >= to { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn wants_more(&self, to: u64) -> bool {
        !self.full && self.next < to
    }
}

/// Fills the page from `stream` and its sources up to `to`, an offset that was its tail.
pub(super) fn fill(
    engine: &dyn Entries,
    stream: &Stream,
    page: &mut PageBuilder,
    to: u64,
) -> Result<(), ReadError> {
    while page.wants_more(to) {
        let (holder, upper) = stream.holder_of(page.next());
        let upper = upper.min(to);
        let in_window = lock(&holder.live).window.as_ref().is_some_and(|window| window.collect(page, upper));
        if in_window {
            continue;
        }
        match scan_rows(engine, holder.id, page, upper) {
            Ok(()) => {}
            // What was read before the damage is good; the next read starts at it.
            Err(ReadError::Damaged { .. }) if !page.rows.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads rows of one stream's own from the engine, from the row that holds the wanted position on.
fn scan_rows(engine: &dyn Entries, id: u64, page: &mut PageBuilder, to: u64) -> Result<(), ReadError> {
    let damaged_at = |position| ReadError::Damaged { at: Offset::new(position) };
    let start = page.next();
    let containing =
        engine.last(&row_key(id, 0), &row_key(id, start + 1)).map_err(|error| failed(&error, start))?;
    let Some((key, value)) = containing else { return Err(damaged_at(start)) };
    let mut expected = key_first(&key).ok_or(damaged_at(start))?;
    let mut damaged = None;
    let mut row = |key: &[u8], value: &bytes::Bytes, page: &mut PageBuilder| {
        let Some((first, row)) = key_first(key).zip(read_row(key, value).ok()) else {
            damaged = Some(page.next());
            return ControlFlow::Break(());
        };
        if first != expected {
            damaged = Some(page.next());
            return ControlFlow::Break(());
        }
        expected = first + row.batch.units();
        page.push(first, &row.batch, to)
    };
    let mut flow = row(&key, &value, page);
    if flow.is_continue() {
        let scanned = engine.scan(&row_key(id, start + 1), &row_key(id, to), &mut |key, value| {
            flow = row(key, &value, page);
            flow
        });
        scanned.map_err(|error| failed(&error, page.next()))?;
    }
    match damaged {
        Some(position) => Err(damaged_at(position)),
        // The scan ran out of rows before `to`: one is missing.
        None if flow.is_continue() && page.next() < to => Err(damaged_at(page.next())),
        None => Ok(()),
    }
}

/// What a read at a position is answered when the engine fails.
pub(super) fn failed(error: &EngineError, position: u64) -> ReadError {
    match error {
        EngineError::Damaged(reason) => {
            tracing::error!(id = "STORE-READ-DAMAGED", reason, position, "stored rows cannot be read");
            ReadError::Damaged { at: Offset::new(position) }
        }
        EngineError::Failed(_) | EngineError::Full(_) => ReadError::Unavailable(error.to_string()),
    }
}

/// Where the row that holds `position` ends, as `stream` sees it; `tail` at its tail.
pub(super) fn row_end(
    engine: &dyn Entries,
    stream: &Stream,
    position: u64,
    tail: u64,
) -> Result<u64, ReadError> {
    if position >= tail {
        return Ok(tail);
    }
    let (holder, upper) = stream.holder_of(position);
    let damaged = ReadError::Damaged { at: Offset::new(position) };
    let containing = engine
        .last(&row_key(holder.id, 0), &row_key(holder.id, position + 1))
        .map_err(|error| failed(&error, position))?;
    let Some((key, value)) = containing else { return Err(damaged) };
    let (Some(first), Ok(row)) = (key_first(&key), read_row(&key, &value)) else { return Err(damaged) };
    Ok((first + row.batch.units()).min(upper))
}
