//! Settings of identity as the server's configuration: who may come in, and how.

use std::path::Path;

use durable_sessions_server::{
    AuthConfig, EventPolicy, ForwardAuthConfig, IdentityConfig, JwtConfig, JwtKey, TlsConfig,
};

use super::ServeError;
use super::settings::Settings;

/// How long the application's answers are good unless told otherwise.
const FORWARD_AUTH_TTL: std::time::Duration = std::time::Duration::from_secs(10);

/// Who may come in.
pub(super) fn auth(settings: &Settings) -> Result<AuthConfig, ServeError> {
    match (&settings.token, settings.dev_no_auth.unwrap_or(false)) {
        (Some(_), true) => Err(ServeError::BothAuth),
        (Some(token), false) => Ok(AuthConfig::Token(token.0.clone())),
        (None, true) => Ok(AuthConfig::DevNoAuth),
        (None, false) if has_credentials(settings) => Ok(AuthConfig::Credentials),
        (None, false) => Err(ServeError::NoAuth),
    }
}

fn has_credentials(settings: &Settings) -> bool {
    has_keys(settings) || settings.forward_auth_url.is_some()
}

fn has_keys(settings: &Settings) -> bool {
    settings.jwt_secret.is_some() || settings.jwt_keys.is_some() || settings.jwks_url.is_some()
}

/// How callers prove who they are.
pub(super) fn identity(settings: &Settings) -> Result<IdentityConfig, ServeError> {
    let mut identity = IdentityConfig::default();
    // An issuer alone is a mistake that the server's own check names.
    let asked = has_keys(settings) || settings.jwt_issuer.is_some() || settings.jwt_audience.is_some();
    if asked {
        identity.jwt = Some(jwt(settings)?);
    }
    identity.forward_auth = settings.forward_auth_url.as_ref().map(|url| ForwardAuthConfig {
        url: url.clone(),
        cache_ttl: settings.forward_auth_ttl.map_or(FORWARD_AUTH_TTL, |ttl| ttl.0),
    });
    for (value, field) in [
        (settings.stream_token_ttl, &mut identity.stream_token_ttl),
        (settings.cookie_ttl, &mut identity.cookie_ttl),
    ] {
        if let Some(span) = value {
            *field = span.0;
        }
    }
    Ok(identity)
}

fn jwt(settings: &Settings) -> Result<JwtConfig, ServeError> {
    let mut jwt = JwtConfig {
        jwks_url: settings.jwks_url.clone(),
        issuer: settings.jwt_issuer.clone(),
        audience: settings.jwt_audience.clone(),
        ..JwtConfig::default()
    };
    if let Some(secret) = &settings.jwt_secret {
        let key = JwtKey::secret(secret.0.as_bytes());
        jwt.keys
            .push(key.map_err(|why| ServeError::Value { flag: "--jwt-secret", reason: why.to_string() })?);
    }
    if let Some(path) = &settings.jwt_keys {
        jwt.keys.extend(public_keys(path)?);
    }
    if let Some(leeway) = settings.jwt_leeway {
        jwt.leeway = leeway.0;
    }
    Ok(jwt)
}

fn public_keys(path: &Path) -> Result<Vec<JwtKey>, ServeError> {
    let wrong = |reason: String| ServeError::Value {
        flag: "--jwt-keys",
        reason: format!("{}: {reason}", path.display()),
    };
    let text = std::fs::read(path).map_err(|why| wrong(why.to_string()))?;
    JwtKey::public(&text).map_err(|why| wrong(why.to_string()))
}

/// What roles may write.
pub(super) fn event_policy(settings: &Settings, policy: &mut EventPolicy) {
    for (value, field) in [
        (&settings.viewer_events, &mut policy.viewer),
        (&settings.participant_events, &mut policy.participant),
        (&settings.operator_events, &mut policy.operator),
        (&settings.owner_events, &mut policy.owner),
    ] {
        if let Some(types) = value {
            field.clone_from(types);
        }
    }
}

/// Certificate and key, both or neither.
pub(super) fn tls(settings: &Settings) -> Result<Option<TlsConfig>, ServeError> {
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => Ok(Some(TlsConfig { cert: cert.clone(), key: key.clone() })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ServeError::Value { flag: "--tls-cert", reason: "needs --tls-key".into() }),
        (None, Some(_)) => Err(ServeError::Value { flag: "--tls-key", reason: "needs --tls-cert".into() }),
    }
}
