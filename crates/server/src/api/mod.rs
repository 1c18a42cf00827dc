//! The session API under `/api`: success and failure envelopes, one module per resource. Each handler asks
//! `access::guard` before it says anything about what exists.

mod async_document;
mod backup;
mod credentials;
mod dead_letters;
mod document;
mod envelope;
mod event_source;
mod export;
mod history;
mod members;
mod pages;
mod presence;
mod publish;
mod session_list;
mod session_view;
mod sessions;
mod stream_list;
mod summary;
mod written_form;

pub(crate) use backup::backup;
pub(crate) use credentials::{
    create_cookie, create_key, create_stream_token, delete_cookie, list_keys, revoke_key,
};
pub(crate) use dead_letters::{
    list_dead_letters, purge_dead_letter, purge_dead_letters, redrive_dead_letter, redrive_dead_letters,
    show_dead_letter,
};
#[cfg(test)]
pub(crate) use document::openapi;
pub(crate) use document::routes;
