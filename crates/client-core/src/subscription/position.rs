//! Where reading stands: the cursor, and which messages after it were delivered already. This is the whole of
//! "nothing twice, nothing missing". Must not know frames, connections or events.
//!
//! ```text
//!            cursor (last control event)
//!              v
//!  ---- m1 m2 | m3 m4 m5 m6 m7 ...
//!                    ^     ^
//!                    |     delivered = 6: the last message given to the application, on any connection
//!                    read = 4: the last message that *this* connection has brought
//! ```
//! A connection starts at the cursor, so `read` goes back there while `delivered` stays; messages up to
//! `delivered` are skipped, by count. Numbers are absolute once a server has told one (`streamMessageCount`),
//! until then they count from where reading began.

use durable_sessions_protocol::OffsetToken;

/// Where a subscription starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// At the first message.
    #[default]
    Start,
    /// At the tail: only what is appended from now on.
    Now,
    /// Just after this cursor, which stands behind `count` messages if that is known.
    After {
        /// A cursor of an earlier subscription to the same stream.
        cursor: OffsetToken,
        /// How many messages stand before it.
        count: Option<u64>,
    },
}

/// What to do with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It was delivered before.
    Skip,
    /// It is new, and this is its number: how many messages there are up to and including it.
    Deliver(u64),
}

#[derive(Debug, Clone)]
pub(super) struct Position {
    start: &'static str,
    cursor: Option<OffsetToken>,
    /// Number of the last message before the cursor.
    at_cursor: u64,
    read: u64,
    delivered: u64,
    /// Numbers are counts from the start of the stream.
    exact: bool,
    /// A frame since the last control event could not be counted.
    uncounted: bool,
}

impl Position {
    pub(super) fn new(from: From) -> Self {
        let (start, cursor, count) = match from {
            From::Start => ("-1", None, Some(0)),
            From::Now => ("now", None, None),
            From::After { cursor, count } => ("-1", Some(cursor), count),
        };
        let at = count.unwrap_or_default();
        Self {
            start,
            cursor,
            at_cursor: at,
            read: at,
            delivered: at,
            exact: count.is_some(),
            uncounted: false,
        }
    }

    #[inline]
    pub(super) fn offset(&self) -> &str {
        self.cursor.as_ref().map_or(self.start, OffsetToken::as_str)
    }

    pub(super) const fn cursor(&self) -> Option<&OffsetToken> {
        self.cursor.as_ref()
    }

    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// A new connection reads from the cursor on.
    pub(super) const fn begin_connection(&mut self) {
        self.read = self.at_cursor;
        self.uncounted = false;
    }

    pub(super) const fn message(&mut self) -> Turn {
        self.read += 1;
        if self.read <= self.delivered {
            return Turn::Skip;
        }
        self.delivered = self.read;
        Turn::Deliver(self.read)
    }

    /// A frame held nobody knows how many messages.
    pub(super) const fn uncounted_frame(&mut self) {
        self.uncounted = true;
    }

    /// The connection has reached `cursor`, before which there are `count` messages if the server says so.
    /// Returns how many messages the server counts that never came. `cursor` is exchanged
    /// for the one before, whose memory the next one is read into.
    #[inline]
    pub(super) fn control(&mut self, cursor: &mut Option<OffsetToken>, count: Option<u64>) -> u64 {
        let missing = match count {
            Some(count) => self.stand_at(count),
            None => {
                if self.uncounted {
                    // Whether what was delivered before lies before this cursor cannot be told; servers send a
                    // control event after every data frame, so it does.
                    self.read = self.read.max(self.delivered);
                }
                0
            }
        };
        self.uncounted = false;
        self.at_cursor = self.read;
        core::mem::swap(&mut self.cursor, cursor);
        missing
    }

    /// The server says that exactly `count` messages stand before this point of the connection.
    pub(super) fn stand_at(&mut self, count: u64) -> u64 {
        let mut missing = 0;
        if self.exact && (count >= self.read || self.uncounted) {
            if count > self.delivered {
                // A frame that could not be read has been reported itself.
                missing = if self.uncounted { 0 } else { count - self.delivered };
                self.delivered = count;
            }
        } else {
            // Numbers were relative, or the server renumbers: what is ahead of this connection stays ahead.
            let ahead = if self.uncounted { 0 } else { self.delivered - self.read };
            self.delivered = count.saturating_add(ahead);
        }
        self.exact = true;
        self.read = count;
        missing
    }

