//! The session API under `/api`: success and failure envelopes, one module per resource.

mod sessions;

pub(crate) use sessions::list_sessions;
