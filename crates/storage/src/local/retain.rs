//! Finds how much of a stream a retention gives up, by looking at rows in bounded steps. Must not change anything.

use std::ops::ControlFlow;

use durable_sessions_protocol::{Offset, Retention, Unit};

use super::read::failed;
use super::stream::Stream;
use crate::engine::{Engine, EngineError, Visit};
use crate::layout::{Row, key_first, read_row, row_key};
use crate::{Batch, ReadError};

/// Rows and bytes of content that one step looks at.
const STEP_ROWS_MAX: usize = 2_048;
const STEP_BYTES_MAX: usize = 16 << 20;

/// What earlier steps found out, so that a look at a stream where nothing is due reads nothing, and each row is
/// counted once.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The trim point that the rest is about.
    first: u64,
    /// When the row at the trim point was appended.
    oldest_at_ms: Option<i64>,
    /// Content bytes from the trim point up to `counted_to`.
    bytes: u64,
    counted_to: u64,
}

/// What a step found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Everything before may go.
    pub(super) before: u64,
    /// The step ended before it had seen everything.
    pub(super) more: bool,
}

/// The published part of a stream that a step is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) next: u64,
}

impl Ledger {
    /// Whether what is known suffices to say that nothing is due, so that nothing needs to be read.
    pub(super) fn is_settled(&self, stream: &Stream, span: Span, keep: &Retention, now_ms: i64) -> bool {
        let is_counted = keep.bytes.is_none() || self.counted_to >= span.next;
        self.first == span.first && is_counted && !self.may_be_due(&Limits::of(stream, span, keep, now_ms))
    }

    /// What of the span `keep` gives up at `now_ms`. Rows below the answer are taken off the ledger, as if they
    /// were gone: when they are not trimmed then, the next step begins with an empty one.
    pub(super) fn due(
        &mut self,
        engine: &dyn Engine,
        stream: &Stream,
        span: Span,
        keep: &Retention,
        now_ms: i64,
    ) -> Result<Due, ReadError> {
        if self.first != span.first {
            *self = Self { first: span.first, counted_to: span.first, ..Self::default() };
        }
        let limits = Limits::of(stream, span, keep, now_ms);
        let by_count = limits.by_count;
        if keep.age_secs.is_none() && keep.bytes.is_none() {
            return Ok(Due { before: by_count, more: false });
        }
        let mut step = Step { rows: STEP_ROWS_MAX, bytes: STEP_BYTES_MAX };
        if keep.bytes.is_some() {
            self.count_bytes(engine, stream, span.next, &mut step)?;
        }
        let uncounted = keep.bytes.is_some() && self.counted_to < span.next;
        if span.first == span.next || !self.may_be_due(&limits) {
            return Ok(Due { before: span.first, more: uncounted });
        }
        let more = self.give_up(engine, stream, span.next, &limits, &mut step)?;
        Ok(Due { before: self.first, more: more || uncounted })
    }

    /// Counts rows that were not counted before.
    fn count_bytes(
        &mut self,
        engine: &dyn Engine,
        stream: &Stream,
        next: u64,
        step: &mut Step,
    ) -> Result<(), ReadError> {
        rows(engine, stream, self.counted_to, next, &mut |first, at_ms, part| {
            if !step.goes_on(part) {
                return ControlFlow::Break(());
            }
            if first == self.first {
                self.oldest_at_ms = Some(at_ms);
            }
            self.bytes += part.body().len() as u64;
            self.counted_to = first + part.units();
            ControlFlow::Continue(())
        })
    }

    fn may_be_due(&self, limits: &Limits) -> bool {
        let by_age = match (limits.appended_until_ms, self.oldest_at_ms) {
            (None, _) => false,
            (Some(until_ms), oldest_at_ms) => oldest_at_ms.is_none_or(|at_ms| at_ms <= until_ms),
        };
        by_age || limits.by_count > self.first || limits.bytes.is_some_and(|bytes| self.bytes > bytes)
    }

