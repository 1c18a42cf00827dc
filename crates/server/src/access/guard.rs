//! Asks `decide` about a stream as it is now, and turns a denial into an answer. Must not know which routes there are.

use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::ProjectId;
use durable_sessions_storage::{ReadError, StreamHead};
use http::StatusCode;

use super::{Action, Denied, Ownership, Permit, Resource, decide};
use crate::Code;
use crate::app::App;
use crate::audit;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// Whether the caller may do this with the stream at this path, there or not.
///
/// `Ok` for a stream that is not there means that the caller may be told so. Costs nothing for who may do everything,
/// and one look at the stream's head for everybody else.
///
/// # Errors
/// 403, or 404 for what belongs to another project and would be answered 404 if it did not exist.
pub(crate) async fn guard(
    app: &App,
    caller: &Caller,
    action: Action,
    path: &StreamPath,
) -> Result<Permit, ApiError> {
    if caller.is_superuser() && !caller.is_read_only() {
        return Ok(Permit::Everything);
    }
    match app.store.head(path).await {
        Ok(head) => guard_head(caller, action, path, &head),
        // A stream that was deleted and is kept for its forks has no owner to ask any more.
        Err(ReadError::NotFound | ReadError::Gone) => {
            answer(decide(caller, action, Resource::absent(path.as_str())), caller, action, path)
        }
        Err(error) => Err(error.answer(Namespace::of(path.as_str()))),
    }
}

/// The same for what can only be done with a stream that is there. Whoever may know that it is not hears so at once,
/// before anything is said about the request: else the order of errors would tell what other projects have.
///
/// # Errors
/// As of [`guard`], and 404. Who may do everything is not looked after: what is missing is found later.
pub(crate) async fn guard_existing(
    app: &App,
    caller: &Caller,
    action: Action,
    path: &StreamPath,
) -> Result<Permit, ApiError> {
    if caller.is_superuser() && !caller.is_read_only() {
        return Ok(Permit::Everything);
    }
    match app.store.head(path).await {
        Ok(head) => guard_head(caller, action, path, &head),
        Err(why @ (ReadError::NotFound | ReadError::Gone)) => {
            answer(decide(caller, action, Resource::absent(path.as_str())), caller, action, path)?;
            Err(why.answer(Namespace::of(path.as_str())))
        }
        Err(error) => Err(error.answer(Namespace::of(path.as_str()))),
    }
}

/// The same for a stream whose head is known.
///
/// # Errors
/// As of [`guard`].
pub(crate) fn guard_head(
    caller: &Caller,
    action: Action,
    path: &StreamPath,
    head: &StreamHead,
) -> Result<Permit, ApiError> {
    if caller.is_superuser() && !caller.is_read_only() {
        return Ok(Permit::Everything);
    }
    answer(decide_head(caller, action, path, head), caller, action, path)
}

/// Whether the caller may create a stream in a project. Whether one is there already is the store's answer; `guard`
/// with [`Action::Create`] looks first.
///
/// # Errors
/// 403.
pub(crate) fn guard_new(
    caller: &Caller,
    path: &StreamPath,
    project: Option<&ProjectId>,
) -> Result<Permit, ApiError> {
    let resource = match project {
        Some(project) => Resource::new_in(path.as_str(), project),
        None => Resource::absent(path.as_str()),
    };
    answer(decide(caller, Action::Create, resource), caller, Action::Create, path)
}

/// Whether a list may show it to the caller. Without an ownership, nobody can say whose it is.
pub(crate) fn is_visible(caller: &Caller, path: &StreamPath, ownership: Option<&Ownership>) -> bool {
    let resource = match ownership {
        Some(ownership) => Resource::present(path.as_str(), ownership),
        None => Resource::unreadable(path.as_str()),
    };
    caller.is_superuser() || decide(caller, Action::Read, resource).is_ok()
}

fn decide_head(
    caller: &Caller,
    action: Action,
    path: &StreamPath,
    head: &StreamHead,
) -> Result<Permit, Denied> {
    match Ownership::of_attributes(head.attributes.as_deref()) {
        Ok(ownership) => decide(caller, action, Resource::present(path.as_str(), &ownership)),
        Err(unreadable) => {
            tracing::error!(error_id = "ownership-unreadable", path = path.as_str(), %unreadable);
            decide(caller, action, Resource::unreadable(path.as_str()))
        }
    }
}

fn answer(
    decided: Result<Permit, Denied>,
    caller: &Caller,
    action: Action,
    path: &StreamPath,
) -> Result<Permit, ApiError> {
    decided.map_err(|denied| {
        audit::refused(caller, action, path.as_str(), &denied.to_string());
        match denied {
            Denied::Unknown => ReadError::NotFound.answer(Namespace::of(path.as_str())),
            Denied::Scope | Denied::Forbidden => {
                ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, denied.to_string())
            }
        }
    })
}
