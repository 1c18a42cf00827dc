//! Who a request comes from. Must not know what a caller may do with a stream; `access` decides that.
//!
//! | module | what it holds |
//! |---|---|
//! | `authenticator` | the ways in, and which of them a request takes |
//! | `caller`, `claims`, `scope`, `pattern` | the caller, and the words it is described in |
//! | `bearer`, `route` | where a request carries credentials, and where they count |
//! | `jwt`, `crypto`, `key_set` | signed tokens of the application, and their keys |
//! | `api_key`, `key_store` | keys that administrators make |
//! | `forward` | the application decides |
//! | `sealed` | stream tokens and the cookie |
//! | `remembered`, `outgoing` | what was decided before; requests to others |

mod api_key;
mod authenticator;
mod bearer;
mod caller;
mod claims;
mod config;
mod crypto;
mod forward;
mod jwt;
mod key_set;
mod key_store;
mod outgoing;
mod pattern;
mod remembered;
mod route;
mod scope;
mod sealed;

pub(crate) use api_key::{ApiKey, NAME_CHARS_MAX, is_key_id};
pub(crate) use authenticator::Authenticator;
pub(crate) use bearer::bearer_token;
#[cfg(test)]
pub(crate) use caller::Validity;
pub(crate) use caller::{Caller, Identity, Source};
pub(crate) use claims::{ADMIN_SUBJECT, Claims, InvalidClaims, RolesClaim, Texts};
pub use config::{ForwardAuthConfig, IdentityConfig, InvalidIdentity, JwtConfig};
pub use jwt::{InvalidJwtKey, JwtKey};
pub(crate) use key_store::KeepError;
pub(crate) use pattern::{InvalidPattern, Patterns};
pub(crate) use route::{COOKIE_PLAIN, COOKIE_SECURE, streamed_session, takes_cookie};
pub(crate) use scope::Scope;
#[cfg(test)]
pub(crate) use scope::Scopes;
pub(crate) use sealed::{Purpose, Sealed};
