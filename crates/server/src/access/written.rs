//! May this caller write these events: their types, and the users they speak for. Must not know where they are written
//! to.

use http::StatusCode;
use serde_json::json;

use super::{EventPolicy, Permit};
use crate::Code;
use crate::audit;
use crate::error::ApiError;
use crate::identity::Identity;
use crate::session::Written;

/// Who writes, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// Who.
    pub(crate) caller: &'a Identity,
    /// As what: the permit to write to this stream.
    pub(crate) permit: Permit,
}

impl Writer<'_> {
    /// Checks valid events. Costs nothing for who may write everything.
    ///
    /// # Errors
    /// 403 `FORBIDDEN` for a type the role may not write and for approvals in somebody else's name, 403
    /// `PRESENCE_IDENTITY_MISMATCH` for somebody else's presence.
    pub(crate) fn check(&self, policy: &EventPolicy, written: &Written) -> Result<(), ApiError> {
        if self.permit.is_everything() {
            return Ok(());
        }
        let subject = &*self.caller.subject;
        // What is not events has no type: only who may write every type may write it.
        let mut types = written.event_types().chain(written.is_opaque().then_some(""));
        if let Some(event_type) = types.find(|event_type| !self.permit.may_write(policy, event_type)) {
            let message = "the caller may not write events of this type";
            return Err(self.refused(Code::Forbidden, event_type, message));
        }
        // What is true for a user is true for nobody without a name.
        if !written.is_presence_of(subject) {
            return Err(self.no_such_presence());
        }
        if !written.has_actor(subject) {
            let message = "the actor of an approval must be the caller";
            return Err(self.refused(Code::Forbidden, "approval:*", message));
        }
        Ok(())
    }

    /// Checks presence that is told otherwise than as an event, by the types of events it stands for.
    ///
    /// # Errors
    /// 403 `FORBIDDEN` for a type the role may not write, 403 `PRESENCE_IDENTITY_MISMATCH`.
    pub(crate) fn check_presence(
        &self,
        policy: &EventPolicy,
        event_types: &[&'static str],
        user_id: &str,
    ) -> Result<(), ApiError> {
        if let Some(event_type) = event_types.iter().find(|kind| !self.permit.may_write(policy, kind)) {
            let message = "the caller may not write events of this type";
            return Err(self.refused(Code::Forbidden, event_type, message));
        }
        match self.permit.is_everything() || user_id == &*self.caller.subject {
            true => Ok(()),
            false => Err(self.no_such_presence()),
        }
    }

    fn no_such_presence(&self) -> ApiError {
        self.refused(Code::PresenceIdentityMismatch, "presence:*", "userId must be the caller")
    }

    fn refused(&self, code: Code, event_type: &str, message: &'static str) -> ApiError {
        audit::event_refused(self.caller, event_type, message);
        let details = json!({ "eventType": event_type });
        ApiError::new(StatusCode::FORBIDDEN, code, message).details(details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use durable_sessions_schema::CustomEvents;

    use crate::access::{Role, RoleClaims};
    use crate::identity::{Scope, Scopes, Source, Validity};
    use crate::session::EventRules;
    use crate::{Limits, UnknownEvents};

    fn check(role: Role, presence_only: bool, written: &Written) -> Result<(), Code> {
        let caller = Identity {
            subject: "ada".into(),
            project: None,
            scopes: Scopes::NONE.with(Scope::StreamWrite),
            sessions: None,
            roles: RoleClaims::NONE,
            source: Source::Jwt,
            validity: Validity::default(),
        };
        let writer = Writer { caller: &caller, permit: Permit::Role { role, presence_only } };
        writer.check(&EventPolicy::default(), written).map_err(|error| error.code())
    }

    fn written(events: &[(&str, &str)]) -> Written {
        let events = events.iter().map(|(event_type, data)| {
            format!(r#"{{"id":"1","type":"{event_type}","timestamp":1,"data":{data}}}"#)
        });
        let body = format!("[{}]", events.collect::<Vec<_>>().join(","));
        let rules = EventRules::new(CustomEvents::new(), UnknownEvents::Accept, vec![]);
        rules.read(&Bytes::from(body), &Limits::default(), true).unwrap().written
    }

    #[test]
    fn everybody_speaks_for_themselves() {
        let forbidden = Err(Code::Forbidden);
        let mismatch = Err(Code::PresenceIdentityMismatch);
        for (role, event_type, data, expected) in [
            (Role::Viewer, "presence:joined", r#"{"userId":"ada"}"#, Ok(())),
            (Role::Viewer, "presence:joined", r#"{"userId":"bob"}"#, mismatch),
            (Role::Owner, "presence:left", r#"{"userId":"bob"}"#, mismatch),
            (Role::Viewer, "presence:wave", r#"{"userId":"ada","user\u0049d":"bob"}"#, mismatch),
            (Role::Viewer, "presence:wave", "{}", mismatch),
            (Role::Viewer, "presence:cursor", r#"{"userId":"bob","cursor":{"x":1,"y":1}}"#, mismatch),
            (Role::Viewer, "chunk", r#"{"text":"x"}"#, forbidden),
            (Role::Operator, "chunk", r#"{"text":"x"}"#, Ok(())),
            (Role::Participant, "approval:approved", r#"{"actor":"ada","payload":{}}"#, forbidden),
            (Role::Operator, "approval:approved", r#"{"actor":"ada","payload":{}}"#, Ok(())),
            (Role::Operator, "approval:approved", r#"{"actor":"bob","payload":{}}"#, forbidden),
            (Role::Operator, "approval:rejected", r#"{"payload":{}}"#, forbidden),
            (Role::Operator, "approval:requested", r#"{"payload":{}}"#, Ok(())),
        ] {
            let written = written(&[(event_type, data)]);
            assert_eq!(check(role, false, &written), expected, "{role:?} {event_type} {data}");
            // One bad event among good ones is as bad as it is alone.
            let good = ("presence:joined", r#"{"userId":"ada"}"#);
            let among = self::written(&[good, (event_type, data), good]);
            assert_eq!(check(role, false, &among), expected, "{role:?} {event_type} {data}");
        }
    }

    #[test]
    fn a_credential_for_presence_writes_nothing_else() {
        let presence = written(&[("presence:joined", r#"{"userId":"ada"}"#)]);
        assert_eq!(check(Role::Owner, true, &presence), Ok(()));
        assert_eq!(check(Role::Owner, true, &written(&[("chunk", r#"{"text":"x"}"#)])), Err(Code::Forbidden));
        assert_eq!(check(Role::Owner, true, &Written::opaque()), Err(Code::Forbidden));
        assert_eq!(check(Role::Viewer, false, &Written::opaque()), Err(Code::Forbidden));
        assert_eq!(check(Role::Operator, false, &Written::opaque()), Ok(()));
    }
}
