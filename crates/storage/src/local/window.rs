//! Recent rows of streams in memory, bounded over all streams. Must not know engines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lock;
use super::read::PageBuilder;
use super::stream::{Live, Stream};
use crate::Batch;

/// The newest rows of one stream, without gaps up to its tail.
#[derive(Default)]
pub(super) struct Window {
    rows: VecDeque<(u64, Batch)>,
    bytes: usize,
}

impl Window {
    /// Adds rows to the page, when `page.next` is in the window.
    pub(super) fn collect(&self, page: &mut PageBuilder, to: u64) -> bool {
        let start = self.rows.partition_point(|(first, _)| *first <= page.next());
        let Some(start) = start.checked_sub(1) else { return false };
        for (first, batch) in self.rows.range(start..) {
            if page.push(*first, batch, to).is_break() {
                break;
            }
        }
        true
    }
}

/// Which streams have windows, and how much they take together. Owned by the committer, so no lock guards it.
///
/// Eviction is a clock: a stream that was used since the hand last passed is spared once.
pub(super) struct Windows {
    hand: VecDeque<Arc<Stream>>,
    /// So many at the hand, about, are of streams that are gone.
    gone: usize,
    bytes: usize,
    bytes_max: usize,
    stream_bytes_max: usize,
}

impl Windows {
    pub(super) fn new(bytes_max: usize, stream_bytes_max: usize) -> Self {
        Self {
            hand: VecDeque::new(),
            gone: 0,
            bytes: 0,
            bytes_max,
            stream_bytes_max: stream_bytes_max.min(bytes_max),
        }
    }

    /// Adds the newest row of a stream whose `live` is locked, when somebody follows it or has read it lately. A
    /// window for every stream that is written to would cost each append a copy, and the cold memory of another
    /// stream's rows that have to go for it.
    pub(super) fn push(&mut self, stream: &Arc<Stream>, live: &mut Live, first: u64, batch: &Batch) {
        let is_read =
            live.window.is_some() || live.watch.is_some() || stream.window_used.load(Ordering::Relaxed);
        if !is_read {
            return;
        }
        let added = batch.footprint();
        if added > self.stream_bytes_max {
            // A window has no gaps, so one without its newest row is none.
            self.drop_window(live);
            return;
        }
        let window = live.window.get_or_insert_with(|| {
            self.hand.push_back(Arc::clone(stream));
            Box::default()
        });
        window.rows.push_back((first, batch.detached()));
        window.bytes += added;
        self.bytes += added;
        while window.bytes > self.stream_bytes_max {
            let Some((_, oldest)) = window.rows.pop_front() else { break };
            window.bytes -= oldest.footprint();
            self.bytes -= oldest.footprint();
        }
    }

    /// Lets go of the rows of which nothing is left: nobody reads them any more, and a stream that is trimmed all the time would
    /// fill its window with them.
    pub(super) fn trim(&mut self, live: &mut Live, below: u64) {
        let next = live.next;
        let Some(window) = &mut live.window else { return };
        while window.rows.get(1).map_or(next, |(first, _)| *first) <= below {
            let Some((_, row)) = window.rows.pop_front() else { break };
            window.bytes -= row.footprint();
            self.bytes -= row.footprint();
        }
    }

    /// Its entry at the hand goes when the hand comes to it.
    fn drop_window(&mut self, live: &mut Live) {
        if let Some(window) = &mut live.window {
            self.bytes -= window.bytes;
            // Kept empty rather than removed: the stream stands at the hand once at most.
            **window = Window::default();
        }
    }

    /// The stream is gone, and gets no window any more. The hand lets go of it later, with others.
    pub(super) fn forget(&mut self, live: &mut Live) {
        if let Some(window) = live.window.take() {
            self.bytes -= window.bytes;
            self.gone += 1;
        }
    }

