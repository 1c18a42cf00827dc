//! Metrics for Prometheus: what is counted as it happens (`counters`), what is looked up when somebody asks
//! (`snapshot`), and the route. Their names are documented in `docs/operations.md`. Must not decide anything.

mod counters;
mod distribution;
pub(crate) mod route;
mod snapshot;

pub(crate) use counters::{Eviction, Metrics};
pub(crate) use route::{metrics, router};
