//! A session's events, read page by page. Must not know what is made of them.

use durable_sessions_protocol::{Offset, StreamPath};
use durable_sessions_storage::{Page, ReadError, StreamStore};

use crate::app::App;

/// Everything from one offset up to another, as one reader sees it.
pub(crate) struct Pages {
    path: StreamPath,
    stream_id: u64,
    at: Offset,
    end: Offset,
    bytes_max: usize,
}

impl Pages {
    pub(crate) fn new(app: &App, path: &StreamPath, stream_id: u64, range: (Offset, Offset)) -> Self {
        let (at, end) = range;
        Self { path: path.clone(), stream_id, at, end, bytes_max: app.config.limits.page_bytes_max }
    }

    /// Goes on at a later place: what was before it is there no more.
    pub(crate) fn skip_to(&mut self, first: Offset) {
        self.at = self.at.max(first);
    }

    /// The next page; `None` at the end. What is missing on the way is an error: nothing is left out silently.
    pub(crate) async fn next(&mut self, store: &dyn StreamStore) -> Result<Option<Page>, ReadError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let mut page = store.read(&self.path, self.at, self.bytes_max).await?;
        if page.stream_id != self.stream_id || page.rows.is_empty() {
            return Err(ReadError::NotFound);
        }
        // What came since the end was looked up belongs to the next request.
        let over = page.next.position().saturating_sub(self.end.position());
        cut(&mut page, over);
        self.at = page.next;
        Ok(Some(page))
    }
}

/// Takes units off the end of a page.
fn cut(page: &mut Page, mut over: u64) {
    page.next = Offset::new(page.next.position() - over);
    while over > 0
        && let Some(last) = page.rows.pop()
    {
        let units = last.units();
        if units > over {
            page.rows.extend(last.slice(0, units - over));
            return;
        }
        over -= units;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use durable_sessions_protocol::ContentType;
    use durable_sessions_storage::{Batch, Tail};

    #[test]
    fn a_page_is_cut_inside_a_row() {
        let row = |text: &'static str, ends: &[u32]| {
            Batch::joined_messages(Bytes::from_static(text.as_bytes()), ends.to_vec()).unwrap()
        };
        let whole = || Page {
            rows: vec![row("1,2,3", &[1, 3, 5]), row("4,5", &[1, 3])],
            from: Offset::new(10),
            next: Offset::new(15),
            tail: Tail { next_offset: Offset::new(15), closed: false, deleted: false },
            content_type: ContentType::json(),
            stream_id: 1,
        };
        for over in 0..5 {
            let mut page = whole();
            cut(&mut page, over);
            let left: u64 = page.rows.iter().map(Batch::units).sum();
            assert_eq!((left, page.next.position()), (5 - over, 15 - over));
        }
    }
}
