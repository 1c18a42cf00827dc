//! The one place where it is decided what a caller may do. Pure: everything it looks at is given.
//!
//! In this order, and the first that fails denies:
//!
//! | # | check |
//! |---|---|
//! | 1 | a credential for reading reads |
//! | 2 | who may do everything may |
//! | 3 | one of the action's scopes is among the caller's |
//! | 4 | the resource's path matches the caller's patterns, if it has any |
//! | 5 | the resource belongs to the caller's project; one without a project to callers without one |
//! | 6 | the caller has a role in the resource, and the role may do it; for what is not there yet: may create it |
//!
//! The role is the highest of: owner, for who has the scope `admin`; what the resource says of the subject; what the
//! claim `roles` says; and, where that says nothing, what a pattern of the claim `sessions` gives by its scopes:
//! operator with `stream:write`, viewer without.
//!
//! What belongs to another project is answered as if it were not there ([`Denied::Unknown`] where that would be seen
//! as missing), so that nobody learns from a status what others have.

use durable_sessions_schema::ProjectId;

use super::policy::is_presence;
use super::{Action, EventPolicy, Ownership, Role};
use crate::identity::{Identity, Scope};

/// What an action is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    /// The path of its stream: `sessions/{id}`, or any other.
    path: &'a str,
    state: State<'a>,
}

#[derive(Debug, Clone, Copy)]
enum State<'a> {
    /// It is there, and its attributes say this.
    Present(&'a Ownership),
    /// It is there, and nobody can say whose it is.
    Unreadable,
    /// It is not there. A project is the one that a creation asks for.
    Absent { project: Option<&'a ProjectId> },
}

impl<'a> Resource<'a> {
    /// A session or stream that exists.
    pub(crate) fn present(path: &'a str, ownership: &'a Ownership) -> Self {
        Self { path, state: State::Present(ownership) }
    }

    /// One whose attributes cannot be read.
    pub(crate) fn unreadable(path: &'a str) -> Self {
        Self { path, state: State::Unreadable }
    }

    /// One that does not exist; when it is created it belongs to the caller's project.
    pub(crate) fn absent(path: &'a str) -> Self {
        Self { path, state: State::Absent { project: None } }
    }

    /// One that is to be created in a project.
    pub(crate) fn new_in(path: &'a str, project: &'a ProjectId) -> Self {
        Self { path, state: State::Absent { project: Some(project) } }
    }
}

/// That an action is permitted, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Everything, in any user's name.
    Everything,
    /// As this role. `presence_only` when the credential is good for no other events.
    Role { role: Role, presence_only: bool },
}

impl Permit {
    /// The role, which is owner for who may do everything.
    #[cfg(test)]
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Everything => Role::Owner,
            Self::Role { role, .. } => role,
        }
    }

    /// Whether every type of event may be written, in anybody's name.
    pub(crate) fn is_everything(self) -> bool {
        self == Self::Everything
    }

    /// Whether an event of this type may be written. In whose name is another question.
    pub(crate) fn may_write(self, policy: &EventPolicy, event_type: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Role { role, presence_only } => {
                (!presence_only || is_presence(event_type)) && policy.permits(role, event_type)
            }
        }
    }
}

/// That an action is not permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The credential is not good for this kind of action.
    #[error("the credential has no scope for this")]
    Scope,
    /// Not for this caller, whether it is there or not.
    #[error("the caller may not do this")]
    Forbidden,
    /// To this caller it is not there: to be answered exactly as if it were not.
    #[error("there is no such stream for this caller")]
    Unknown,
}

