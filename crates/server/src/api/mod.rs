//! The session API under `/api`: success and failure envelopes, one module per resource.

mod backup;
mod sessions;

pub(crate) use backup::backup;
pub(crate) use sessions::list_sessions;
