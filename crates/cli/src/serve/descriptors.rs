//! How many descriptors the process may have open: one for each connection. Must not know what they are used for.

use durable_sessions_server::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a server has open beside its connections: the store's files, listeners, outgoing requests.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, and says so where that is not enough for all connections that may be open.
///
/// Systems start processes with 1,024 because `select` knows no more; nothing here uses it.
pub(super) fn raise(limits: &Limits) {
    let needed = needed(limits);
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => found.maximum,
        Err(error) => {
            tracing::warn!(error_id = "descriptors-not-raised", %error, "the limit of open files stays as it was");
            found.current
        }
    };
    match limit {
        Some(limit) if limit < needed => tracing::warn!(
            error_id = "descriptors-few",
            limit,
            needed,
            connections_max = limits.connections_max,
            sse_subscribers_max = limits.sse_subscribers_max,
            "fewer files may be open than connections are allowed: raise the hard limit, or lower --connections-max"
        ),
        limit => tracing::info!(limit, needed, "open files"),
    }
}

fn needed(limits: &Limits) -> u64 {
    limits.connections_max as u64 + OTHERS
}
