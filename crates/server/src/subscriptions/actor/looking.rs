//! How a subscription learns of appends: it looks at the streams its inbox names.

use std::time::Duration;

use durable_sessions_protocol::StreamPath;
use durable_sessions_storage::ReadError;
use tokio::time::Instant;

use super::Actor;
use crate::subscriptions::inbox::Changed;
use crate::subscriptions::listing;
use crate::subscriptions::machine::Sighting;
use crate::subscriptions::shared::{Shared, Sight};

/// A full subscription is not searched more often: it means one look at each of its streams.
const SEARCH_INTERVAL: Duration = Duration::from_secs(60);

/// A stream as it is now, if it is, and the offset before the append that led to it.
type Seen = (String, Option<Sighting>, Option<u64>);

impl Actor {
    /// Looks at the streams that may have changed.
    pub(super) async fn look(&mut self) {
        let changed = self.handle.inbox.take();
        if changed.is_empty() {
            return;
        }
        let all = changed.all;
        let seen = match self.see(changed).await {
            Ok(seen) => seen,
            Err(error) => return self.pause_after(&error.into()),
        };
        let (handle, room) = (self.handle.clone(), self.shared.room);
        let mut full = false;
        let merged = self.change(|state, _| {
            for (path, sighting, before) in &seen {
                full |= !state.sighted(path, *sighting, *before, handle.glob.as_ref(), room);
            }
            Ok(())
        });
        if let Err(error) = merged.await {
            self.pause_after(&error);
            if !all {
                for (path, _, before) in seen {
                    self.handle.inbox.put(&path, before);
                }
            } else {
                self.handle.inbox.put_all();
            }
        }
        if full {
            self.make_room();
        }
    }

    /// Streams that expired, which nobody tells about, leave their links behind: looking at all of them drops
    /// those, and finds what there was no room for.
    fn make_room(&mut self) {
        if self.searched_at.is_some_and(|at| at.elapsed() < SEARCH_INTERVAL) {
            return;
        }
        self.searched_at = Some(Instant::now());
        self.handle.inbox.put_all();
        tracing::warn!(
            error_id = "subscription-links-full",
            subscription = self.state.id,
            links = self.state.links.len(),
            "the subscription links as many streams as it may; others are not followed"
        );
    }

    /// The streams that may have changed as they are now.
    async fn see(&self, changed: Changed) -> Result<Vec<Seen>, ReadError> {
        if changed.all {
            // What could not be looked at is looked at again.
            return self.see_all().await.inspect_err(|_| self.handle.inbox.put_all());
        }
        let mut seen = Vec::new();
        let mut streams = changed.streams.into_iter();
        while let Some((path, before)) = streams.next() {
            match sight(&self.shared, &self.handle.sight, &path).await {
                Ok(sighting) => seen.push((path, sighting, before)),
                Err(error) => {
                    self.handle.inbox.put(&path, before);
                    seen.into_iter().for_each(|(path, _, before)| self.handle.inbox.put(&path, before));
                    streams.for_each(|(path, before)| self.handle.inbox.put(&path, before));
                    return Err(error);
                }
            }
        }
        Ok(seen)
    }

    /// Every linked stream, and every one the pattern matches.
    async fn see_all(&self) -> Result<Vec<Seen>, ReadError> {
        let mut seen = Vec::new();
        for path in self.state.links.keys() {
            seen.push((path.clone(), sight(&self.shared, &self.handle.sight, path).await?, None));
        }
        if let Some(glob) = &self.handle.glob {
            let max = self.shared.room.links_max + 1;
            let matching = listing::matching(&*self.shared.store, glob, max, &self.handle.sight).await?;
            let new = matching.into_iter().filter(|(path, _)| !self.state.links.contains_key(path));
            seen.extend(new.map(|(path, sighting)| (path, Some(sighting), None)));
        }
        Ok(seen)
    }
}

/// A stream as it is now; `None` when there is none, or none that may be seen.
pub(crate) async fn sight(shared: &Shared, sight: &Sight, path: &str) -> Result<Option<Sighting>, ReadError> {
    let Ok(path) = path.parse::<StreamPath>() else { return Ok(None) };
    match shared.store.head(&path).await {
        Ok(head) => Ok(sight.shows(&path, &head).then(|| Sighting::of(&head))),
        Err(ReadError::NotFound | ReadError::Gone) => Ok(None),
        Err(error) => Err(error),
    }
}
