//! Who a request comes from. Must not know what a caller may do with a stream; `access` decides that.
//!
//! | module | what it holds |
//! |---|---|
//! | `caller`, `scope`, `pattern` | the caller, and the words its claims are written in |
//! | `bearer` | where a request carries its token |

#![allow(dead_code, unused_imports, reason = "the credentials that use all of it come next")]

mod bearer;
mod caller;
mod pattern;
mod scope;

pub(crate) use bearer::{authenticate, bearer_token};
pub(crate) use caller::{Caller, Identity, Source};
pub(crate) use pattern::{InvalidPattern, Patterns};
pub(crate) use scope::{Scope, Scopes};
