//! Sessions: what each of them is, kept in the attributes of its stream. Must not know routes.
//!
//! ```text
//!   PUT /v1/stream/sessions/{id} ─┐            ┌─> store: events, closure and row in one append
//!   POST /api/sessions            ├─> change ──┤
//!   appends, close, delete, fork ─┘            └─> directory: the list, rebuilt from the store at start
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `row` | a session's own attributes and how they change; pure |
//! | `content` | a body of events, checked against the schema in one pass |
//! | `change` | creation, appends, status, closure, deletion |
//! | `directory` | the list: newest first, filtered, page by page |
//! | `event_ids` | which event ids were written lately |
//! | `publish` | events whose ids count once; the turn of those that are not queued |
//! | `fresh_id` | ids that the server makes |
//!
//! The row is versioned and changes by compare-and-append, so that it never disagrees with the stream; the directory
//! is a projection that nothing depends on being complete.

mod change;
mod content;
mod directory;
mod event_ids;
mod fresh_id;
mod publish;
mod row;

use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::SessionId;

pub(crate) use change::{
    ChangeError, Found, Step, append, as_append_error, change, create, delete, find, look, note_progress,
    to_the_end,
};
pub(crate) use content::{Content, EphemeralEvent, EventRules, Written};
pub(crate) use directory::{Directory, Entry, Filter, ListCursor};
pub(crate) use event_ids::EventIds;
pub(crate) use fresh_id::{fresh_event_id, fresh_session_id};
pub(crate) use publish::{Publication, Published, Sifted, after_queued, publish, sift};
pub(crate) use row::{InvalidTransition, SessionRow};

/// Where the streams of sessions are.
pub(crate) const PREFIX: &str = "sessions/";

/// The stream of a session.
pub(crate) fn path_of(id: &SessionId) -> StreamPath {
    // A session id is one segment of harmless characters, so this is always a path.
    #[expect(clippy::expect_used, reason = "see above")]
    format!("{PREFIX}{id}").parse().expect("a session id makes a path")
}
