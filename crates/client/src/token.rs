//! Where bearer tokens come from, and a text that does not leak into logs.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The token provider has no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenFailure(pub String);

type Provider = dyn Fn(bool) -> BoxFuture<'static, Result<Secret, TokenFailure>> + Send + Sync;

/// Gives the bearer token of each request.
#[derive(Clone)]
pub struct TokenSource(Arc<Provider>);

impl TokenSource {
    /// Always the same token.
    #[must_use]
    pub fn fixed(token: &str) -> Self {
        let token = Secret::new(token);
        Self(Arc::new(move |_| {
            let token = token.clone();
            Box::pin(async move { Ok(token) })
        }))
    }

    /// Asks for each request. The argument is true when the server has just refused the last token.
    pub fn provider<F>(provider: F) -> Self
    where
        F: Fn(bool) -> BoxFuture<'static, Result<Secret, TokenFailure>> + Send + Sync + 'static,
    {
        Self(Arc::new(provider))
    }

    pub(crate) async fn token(&self, fresh: bool) -> Result<Secret, TokenFailure> {
        (self.0)(fresh).await
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(
            format!("{:?} {:?}", Secret::new("hush"), TokenSource::fixed("hush")),
            "Secret(..) TokenSource(..)"
        );
    }
}
