//! Which queued entries are delivered in one append: those of a coalescing session whose events may be joined, as many as
//! wait. Must not know how they are delivered.
//!
//! A group is written under the claim of its last entry. What was in the queue when the process began is delivered one by
//! one: the last process may have written any of it, in groups that nobody remembers, and a single entry is recognised as
//! its own or, by a later epoch, as part of a group that was written. A second attempt is of the same entries as the first,
//! for the same reason, or of each by itself.

use durable_sessions_protocol::StreamPath;

use super::Opened;
use super::entry::{Entry, QueuedAppend, Unreadable};
use super::lanes::Failures;
use super::opened::Unread;
use crate::app::App;
use crate::coalesce;

/// Entries of one group.
const LEN_MAX: usize = 256;
/// Bytes of one group, as they are spooled; the entry that passes it is the last.
const BYTES_MAX: usize = 256 << 10;

/// Entries in order, with their places; never empty.
pub(super) struct Group {
    pub(super) entries: Vec<(u64, Entry)>,
}

impl Group {
    /// The group that begins with the first entry of a lane.
    pub(super) async fn gather(
        app: &App,
        opened: &Opened,
        path: &StreamPath,
        place: u64,
        failures: Failures,
    ) -> Result<Self, Unread> {
        let first = opened.read(place).await?;
        let again = failures.count > 0;
        let more = {
            let state = app.spool.state();
            let may_group =
                first.may_group() && place >= state.loaded_to && coalesce::window_of(app, path).is_some();
            let max = match again {
                true => failures.together.saturating_sub(1),
                false if may_group => LEN_MAX - 1,
                false => 0,
            };
            state.following(path, place, max)
        };
        let mut bytes = first.len();
        let mut entries = vec![(place, first)];
        for place in more {
            let entry = match opened.read(place).await {
                Ok(entry) => entry,
                Err(Unread::Now(error)) => return Err(Unread::Now(error)),
                // It is dealt with when it is the first one.
                Err(Unread::Ever(..)) => break,
            };
            let is_alike =
                |first: &Entry| entry.stream_id == first.stream_id && entry.generation == first.generation;
            let fits = bytes < BYTES_MAX && entry.may_group() && is_alike(&entries[0].1);
            if !again && !fits {
                break;
            }
            bytes += entry.len();
            entries.push((place, entry));
        }
        Ok(Self { entries })
    }

    /// The place whose claim is made for all.
    pub(super) fn last(&self) -> u64 {
        self.entries.last().map_or(0, |(place, _)| *place)
    }

    /// All of it as one append.
    pub(super) fn append(&self) -> Result<QueuedAppend, Unreadable> {
        let mut appends = self.entries.iter().map(|(_, entry)| entry.append());
        let mut all = appends.next().ok_or(Unreadable("empty"))??;
        for append in appends {
            all.push(append?)?;
        }
        Ok(all)
    }
}

impl Entry {
    fn may_group(&self) -> bool {
        self.may_join && self.producer.is_none() && self.origin.is_none()
    }
}