    /// Evicts until the bound holds. No stream may be locked.
    pub(super) fn shrink(&mut self) {
        // The hand moves only when there is too much. Without this, streams that are gone would stay for ever.
        if self.gone > self.hand.len() / 2 {
            self.hand.retain(|stream| lock(&stream.live).window.is_some());
            self.gone = 0;
        }
        while self.bytes > self.bytes_max {
            let Some(stream) = self.hand.pop_front() else { break };
            if stream.window_used.swap(false, Ordering::Relaxed) {
                self.hand.push_back(stream);
                continue;
            }
            if let Some(window) = lock(&stream.live).window.take() {
                self.bytes -= window.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifetime;
    use crate::local::stream::Origin;
    use crate::semantics::StreamState;
    use bytes::Bytes;
    use durable_sessions_protocol::ContentType;

    fn stream(id: u64) -> Arc<Stream> {
        let origin = Origin {
            id,
            path: format!("s{id}").parse().unwrap(),
            created_at_ms: 0,
            accessed_at_ms: 0,
            updated_at_ms: 0,
            lifetime: Lifetime::Unlimited,
            lifetime_inherited: false,
            retention: durable_sessions_protocol::Retention::NONE,
            retention_inherited: false,
            parent: None,
            attributes: None,
        };
        Arc::new(Stream::new(origin, StreamState::new(ContentType::json(), 0)))
    }

    fn push(windows: &mut Windows, stream: &Arc<Stream>, first: u64, len: usize) {
        let batch = Batch::message(Bytes::from(vec![b'1'; len])).unwrap();
        stream.window_used.store(true, Ordering::Relaxed);
        windows.push(stream, &mut lock(&stream.live), first, &batch);
        windows.shrink();
    }

    fn starts_at(stream: &Stream, from: u64) -> bool {
        let live = lock(&stream.live);
        live.window.as_ref().is_some_and(|window| window.collect(&mut PageBuilder::new(from, 1), u64::MAX))
    }

    #[test]
    fn windows_are_bounded_and_used_ones_stay() {
        let mut windows = Windows::new(10_000, 3_000);
        let streams: Vec<_> = (0..50).map(stream).collect();
        for round in 0..20 {
            for stream in &streams {
                push(&mut windows, stream, round, 400);
                // Somebody reads the first one all the time.
                streams[0].window_used.store(true, Ordering::Relaxed);
                assert!(windows.bytes <= 10_000);
                assert!(windows.hand.len() <= 50);
            }
        }
        assert!(starts_at(&streams[0], 19) && starts_at(&streams[0], 15));
        assert!(!starts_at(&streams[0], 5), "one stream has its own bound");
        let held = streams.iter().filter(|stream| starts_at(stream, 19)).count();
        assert!((5..30).contains(&held), "{held}");
        let exact: usize =
            streams.iter().filter_map(|s| lock(&s.live).window.as_ref().map(|w| w.bytes)).sum();
        assert_eq!(windows.bytes, exact);
    }

    #[test]
    fn streams_that_are_gone_are_not_kept() {
        let mut windows = Windows::new(1_000_000, 3_000);
        let streams: Vec<_> = (0..100).map(stream).collect();
        for stream in &streams {
            push(&mut windows, stream, 0, 100);
        }
        for (n, stream) in streams.iter().enumerate().filter(|(n, _)| n % 10 != 0) {
            windows.forget(&mut lock(&stream.live));
            windows.shrink();
            let gone = n - n / 10;
            assert!(windows.hand.len() <= 2 * (100 - gone) + 1, "{gone}: {}", windows.hand.len());
        }
        let kept = streams.iter().filter(|stream| Arc::strong_count(stream) > 1).count();
        assert!((10..=20).contains(&kept), "{kept}");
        for stream in &streams {
            assert_eq!(starts_at(stream, 0), stream.id % 10 == 0);
        }
        // Those that are left are evicted as ever.
        windows.bytes_max = 0;
        windows.shrink();
        assert!(windows.bytes == 0 && windows.hand.len() <= 1);
    }

    #[test]
    fn rows_of_which_nothing_is_left_are_let_go_of() {
        let mut windows = Windows::new(100_000, 50_000);
        let stream = stream(1);
        let trim = |windows: &mut Windows, below| windows.trim(&mut lock(&stream.live), below);
        let three = Batch::joined_messages(Bytes::from_static(b"1,2,3"), vec![1, 3, 5]).unwrap();
        let row = three.footprint();
        stream.window_used.store(true, Ordering::Relaxed);
        for n in 0..10 {
            let mut live = lock(&stream.live);
            windows.push(&stream, &mut live, 3 * n, &three);
            live.next = 3 * n + 3;
        }
        trim(&mut windows, 0);
        trim(&mut windows, 2);
        assert!(starts_at(&stream, 0) && windows.bytes == 10 * row);
        trim(&mut windows, 7);
        assert!(!starts_at(&stream, 5) && starts_at(&stream, 7) && windows.bytes == 8 * row);
        trim(&mut windows, 30);
        assert!(!starts_at(&stream, 29) && windows.bytes == 0);
        push(&mut windows, &stream, 30, 400);
        assert!(starts_at(&stream, 30) && windows.hand.len() == 1);
    }

    #[test]
    fn a_row_larger_than_a_window_leaves_none() {
        let mut windows = Windows::new(10_000, 3_000);
        let stream = stream(1);
        push(&mut windows, &stream, 0, 100);
        push(&mut windows, &stream, 1, 5_000);
        assert!(!starts_at(&stream, 0) && windows.bytes == 0);
        push(&mut windows, &stream, 2, 100);
        assert!(starts_at(&stream, 2) && !starts_at(&stream, 1));
        assert_eq!(windows.hand.len(), 1);
    }

    #[test]
    fn a_stream_that_nobody_reads_has_no_window() {
        let mut windows = Windows::new(10_000, 3_000);
        let (read, other) = (stream(1), stream(2));
        let row = Batch::message(Bytes::from_static(b"1")).unwrap();
        let add = |windows: &mut Windows, stream: &Arc<Stream>, first| {
            windows.push(stream, &mut lock(&stream.live), first, &row);
        };
        add(&mut windows, &read, 0);
        assert!(windows.hand.is_empty() && windows.bytes == 0);
        read.window_used.store(true, Ordering::Relaxed);
        let watch = lock(&other.live).subscribe();
        for stream in [&read, &other] {
            add(&mut windows, stream, 1);
            assert!(!starts_at(stream, 0) && starts_at(stream, 1));
        }
        // Read once, it has one until its turn comes; followed, it gets one again.
        windows.bytes_max = 0;
        windows.shrink();
        windows.bytes_max = 10_000;
        for stream in [&read, &other] {
            add(&mut windows, stream, 2);
        }
        assert!(!starts_at(&read, 2) && starts_at(&other, 2));
        drop(watch);
    }
}
