//! The streams of a subscription and its cursors: where they begin, when they move, how many there may be. Pure.

use serde::{Deserialize, Serialize};

use super::{Phase, Refusal, Subscription};
use crate::glob::Glob;

/// Cursor of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    #[serde(rename = "a")]
    pub(crate) acked: u64,
    /// Added by name; otherwise the pattern matched.
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) explicit: bool,
    /// Which stream the cursor is of, when there is one: paths can be used again.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) stream_id: Option<u64>,
    /// The wake during which this became the cursor of another stream: what that wake acks is not of this one.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) replaced_in: Option<u64>,
    /// Not stored: the stream knows better.
    #[serde(skip)]
    pub(crate) tail: u64,
}

/// How much one subscription may link. The bytes are those of its stored form, which the store bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) links_max: usize,
    pub(crate) bytes_max: usize,
}

/// What is known about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) stream_id: u64,
    /// First position of its own: a fork's begin at the fork offset.
    pub(crate) start: u64,
    pub(crate) tail: u64,
    pub(crate) created_at_ms: i64,
}

impl Subscription {
    /// What a stream looks like now. `before` is the offset before the append that led here, for streams that
    /// are linked only now. `false` when there is no room to link it.
    pub(crate) fn sighted(
        &mut self,
        path: &str,
        seen: Option<Sighting>,
        before: Option<u64>,
        glob: Option<&Glob>,
        room: Room,
    ) -> bool {
        let Some(seen) = seen else {
            self.vanished(path);
            return true;
        };
        let replaced_in = self.held_generation();
        if let Some(link) = self.links.get_mut(path) {
            if link.stream_id != Some(seen.stream_id) {
                // Another stream than the cursor was of, or the first one: nothing of it is processed.
                link.acked = seen.start;
                link.stream_id = Some(seen.stream_id);
                link.replaced_in = replaced_in;
            }
            link.tail = seen.tail;
            return true;
        }
        if !self.wants(path, glob) {
            return true;
        }
        if self.has_room(path, room).is_err() {
            return false;
        }
        // One that is newer than the subscription is new from its start; of an older one, the past is past.
        let unseen =
            if seen.created_at_ms >= self.created_at_ms { seen.start } else { before.unwrap_or(seen.tail) };
        let (acked, stream_id) = (unseen.min(seen.tail), Some(seen.stream_id));
        self.link(path, Link { acked, explicit: false, stream_id, replaced_in, tail: seen.tail });
        true
    }

    /// Links a stream at its tail. One that is linked keeps its cursor.
    pub(crate) fn link_at_tail(
        &mut self,
        path: &str,
        seen: Option<Sighting>,
        explicit: bool,
        room: Room,
    ) -> Result<(), Refusal> {
        if let Some(link) = self.links.get_mut(path) {
            link.explicit |= explicit;
            return Ok(());
        }
        self.has_room(path, room)?;
        let tail = seen.map_or(0, |seen| seen.tail);
        let stream_id = seen.map(|seen| seen.stream_id);
        self.link(path, Link { acked: tail, explicit, stream_id, replaced_in: self.held_generation(), tail });
        Ok(())
    }

    /// Takes an explicit link back; the pattern's stays.
    pub(crate) fn unlink(&mut self, path: &str, glob: Option<&Glob>) {
        let wanted = self.wants(path, glob);
        if let Some(link) = self.links.get_mut(path) {
            link.explicit = false;
            if !wanted || link.stream_id.is_none() {
                self.links.remove(path);
            }
        }
    }

    /// Whether the pattern takes this stream. Its own wake stream never: every wake would cause the next.
    pub(crate) fn wants(&self, path: &str, glob: Option<&Glob>) -> bool {
        glob.is_some_and(|glob| glob.matches(path)) && self.specification.wake_stream() != Some(path)
    }

    /// Cursors only go forward. A stream that was unlinked in the meantime has none, and one that took the place
    /// of another keeps its own.
    pub(super) fn advance(&mut self, acks: &[(String, u64)]) {
        for (stream, offset) in acks {
            if let Some(link) = self.links.get_mut(stream)
                && link.replaced_in != Some(self.generation)
            {
                link.acked = link.acked.max((*offset).min(link.tail));
            }
        }
    }

    /// The generation whose worker or handler knows the streams of its wake, and no later ones.
    fn held_generation(&self) -> Option<u64> {
        matches!(self.phase, Phase::Held { .. }).then_some(self.generation)
    }

    /// Whether one more stream can be linked.
    fn has_room(&self, path: &str, room: Room) -> Result<(), Refusal> {
        if self.links.len() >= room.links_max {
            return Err(Refusal::TooManyStreams { max: room.links_max });
        }
        // All members of a link with the longest numbers. Escaping makes a path at most twice as long.
        const LINK_BYTES: usize = 96;
        let bytes = |path: &str| path.len() + path.matches(['"', '\\']).count() + LINK_BYTES;
        let links: usize = self.links.keys().map(|path| bytes(path)).sum();
        let asked_for: usize = self.specification.streams.iter().map(|path| bytes(path)).sum();
        if links + asked_for + bytes(path) > room.bytes_max {
            return Err(Refusal::TooManyBytes { max: room.bytes_max });
        }
        Ok(())
    }

    fn link(&mut self, path: &str, link: Link) {
        self.links.insert(path.to_owned(), link);
    }

    /// The stream is gone. A link by name waits for the next stream of this path.
    fn vanished(&mut self, path: &str) {
        let replaced_in = self.held_generation();
        match self.links.get_mut(path) {
            Some(link) if link.explicit => {
                *link = Link { acked: 0, explicit: true, stream_id: None, replaced_in, tail: 0 };
            }
            Some(_) => {
                self.links.remove(path);
            }
            None => {}
        }
    }
}

impl Link {
    pub(crate) fn is_pending(&self) -> bool {
        self.tail > self.acked
    }
}
