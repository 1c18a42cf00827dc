//! May this caller write this event: its type, and the user it speaks for. Must not know where it is written to.

use durable_sessions_schema::EventView;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::policy::is_presence;
use super::{EventPolicy, Permit};
use crate::Code;
use crate::audit;
use crate::error::ApiError;
use crate::identity::Identity;

/// Who writes, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// Who.
    pub(crate) caller: &'a Identity,
    /// As what: the permit to write to this stream.
    pub(crate) permit: Permit,
}

/// The members of an event's data that name a user. A member that stands twice is refused: readers may see either.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    user_id: Option<String>,
    actor: Option<String>,
}

impl Writer<'_> {
    /// Whether events need no look at all.
    pub(crate) fn may_write_anything(&self) -> bool {
        self.permit.is_everything()
    }

    /// Checks one valid event. `index` is its place in the request, for the answer.
    ///
    /// # Errors
    /// 403 `FORBIDDEN` for a type the role may not write and for approvals in somebody else's name, 403
    /// `PRESENCE_IDENTITY_MISMATCH` for somebody else's presence.
    pub(crate) fn check(
        &self,
        policy: &EventPolicy,
        event: &EventView<'_, '_>,
        index: u32,
    ) -> Result<(), ApiError> {
        if self.may_write_anything() {
            return Ok(());
        }
        let event_type = event.event_type();
        let refused = |code, message: &'static str| {
            audit::event_refused(self.caller, &event_type, message);
            let details = json!({ "eventType": event_type, "index": index });
            Err(ApiError::new(StatusCode::FORBIDDEN, code, message).details(details))
        };
        if !self.permit.may_write(policy, &event_type) {
            return refused(Code::Forbidden, "the caller may not write events of this type");
        }
        let subject = Some(&*self.caller.subject);
        if is_presence(&event_type) {
            // What is true for a user is true for nobody without a name.
            if named(event).is_none_or(|named| named.user_id.as_deref() != subject) {
                return refused(Code::PresenceIdentityMismatch, "userId must be the caller");
            }
        } else if event_type.starts_with("approval:") {
            let given = named(event);
            let answers = event_type != "approval:requested";
            let fits = given.is_some_and(|named| match &named.actor {
                Some(actor) => Some(actor.as_str()) == subject,
                None => !answers,
            });
            if !fits {
                return refused(Code::Forbidden, "the actor of an approval must be the caller");
            }
        }
        Ok(())
    }
}

fn named(event: &EventView<'_, '_>) -> Option<Named> {
    serde_json::from_slice(event.data()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, RoleClaims};
    use crate::identity::{Identity, Scope, Scopes, Source};
    use durable_sessions_schema::{Parser, Verdict};

    fn check(role: Role, event_type: &str, data: &str) -> Result<(), String> {
        let caller = Identity {
            subject: "ada".into(),
            project: None,
            scopes: Scopes::NONE.with(Scope::StreamWrite),
            sessions: None,
            roles: RoleClaims::NONE,
            source: Source::Jwt,
        };
        let writer = Writer { caller: &caller, permit: Permit::Role { role, presence_only: false } };
        let event = format!(r#"{{"id":"1","type":"{event_type}","timestamp":1,"data":{data}}}"#);
        let mut outcome = Err("not an event".to_owned());
        Parser::new()
            .parse_messages(event.as_bytes(), &mut |verdict| {
                outcome = match verdict {
                    Verdict::Event(view) => writer
                        .check(&EventPolicy::default(), &view, 0)
                        .map_err(|error| error.code().as_str().to_owned()),
                    Verdict::Rejected { rejection, .. } => Err(rejection.to_string()),
                };
            })
            .unwrap();
        outcome
    }

    #[test]
    fn everybody_speaks_for_themselves() {
        let refused = |code: &str| Err(code.to_owned());
        let mismatch = || refused("PRESENCE_IDENTITY_MISMATCH");
        for (role, event_type, data, expected) in [
            (Role::Viewer, "presence:joined", r#"{"userId":"ada"}"#, Ok(())),
            (Role::Viewer, "presence:joined", r#"{"userId":"bob"}"#, mismatch()),
            (Role::Owner, "presence:left", r#"{"userId":"bob"}"#, mismatch()),
            (Role::Viewer, "presence:wave", r#"{"userId":"ada","user\u0049d":"bob"}"#, mismatch()),
            (Role::Viewer, "presence:wave", r#"{"userId":"bob"}"#, mismatch()),
            (Role::Viewer, "presence:wave", r#"{}"#, mismatch()),
            (Role::Viewer, "chunk", r#"{"text":"x"}"#, refused("FORBIDDEN")),
            (Role::Operator, "chunk", r#"{"text":"x"}"#, Ok(())),
            (Role::Participant, "approval:approved", r#"{"actor":"ada","payload":{}}"#, refused("FORBIDDEN")),
            (Role::Operator, "approval:approved", r#"{"actor":"ada","payload":{}}"#, Ok(())),
            (Role::Operator, "approval:approved", r#"{"actor":"bob","payload":{}}"#, refused("FORBIDDEN")),
            (Role::Operator, "approval:rejected", r#"{"payload":{}}"#, refused("FORBIDDEN")),
            (Role::Operator, "approval:requested", r#"{"payload":{}}"#, Ok(())),
        ] {
            assert_eq!(check(role, event_type, data), expected, "{role:?} {event_type} {data}");
        }
    }
}