/// Whether a caller may do something.
///
/// `Ok` for what is not there means that the caller may know so: the answer is 404.
///
/// # Errors
/// [`Denied`].
pub(crate) fn decide(caller: &Identity, action: Action, resource: Resource<'_>) -> Result<Permit, Denied> {
    if caller.is_read_only() && action != Action::Read {
        return Err(Denied::Scope);
    }
    if caller.is_superuser() {
        return Ok(Permit::Everything);
    }
    if !action.scopes().iter().any(|scope| caller.scopes.has(*scope)) {
        return Err(Denied::Scope);
    }
    let Resource { path, state } = resource;
    let in_patterns = caller.sessions.as_ref().map(|patterns| patterns.matches(path));
    if in_patterns == Some(false) {
        return Err(Denied::Forbidden);
    }
    let permit = |role| Permit::Role { role, presence_only: !caller.scopes.has(Scope::StreamWrite) };
    // What the credential gives by itself, whatever the resource says.
    let claimed = if caller.is_admin() {
        Some(Role::Owner)
    } else {
        caller.roles.of(path).or_else(|| {
            let granted = if caller.scopes.has(Scope::StreamWrite) { Role::Operator } else { Role::Viewer };
            in_patterns.map(|_| granted)
        })
    };
    match state {
        State::Absent { project } if action == Action::Create => {
            match project.is_none_or(|project| Some(project) == caller.project.as_ref()) {
                true => Ok(permit(Role::Owner)),
                false => Err(Denied::Forbidden),
            }
        }
        State::Absent { .. } => as_if_absent(claimed, action).map(permit),
        State::Present(ownership) if ownership.project_id == caller.project => {
            let role = claimed.max(ownership.role_of(&caller.subject));
            match role {
                // To create what is there is to confirm it, which owes no more than reading it.
                Some(role) if role.may(if action == Action::Create { Action::Read } else { action }) => {
                    Ok(permit(role))
                }
                _ => Err(Denied::Forbidden),
            }
        }
        // Taken, and that is all the caller learns.
        State::Present(_) | State::Unreadable if action == Action::Create => Err(Denied::Forbidden),
        State::Present(_) | State::Unreadable => match as_if_absent(claimed, action) {
            Ok(_) => Err(Denied::Unknown),
            Err(denied) => Err(denied),
        },
    }
}

