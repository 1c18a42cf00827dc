//! What cannot be read of the queue is set aside: it would stand in the way of everything behind it. Must not know lanes.

use bytes::Bytes;
use durable_sessions_protocol::ContentType;
use durable_sessions_storage::{Batch, CreateStream};

use super::dead_letter::id_text;
use super::{Opened, Spool};

/// Entries that were set aside are streams below this, as they were found; empty where the disk gave nothing back.
pub(super) const ASIDE: &str = "unreadable/";

impl Spool {
    /// Keeps what is left of an entry elsewhere; `false` when that cannot be done now.
    pub(super) async fn set_aside(
        &self,
        opened: &Opened,
        place: u64,
        found: Option<Bytes>,
        error: &str,
    ) -> bool {
        self.state().unreadable = true;
        tracing::error!(
            error_id = "queued-append-unreadable",
            place,
            error,
            "a queued append cannot be read; what is left of it is kept aside and not delivered"
        );
        let Ok(path) = format!("{ASIDE}{}", id_text(place)).parse() else { return false };
        // What is too long for a batch cannot have been one.
        let initial = found.and_then(|found| Batch::bytes(found).ok());
        let kept = CreateStream { initial, ..CreateStream::of(ContentType::octet_stream()) };
        opened.store.create(&path, kept).await.is_ok()
    }

    /// Whether anything was set aside before.
    pub(super) async fn look_aside(
        &self,
        opened: &Opened,
    ) -> Result<(), durable_sessions_storage::ReadError> {
        let is_any = !opened.store.list(ASIDE, None, 1).await?.is_empty();
        self.state().unreadable |= is_any;
        Ok(())
    }
}
