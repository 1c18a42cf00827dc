//! The authenticated caller of a request. Must not know how it proved who it is.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use durable_sessions_schema::ProjectId;

use super::bearer::unauthorized;
use super::claims::{Claims, RolesClaim, Texts};
use super::pattern::Patterns;
use super::scope::{Scope, Scopes};
use crate::access::RoleClaims;
use crate::error::ApiError;

/// The caller, an extension of every request behind the gate. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Arc<Identity>);

/// What a credential says of its bearer.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Who it is: the user id of presence, the actor of approvals, the owner of what it creates. 1 to 256
    /// characters without control characters.
    pub(crate) subject: Box<str>,
    /// The tenant. It sees what belongs to it and nothing else; a caller without one sees what belongs to none.
    pub(crate) project: Option<ProjectId>,
    /// The most this credential may be used for.
    pub(crate) scopes: Scopes,
    /// Which sessions and streams the credential is for: a limit, and within it a grant by its scopes. `None` limits
    /// nothing and grants nothing: only what others gave to the subject counts.
    pub(crate) sessions: Option<Patterns>,
    /// Roles that the credential itself gives.
    pub(crate) roles: RoleClaims,
    /// How it proved who it is.
    pub(crate) source: Source,
    /// How long that counts.
    pub(crate) validity: Validity,
}

/// How long a credential is good; what is made from it is good no longer. The default is for as long as the server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validity {
    /// Unix milliseconds.
    pub(crate) ends_at_ms: Option<i64>,
    /// The id of the API key that it is, or was made with: as long as that is not revoked.
    pub(crate) api_key: Option<Box<str>>,
}

/// Kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The one static token.
    StaticToken,
    /// Nobody asked, on a loopback address.
    DevNoAuth,
    /// A signed token of the application.
    Jwt,
    /// A key made by an administrator.
    ApiKey,
    /// The application was asked.
    Forwarded,
    /// A token of this server for reading one session.
    StreamToken,
    /// The cookie of this server, for reading.
    Cookie,
    /// Who made a subscription.
    Subscription,
}

impl Source {
    /// For audit records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StaticToken => "static-token",
            Self::DevNoAuth => "no-auth",
            Self::Jwt => "jwt",
            Self::ApiKey => "api-key",
            Self::Forwarded => "forward-auth",
            Self::StreamToken => "stream-token",
            Self::Cookie => "cookie",
            Self::Subscription => "subscription",
        }
    }
}

static STATIC_ADMIN: LazyLock<Caller> = LazyLock::new(|| Caller::admin(Source::StaticToken));
static DEV_ADMIN: LazyLock<Caller> = LazyLock::new(|| Caller::admin(Source::DevNoAuth));

impl Caller {
    pub(crate) fn new(identity: Identity) -> Self {
        Self(Arc::new(identity))
    }

    /// The bearer of the static token: the subject `admin`, allowed everything.
    pub(crate) fn static_admin() -> Self {
        STATIC_ADMIN.clone()
    }

    /// Everybody on a server without authentication.
    pub(crate) fn dev_admin() -> Self {
        DEV_ADMIN.clone()
    }

    /// The caller that the gate left on a request.
    ///
    /// # Errors
    /// 401: a request that did not pass the gate is nobody's.
    pub(crate) fn of(extensions: &http::Extensions) -> Result<Self, ApiError> {
        extensions.get::<Self>().cloned().ok_or_else(|| unauthorized("authentication is required"))
    }

    fn admin(source: Source) -> Self {
        Self::new(Identity {
            subject: "admin".into(),
            project: None,
            scopes: Scopes::NONE.with(Scope::Admin),
            sessions: None,
            roles: RoleClaims::NONE,
            source,
            validity: Validity::default(),
        })
    }
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Identity {
    /// Whether it may do everything with everything, as any user; with a credential for reading, read everything.
    pub(crate) fn is_superuser(&self) -> bool {
        self.project.is_none() && self.sessions.is_none() && self.scopes.has(Scope::Admin)
    }

    /// The claims that make this caller again.
    pub(crate) fn claims(&self) -> Claims {
        let scopes: Vec<_> = self.scopes.words().collect();
        let roles = self.roles.by_pattern();
        Claims {
            sub: self.subject.to_string(),
            project: self.project.as_ref().map(|project| project.as_str().to_owned()),
            scope: Some(scopes.join(" ")),
            sessions: self.sessions.as_ref().map(|p| Texts::Many(p.texts().map(str::to_owned).collect())),
            roles: (!roles.is_empty()).then_some(RolesClaim::ByPattern(roles)),
        }
    }

    /// Whether the credential is for reading, whatever its bearer may do otherwise.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self.source, Source::StreamToken | Source::Cookie)
    }

    /// Whether it may do everything within its project.
    pub(crate) fn is_admin(&self) -> bool {
        self.scopes.has(Scope::Admin)
    }
}
