//! Scopes: the kinds of things a token may be used for at all. Must not know sessions or roles.

/// One thing a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Scope {
    /// `stream:read`.
    StreamRead = 1,
    /// `stream:write`.
    StreamWrite = 2,
    /// `presence`.
    Presence = 4,
    /// `admin`: owner of everything in the caller's project; without a project, of everything there is.
    Admin = 8,
}

impl Scope {
    /// All of them, in the order they are written in.
    pub(crate) const ALL: [Self; 4] = [Self::StreamRead, Self::StreamWrite, Self::Presence, Self::Admin];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StreamRead => "stream:read",
            Self::StreamWrite => "stream:write",
            Self::Presence => "presence",
            Self::Admin => "admin",
        }
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scopes(u8);

impl Scopes {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope as u8)
    }

    /// `admin` includes the others.
    pub(crate) const fn has(self, scope: Scope) -> bool {
        self.0 & (scope as u8 | Scope::Admin as u8) != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The words of a `scope` claim (RFC 8693, section 4.2: separated by spaces). Words of other applications are
    /// passed over: a token may be good for more than one of them.
    pub(crate) fn of_claim(claim: &str) -> Self {
        Self::of_words(claim.split_ascii_whitespace())
    }

    pub(crate) fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        words.into_iter().fold(Self::NONE, |scopes, word| {
            Scope::ALL.into_iter().filter(|scope| scope.as_str() == word).fold(scopes, Self::with)
        })
    }

    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & *scope as u8 != 0).map(Scope::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_words_and_admin_is_all_of_them() {
        let scopes = Scopes::of_claim("openid stream:read  presence stream:reads");
        assert!(scopes.has(Scope::StreamRead) && scopes.has(Scope::Presence));
        assert!(!scopes.has(Scope::StreamWrite) && !scopes.has(Scope::Admin));
        assert_eq!(scopes.words().collect::<Vec<_>>(), ["stream:read", "presence"]);
        assert!(Scope::ALL.into_iter().all(|scope| Scopes::of_claim("admin").has(scope)));
        assert!(Scopes::of_claim("Admin ADMIN admin:x").is_empty());
    }
}
