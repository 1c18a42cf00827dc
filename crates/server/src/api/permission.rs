//! Where every route asks whether the caller may do what it asks for. The one place that knows both the session API and
//! who decides. Must not know how callers prove who they are.
//!
//! Asked before anything is said about what exists: 401 and 403 come before 404.

use std::sync::Arc;

use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::ProjectId;
use http::StatusCode;

use crate::Code;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::session::{self, SessionRow, Written};

/// What is to be done with a session or a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action<'a> {
    /// Read events or what is derived from them, live or not; be the source of a fork; be seen in the list.
    Read,
    /// Append something; what exactly is asked once it is known.
    Write,
    /// Append these events: their types, and the users in whose names they speak.
    WriteEvents(&'a Written),
    /// Say that this user is there.
    Presence { user_id: &'a str },
    /// Make a new one, also as a fork.
    Create,
    /// Close it, or change its status.
    Close,
    /// Delete it.
    Delete,
    /// Change what it is called and what it is about.
    Manage,
}

/// Whose the session or stream is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ownership<'a> {
    /// A session, as its row says.
    Session { path: &'a StreamPath, row: &'a SessionRow },
    /// Another stream, as its attributes say.
    Stream {
        path: &'a StreamPath,
        #[expect(dead_code, reason = "who decides about plain streams reads it")]
        attributes: Option<&'a [u8]>,
    },
    /// It does not exist. A project is the one that a creation asks for.
    Absent {
        path: &'a StreamPath,
        #[expect(dead_code, reason = "who decides about projects reads it")]
        project: Option<&'a ProjectId>,
    },
}

/// Whether the caller may.
///
/// `Ok` for what is absent means that the caller may know so: the answer is 404.
///
/// # Errors
/// FORBIDDEN; PRESENCE_IDENTITY_MISMATCH for another user's presence.
pub(crate) fn require(caller: &Caller, action: Action<'_>, ownership: Ownership<'_>) -> Result<(), ApiError> {
    if may_do_everything(caller) {
        return Ok(());
    }
    let subject = subject(caller);
    let mut users = match action {
        Action::Presence { user_id } => vec![user_id],
        Action::WriteEvents(written) => written.users().collect(),
        _ => vec![],
    };
    users.retain(|user| *user != subject);
    if !users.is_empty() {
        let message = "presence and approvals can only be in the caller's own name";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::PresenceIdentityMismatch, message));
    }
    let (path, is_owner) = match ownership {
        Ownership::Session { path, row } => (path, row.owner.as_deref() == Some(subject)),
        Ownership::Stream { path, .. } | Ownership::Absent { path, .. } => (path, false),
    };
    if is_owner {
        return Ok(());
    }
    tracing::debug!(?action, path = path.as_str(), "denied");
    Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, "the caller may not do this"))
}

/// Whether no rule has to be looked at, nor the stream it would be about.
fn may_do_everything(caller: &Caller) -> bool {
    caller.subject == "admin"
}

/// Who the caller is: the owner of what it creates, the user of its presence.
pub(crate) fn subject(caller: &Caller) -> &str {
    caller.subject
}

/// The same question about what lives at a path now, if anything does.
pub(crate) async fn require_at(
    app: &Arc<App>,
    caller: &Caller,
    action: Action<'_>,
    path: &StreamPath,
) -> Result<(), ApiError> {
    if may_do_everything(caller) {
        return Ok(());
    }
    if session::id_of(path).is_some()
        && let Some(entry) = app.sessions.get(path)
    {
        return require(caller, action, Ownership::Session { path, row: &entry.row });
    }
    match app.store.head(path).await {
        Ok(head) => {
            let attributes = head.attributes.as_deref();
            require(caller, action, Ownership::Stream { path, attributes })
        }
        Err(_) => require(caller, action, Ownership::Absent { path, project: None }),
    }
}