/// Only who would be let in if it were there is told that it is not.
fn as_if_absent(claimed: Option<Role>, action: Action) -> Result<Role, Denied> {
    claimed.filter(|role| role.may(action)).ok_or(Denied::Forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::RoleClaims;
    use crate::identity::{Patterns, Scopes, Source, Validity};
    use std::collections::BTreeMap;

    const PATH: &str = "sessions/run-1";

    fn caller(project: Option<&str>, scopes: &str, sessions: Option<&[&str]>) -> Identity {
        Identity {
            subject: "ada".into(),
            project: project.map(|project| project.parse().unwrap()),
            scopes: Scopes::of_claim(scopes),
            sessions: sessions.map(|texts| Patterns::parse(texts.iter().copied()).unwrap()),
            roles: RoleClaims::NONE,
            source: Source::Jwt,
            validity: Validity::default(),
        }
    }

    fn owned(project: Option<&str>, owner: &str, members: &[(&str, Role)]) -> Ownership {
        Ownership {
            project_id: project.map(|project| project.parse().unwrap()),
            owner: Some(owner.to_owned()),
            members: members.iter().map(|(who, role)| ((*who).to_owned(), *role)).collect(),
        }
    }

    /// Every role by every action, within the caller's project.
    #[test]
    fn a_role_does_what_the_table_says() {
        #[rustfmt::skip]
        let table = [
            // role              read   presence write  create close  delete manage
            (None,               [false, false, false, false, false, false, false]),
            (Some(Role::Viewer), [true,  true,  true,  true,  false, false, false]),
            (Some(Role::Participant), [true, true, true, true, false, false, false]),
            (Some(Role::Operator),    [true, true, true, true, true,  false, false]),
            (Some(Role::Owner),       [true, true, true, true, true,  true,  true]),
        ];
        for (role, expected) in table {
            let members: Vec<_> = role.into_iter().map(|role| ("ada", role)).collect();
            let ownership = owned(Some("p"), "bob", &members);
            let ada = caller(Some("p"), "stream:read stream:write", None);
            for (action, expected) in Action::ALL.into_iter().zip(expected) {
                let decided = decide(&ada, action, Resource::present(PATH, &ownership));
                assert_eq!(decided.is_ok(), expected, "{role:?} {action:?}");
                if !expected {
                    assert_eq!(decided, Err(Denied::Forbidden), "{role:?} {action:?}");
                }
            }
        }
    }

    /// What a scope is not good for is refused, whatever the role.
    #[test]
    fn a_scope_is_a_limit() {
        let ownership = owned(Some("p"), "ada", &[]);
        for (scopes, permitted) in [
            ("", [false; 7]),
            ("stream:read", [true, false, false, false, false, false, false]),
            ("presence", [false, true, true, false, false, false, false]),
            ("stream:write", [false, true, true, true, true, true, true]),
            ("admin", [true; 7]),
        ] {
            let ada = caller(Some("p"), scopes, None);
            for (action, permitted) in Action::ALL.into_iter().zip(permitted) {
                let decided = decide(&ada, action, Resource::present(PATH, &ownership));
                assert_eq!(decided.is_ok(), permitted, "{scopes} {action:?}");
            }
        }
        let ada = caller(Some("p"), "presence", None);
        let permit = decide(&ada, Action::Write, Resource::present(PATH, &ownership)).unwrap();
        let policy = EventPolicy::default();
        assert!(permit.may_write(&policy, "presence:cursor") && !permit.may_write(&policy, "chunk"));
    }

    /// A pattern limits, and gives by its scopes; a claimed role goes before that.
    #[test]
    fn patterns_limit_and_give() {
        let ownership = owned(None, "bob", &[("ada", Role::Owner)]);
        let elsewhere = caller(None, "stream:write", Some(&["run-2"]));
        assert_eq!(
            decide(&elsewhere, Action::Write, Resource::present(PATH, &ownership)),
            Err(Denied::Forbidden)
        );
        let strange = owned(None, "bob", &[]);
        let role = |caller: &Identity, ownership| {
            decide(caller, Action::Write, Resource::present(PATH, ownership)).map(Permit::role)
        };
        let mut writer = caller(None, "stream:write", Some(&["run-*"]));
        assert_eq!(role(&writer, &strange), Ok(Role::Operator));
        assert_eq!(role(&writer, &ownership), Ok(Role::Owner));
        writer.roles = RoleClaims::new(&BTreeMap::from([("run-1".to_owned(), Role::Participant)])).unwrap();
        assert_eq!(role(&writer, &strange), Ok(Role::Participant));
        let reader = caller(None, "stream:read", Some(&["run-*"]));
        let read = decide(&reader, Action::Read, Resource::present(PATH, &strange)).map(Permit::role);
        assert_eq!(read, Ok(Role::Viewer));
    }

    /// Nothing tells a stream of another project from one that is not there.
    #[test]
    fn another_project_is_as_if_it_were_not_there() {
        let theirs = owned(Some("q"), "ada", &[("ada", Role::Owner)]);
        let nobodys = owned(None, "ada", &[]);
        for who in [
            caller(Some("p"), "stream:read stream:write presence", None),
            caller(Some("p"), "stream:read stream:write", Some(&["*"])),
            caller(Some("p"), "admin", None),
            caller(None, "stream:read stream:write", Some(&["**"])),
        ] {
            for action in Action::ALL.into_iter().filter(|action| *action != Action::Create) {
                let absent = decide(&who, action, Resource::absent(PATH));
                for ownership in [&theirs, &nobodys] {
                    if ownership.project_id == who.project {
                        continue;
                    }
                    let decided = decide(&who, action, Resource::present(PATH, ownership));
                    match absent {
                        Ok(_) => assert_eq!(decided, Err(Denied::Unknown), "{action:?}"),
                        Err(denied) => assert_eq!(decided, Err(denied), "{action:?}"),
                    }
                    assert_eq!(decide(&who, action, Resource::unreadable(PATH)), decided);
                }
            }
            let create = decide(&who, Action::Create, Resource::present(PATH, &theirs));
            assert_eq!(create, Err(Denied::Forbidden));
        }
    }

    #[test]
    fn who_creates_does_so_in_its_own_project() {
        let (p, q): (ProjectId, ProjectId) = ("p".parse().unwrap(), "q".parse().unwrap());
        let ada = caller(Some("p"), "stream:write", None);
        assert!(decide(&ada, Action::Create, Resource::absent(PATH)).is_ok());
        assert!(decide(&ada, Action::Create, Resource::new_in(PATH, &p)).is_ok());
        assert!(decide(&ada, Action::Create, Resource::new_in(PATH, &q)).is_err());
        let ada = caller(None, "stream:write", None);
        assert!(decide(&ada, Action::Create, Resource::new_in(PATH, &p)).is_err());
        let ada = caller(Some("p"), "stream:write", Some(&["other"]));
        assert!(decide(&ada, Action::Create, Resource::absent(PATH)).is_err());
    }

    #[test]
    fn only_an_admin_without_limits_may_do_everything() {
        let theirs = owned(Some("q"), "bob", &[]);
        for (who, everything) in [
            (caller(None, "admin", None), true),
            (caller(Some("p"), "admin", None), false),
            (caller(None, "admin", Some(&["**"])), false),
            (caller(None, "stream:read stream:write presence", None), false),
        ] {
            let decided = decide(&who, Action::Delete, Resource::present(PATH, &theirs));
            assert_eq!(decided == Ok(Permit::Everything), everything);
        }
    }
}
