//! What is done with a session or a stream.

use crate::identity::Scope;

/// An action on one session or stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Read events or what is derived from them, live or not; list; be the source of a fork; be subscribed to.
    Read,
    /// Join, move, leave: presence of the caller itself.
    Presence,
    /// Append events. Which types, says the permit.
    Write,
    /// Make a new one, also as a fork.
    Create,
    /// Close it, or change its status.
    Close,
    /// Delete it.
    Delete,
    /// Change whose it is, who its members are, and what it is called.
    Manage,
}

impl Action {
    /// All of them, for tables.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] =
        [Self::Read, Self::Presence, Self::Write, Self::Create, Self::Close, Self::Delete, Self::Manage];

    /// For audit records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Presence => "presence",
            Self::Write => "write",
            Self::Create => "create",
            Self::Close => "close",
            Self::Delete => "delete",
            Self::Manage => "manage",
        }
    }

    /// A credential with one of these may be used for it.
    pub(crate) const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Read => &[Scope::StreamRead],
            // Who may only be present may also write the events that say so.
            Self::Presence | Self::Write => &[Scope::Presence, Scope::StreamWrite],
            Self::Create | Self::Close | Self::Delete | Self::Manage => &[Scope::StreamWrite],
        }
    }
}
