//! The session API under `/api`: success and failure envelopes, one module per resource.

mod credentials;
mod sessions;

pub(crate) use credentials::{
    create_cookie, create_key, create_stream_token, delete_cookie, list_keys, revoke_key,
};
pub(crate) use sessions::list_sessions;