    /// The answer to a new request says how many messages stand before its first one.
    pub(super) fn begin_at(&mut self, count: u64) -> u64 {
        let missing = self.stand_at(count);
        self.at_cursor = count;
        missing
    }

    /// History before `first` is gone; `count` messages stand before it if that is known. Returns how many of them
    /// were not delivered.
    pub(super) fn trim(&mut self, first: OffsetToken, count: Option<u64>) -> Option<u64> {
        let missing = match count {
            Some(count) if self.exact => {
                let missing = count.saturating_sub(self.delivered);
                self.delivered = self.delivered.max(count);
                self.at_cursor = count;
                Some(missing)
            }
            Some(count) => {
                (self.at_cursor, self.delivered, self.exact) = (count, count, true);
                None
            }
            None => {
                (self.at_cursor, self.exact) = (self.delivered, false);
                None
            }
        };
        self.cursor = Some(first);
        self.read = self.at_cursor;
        missing
    }

    /// What a frame has to restore when it turns out to be no frame.
    pub(super) const fn mark(&self) -> (u64, u64) {
        (self.read, self.delivered)
    }

    pub(super) const fn restore(&mut self, (read, delivered): (u64, u64)) {
        (self.read, self.delivered) = (read, delivered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> OffsetToken {
        text.parse().unwrap()
    }

    fn read(position: &mut Position, messages: u64) -> Vec<u64> {
        let turns = (0..messages).map(|_| position.message());
        turns.filter_map(|turn| if let Turn::Deliver(n) = turn { Some(n) } else { None }).collect()
    }

    #[test]
    fn after_a_cut_exactly_the_delivered_ones_are_skipped_even_across_control_events() {
        let mut position = Position::new(From::Start);
        assert_eq!(read(&mut position, 5), [1, 2, 3, 4, 5]);
        position.begin_connection();
        // The server frames them differently this time.
        assert!(read(&mut position, 2).is_empty());
        assert_eq!(position.control(&mut Some(token("a")), None), 0);
        assert!(read(&mut position, 2).is_empty());
        position.begin_connection();
        assert_eq!(read(&mut position, 4), [6]);
        assert_eq!(position.delivered(), 6);
    }

    #[test]
    fn relative_numbers_become_absolute_when_the_server_tells() {
        let mut position = Position::new(From::After { cursor: token("c"), count: None });
        assert_eq!(read(&mut position, 2), [1, 2]);
        assert_eq!(position.control(&mut Some(token("d")), Some(102)), 0);
        assert_eq!(read(&mut position, 1), [103]);
        let mut position = Position::new(From::Now);
        assert_eq!(position.begin_at(40), 0);
        assert_eq!(read(&mut position, 1), [41]);
    }

    #[test]
    fn a_frame_that_cannot_be_counted_shifts_nothing() {
        let mut position = Position::new(From::Start);
        assert_eq!(read(&mut position, 5), [1, 2, 3, 4, 5]);
        position.begin_connection();
        position.uncounted_frame();
        assert_eq!(position.control(&mut Some(token("a")), Some(7)), 0);
        assert_eq!(read(&mut position, 1), [8]);
        let mut position = Position::new(From::Start);
        read(&mut position, 5);
        position.begin_connection();
        position.uncounted_frame();
        position.control(&mut Some(token("a")), None);
        assert_eq!(read(&mut position, 1), [6]);
    }

    #[test]
    fn a_gap_is_counted() {
        let mut position = Position::new(From::Start);
        read(&mut position, 2);
        assert_eq!(position.control(&mut Some(token("a")), Some(5)), 3);
        assert_eq!(read(&mut position, 1), [6]);
    }

    #[test]
    fn a_server_that_renumbers_costs_nothing() {
        let mut position = Position::new(From::Start);
        read(&mut position, 4);
        assert_eq!(position.control(&mut Some(token("a")), Some(2)), 0);
        assert_eq!(read(&mut position, 2), [3, 4]);
    }

    #[test]
    fn trimming_tells_what_is_known_to_be_missing() {
        let mut position = Position::new(From::Start);
        read(&mut position, 4);
        assert_eq!(position.trim(token("f"), Some(10)), Some(6));
        position.begin_connection();
        assert_eq!(read(&mut position, 1), [11]);
        assert_eq!(position.trim(token("g"), None), None);
        position.begin_connection();
        assert_eq!(read(&mut position, 1), [12]);
        position.control(&mut Some(token("h")), Some(51));
        assert_eq!(read(&mut position, 1), [52]);
    }
}
