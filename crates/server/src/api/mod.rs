//! The session API under `/api`: success and failure envelopes, one module per resource.

mod backup;
mod dead_letters;
mod sessions;

pub(crate) use backup::backup;
pub(crate) use dead_letters::{
    list_dead_letters, purge_dead_letter, purge_dead_letters, redrive_dead_letter, redrive_dead_letters,
    show_dead_letter,
};
pub(crate) use sessions::list_sessions;
