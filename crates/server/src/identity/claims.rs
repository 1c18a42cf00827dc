//! What a credential says, in the words of JSON, and the caller it makes. Must not know how it was verified.

use std::collections::BTreeMap;

use durable_sessions_schema::{ProjectId, UserId};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Identity, Source, Validity};
use super::pattern::{InvalidPattern, Patterns};
use super::scope::Scopes;
use crate::access::{Role, RoleClaims};

/// The subject of the static token. No other credential may have it, or it would own what the administrator made.
pub(crate) const ADMIN_SUBJECT: &str = "admin";

/// The claims of a JWT, the answer of forward-auth, and what a stored key is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The subject.
    pub(crate) sub: String,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
    /// Scopes, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// Patterns of sessions and streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sessions: Option<Texts>,
    /// Roles in sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<RolesClaim>,
}

/// One text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Texts {
    /// As one string.
    One(String),
    /// As an array.
    Many(Vec<String>),
}

/// One role everywhere, or roles by pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RolesClaim {
    /// In every session that the patterns of the claim `sessions` name; without them in none.
    Same(Role),
    /// By pattern.
    ByPattern(BTreeMap<String, Role>),
}

/// Why claims make no caller. The texts are for whoever made the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidClaims {
    #[error("sub must have 1 to 256 characters and no control characters")]
    Subject,
    #[error("the subject admin is kept for the static token")]
    AdminSubject,
    #[error("project must have 1 to 256 characters and no control characters")]
    Project,
    #[error("sessions: {0}")]
    Sessions(InvalidPattern),
    #[error("roles: {0}")]
    Roles(InvalidPattern),
}

impl Texts {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
        .iter()
        .map(String::as_str)
    }
}

impl Claims {
    /// The caller these claims make.
    ///
    /// # Errors
    /// [`InvalidClaims`]: one bad claim spoils all of them.
    pub(crate) fn caller(&self, source: Source) -> Result<Caller, InvalidClaims> {
        self.caller_for(source, Validity::default())
    }

    /// The same, when it is known how long the credential is good.
    ///
    /// # Errors
    /// As [`Claims::caller`].
    pub(crate) fn caller_for(&self, source: Source, validity: Validity) -> Result<Caller, InvalidClaims> {
        if self.sub == ADMIN_SUBJECT {
            return Err(InvalidClaims::AdminSubject);
        }
        Ok(Caller::new(Identity { validity, ..self.identity(source)? }))
    }

    /// The same for credentials of this server, which may be the administrator's.
    pub(crate) fn identity(&self, source: Source) -> Result<Identity, InvalidClaims> {
        let subject = self.sub.parse::<UserId>().map_err(|_| InvalidClaims::Subject)?;
        let project = self.project.as_deref().map(str::parse::<ProjectId>).transpose();
        let sessions = self.sessions.as_ref().map(|texts| Patterns::parse(texts.iter())).transpose();
        let roles = match &self.roles {
            None => RoleClaims::NONE,
            Some(RolesClaim::ByPattern(roles)) => RoleClaims::new(roles).map_err(InvalidClaims::Roles)?,
            Some(RolesClaim::Same(role)) => {
                let patterns = self.sessions.iter().flat_map(Texts::iter);
                let same = patterns.map(|pattern| (pattern.to_owned(), *role)).collect();
                RoleClaims::new(&same).map_err(InvalidClaims::Roles)?
            }
        };
        Ok(Identity {
            subject: subject.as_str().into(),
            project: project.map_err(|_| InvalidClaims::Project)?,
            scopes: Scopes::of_claim(self.scope.as_deref().unwrap_or_default()),
            sessions: sessions.map_err(InvalidClaims::Sessions)?,
            roles,
            source,
            validity: Validity::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Scope;

    fn caller(claims: &str) -> Result<Caller, InvalidClaims> {
        serde_json::from_str::<Claims>(claims).unwrap().caller(Source::Jwt)
    }

    #[test]
    fn claims_make_a_caller() {
        let ada = caller(
            r#"{"sub":"ada","project":"p","scope":"stream:read","sessions":"run-*","roles":"participant","exp":1}"#,
        )
        .unwrap();
        assert_eq!((&*ada.subject, ada.project.as_ref().unwrap().as_str()), ("ada", "p"));
        assert!(ada.scopes.has(Scope::StreamRead) && !ada.scopes.has(Scope::StreamWrite));
        assert_eq!(ada.roles.of("sessions/run-1"), Some(Role::Participant));
        assert_eq!(ada.roles.of("sessions/x"), None);
        let bob = caller(r#"{"sub":"bob","roles":{"run-1":"owner"}}"#).unwrap();
        assert!(bob.scopes.is_empty() && bob.sessions.is_none());
        assert_eq!(bob.roles.of("sessions/run-1"), Some(Role::Owner));
    }

    #[test]
    fn one_bad_claim_spoils_all() {
        for bad in [
            r#"{"sub":""}"#,
            r#"{"sub":"admin"}"#,
            r#"{"sub":"a\nb"}"#,
            r#"{"sub":"a","project":""}"#,
            r#"{"sub":"a","sessions":["../x"]}"#,
            r#"{"sub":"a","roles":{"a//b":"owner"}}"#,
        ] {
            assert!(caller(bad).is_err(), "{bad}");
        }
        for bad in [r#"{}"#, r#"{"sub":7}"#, r#"{"sub":"a","roles":"king"}"#, r#"{"sub":"a","scope":[]}"#] {
            assert!(serde_json::from_str::<Claims>(bad).is_err(), "{bad}");
        }
    }
}
