//! Finds the streams a pattern matches, as far as who subscribes may read them.

use durable_sessions_protocol::StreamPath;
use durable_sessions_storage::{ReadError, StreamStore};

use super::machine::Sighting;
use super::shared::Sight;
use crate::glob::Glob;
use crate::stream::Target;

/// Streams asked for at a time.
const PAGE: usize = 500;

/// Matching streams in order of path, at most `max`. Streams of the server itself, and those out of sight, are not
/// among them.
pub(crate) async fn matching(
    store: &dyn StreamStore,
    glob: &Glob,
    max: usize,
    sight: &Sight,
) -> Result<Vec<(String, Sighting)>, ReadError> {
    let prefix = glob.literal_prefix();
    let mut found = Vec::new();
    let mut after: Option<StreamPath> = None;
    loop {
        let page = store.list(prefix, after.as_ref(), PAGE).await?;
        let last = page.last().map(|(path, _)| path.clone());
        let is_last = page.len() < PAGE;
        for (path, head) in &page {
            if glob.matches(path.as_str())
                && Target::of_path(path.as_str()).is_ok()
                && sight.shows(path, head)
            {
                found.push((path.as_str().to_owned(), Sighting::of(head)));
                if found.len() >= max {
                    return Ok(found);
                }
            }
        }
        if is_last {
            return Ok(found);
        }
        after = last;
    }
}
