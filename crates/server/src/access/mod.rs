//! What a caller may do: one decision point, which denies unless a rule permits. Must not know how
//! callers prove who they are, nor which routes there are.
//!
//! | module | what it holds |
//! |---|---|
//! | `action`, `role` | the words of the rules |
//! | `ownership` | whose a stream is, as its attributes say |
//! | `decide` | the decision, a table |
//! | `guard` | the decision about a stream in the store, and its answer |
//! | `policy` | which event types a role may write |
//! | `written` | whether events may be written, and in whose names |

mod action;
mod decide;
mod guard;
mod ownership;
mod policy;
mod role;
mod written;

pub(crate) use action::Action;
pub(crate) use decide::{Denied, Permit, Resource, decide};
pub(crate) use guard::{guard, guard_existing, guard_head, guard_new, is_visible};
pub(crate) use ownership::Ownership;
pub use policy::EventPolicy;
pub(crate) use role::{Role, RoleClaims};
pub(crate) use written::Writer;
