//! Records for whoever has to know later who did what: writes that were refused, and what administrators changed.
//!
//! They are `tracing` events with the target `audit`, so that a subscriber can send them elsewhere, and the field
//! `audit_id`, which is stable. They name subjects and paths, and never hold payloads or credentials; the request's
//! span has its id.
//!
//! | `audit_id` | what happened |
//! |---|---|
//! | `authentication-refused` | a request with credentials that are not good |
//! | `write-refused` | something that would have changed a stream was not permitted |
//! | `event-refused` | an event was not, for its type or the user it names |
//! | `stream-deleted` | a stream or session was deleted |
//! | `member-set`, `member-removed` | who is what in a session |
//! | `key-created`, `key-revoked` | an API key |
//! | `token-issued` | a stream token or a cookie |
//! | `subscription-created`, `subscription-deleted` | a subscription |

use crate::access::Action;
use crate::identity::Identity;

/// The target of all of them.
pub const AUDIT_TARGET: &str = "audit";

/// A request whose credentials are not good. Requests without any are not worth a record.
pub(crate) fn authentication_refused(method: &str, path: &str, code: &str) {
    tracing::warn!(target: AUDIT_TARGET, audit_id = "authentication-refused", method, path, code);
}

/// An action that was not permitted. Reads are not among them: they change nothing.
pub(crate) fn refused(caller: &Identity, action: Action, path: &str, why: &str) {
    if action != Action::Read {
        tracing::warn!(
            target: AUDIT_TARGET,
            audit_id = "write-refused",
            subject = &*caller.subject,
            project = project(caller),
            action = action.as_str(),
            path,
            why
        );
    }
}

/// An event that was not permitted.
pub(crate) fn event_refused(caller: &Identity, event_type: &str, why: &str) {
    tracing::warn!(
        target: AUDIT_TARGET,
        audit_id = "event-refused",
        subject = &*caller.subject,
        project = project(caller),
        event_type,
        why
    );
}

/// Something that was done and matters: `audit_id` is of the table above, `object` is what it was done to.
pub(crate) fn done(caller: &Identity, audit_id: &'static str, object: &str) {
    tracing::info!(
        target: AUDIT_TARGET,
        audit_id,
        subject = &*caller.subject,
        project = project(caller),
        source = caller.source.as_str(),
        object
    );
}

/// That somebody is a member of a session now, or no longer.
pub(crate) fn member(caller: &Identity, session: &str, member: &str, role: Option<&'static str>) {
    let audit_id = if role.is_some() { "member-set" } else { "member-removed" };
    tracing::info!(
        target: AUDIT_TARGET,
        audit_id,
        subject = &*caller.subject,
        project = project(caller),
        source = caller.source.as_str(),
        object = session,
        member,
        role
    );
}

fn project(caller: &Identity) -> &str {
    caller.project.as_ref().map_or("", |project| project.as_str())
}