    /// Walks from the trim point as far as rows are given up; whether the step ended before that.
    fn give_up(
        &mut self,
        engine: &dyn Engine,
        stream: &Stream,
        next: u64,
        limits: &Limits,
        step: &mut Step,
    ) -> Result<bool, ReadError> {
        let mut more = false;
        rows(engine, stream, self.first, next, &mut |first, at_ms, part| {
            if !step.goes_on(part) {
                more = true;
                return ControlFlow::Break(());
            }
            self.oldest_at_ms = Some(at_ms);
            let len = part.body().len() as u64;
            let is_over = limits.bytes.is_some_and(|bytes| self.bytes >= bytes.saturating_add(len));
            let is_old = limits.appended_until_ms.is_some_and(|until_ms| at_ms <= until_ms);
            let end = first + part.units();
            if is_over || is_old || end <= limits.by_count {
                self.advance(end, len);
                return ControlFlow::Continue(());
            }
            // The count may end within a row.
            if let Some(counted) = part.slice(0, limits.by_count.saturating_sub(first)) {
                self.advance(limits.by_count, counted.body().len() as u64);
                self.oldest_at_ms = Some(at_ms);
            }
            ControlFlow::Break(())
        })?;
        Ok(more)
    }

    fn advance(&mut self, to: u64, len: u64) {
        self.first = to;
        self.oldest_at_ms = None;
        self.bytes = self.bytes.saturating_sub(len);
        self.counted_to = self.counted_to.max(to);
    }
}

struct Limits {
    by_count: u64,
    /// What was appended then or before is too old.
    appended_until_ms: Option<i64>,
    bytes: Option<u64>,
}

impl Limits {
    fn of(stream: &Stream, span: Span, keep: &Retention, now_ms: i64) -> Self {
        let by_count = match (keep.count, stream.content_type.unit()) {
            (Some(count), Unit::Message) => span.next.saturating_sub(count).max(span.first),
            _ => span.first,
        };
        let age_ms = |secs: u64| i64::try_from(secs.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let appended_until_ms = keep.age_secs.map(|secs| now_ms.saturating_sub(age_ms(secs)));
        Self { by_count, appended_until_ms, bytes: keep.bytes }
    }
}

/// What is left of a step.
struct Step {
    rows: usize,
    bytes: usize,
}

impl Step {
    /// The first row always goes, so that every step gets on.
    fn goes_on(&mut self, part: &Batch) -> bool {
        if self.rows == 0 || self.bytes == 0 {
            return false;
        }
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(part.body().len());
        true
    }
}

/// Visits the rows between two positions of a stream, also those of its sources, cut to them: position, time, part.
fn rows(
    engine: &dyn Engine,
    stream: &Stream,
    from: u64,
    to: u64,
    visit: &mut dyn FnMut(u64, i64, &Batch) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut at = from;
    while at < to {
        let (holder, upper) = stream.holder_of(at);
        let upper = upper.min(to);
        let start = at;
        let mut flow = ControlFlow::Continue(());
        let mut each = |key: &[u8], value: &bytes::Bytes| {
            let part = key_first(key).zip(read_row(key, value).ok()).and_then(|(first, row)| {
                let Row { at_ms, batch } = row;
                let end = batch.units().min(upper - first);
                // A row that begins after the wanted position leaves a hole.
                batch.slice(at.checked_sub(first)?, end).map(|part| (at_ms, part))
            });
            let Some((at_ms, part)) = part else { return ControlFlow::Break(()) };
            flow = visit(at, at_ms, &part);
            at += part.units();
            flow
        };
        let unavailable = |error: EngineError| failed(&error, start);
        // Most walks begin where a row does. Only of others the row is looked for that holds their beginning: to look
        // for one costs as much as to read many.
        let mut begins_with_row = false;
        let scan = |from: u64, each: &mut Visit<'_>| {
            engine.scan(&row_key(holder.id, from), &row_key(holder.id, upper), each).map_err(unavailable)
        };
        scan(start, &mut |key, value| {
            begins_with_row |= key_first(key) == Some(start);
            if begins_with_row { each(key, &value) } else { ControlFlow::Break(()) }
        })?;
        if !begins_with_row {
            let containing =
                engine.last(&row_key(holder.id, 0), &row_key(holder.id, start + 1)).map_err(unavailable)?;
            if let Some((key, value)) = containing
                && each(&key, &value).is_continue()
            {
                scan(start + 1, &mut |key, value| each(key, &value))?;
            }
        }
        if flow.is_break() {
            return Ok(());
        }
        if at < upper {
            return Err(ReadError::Damaged { at: Offset::new(at) });
        }
    }
    Ok(())
}
