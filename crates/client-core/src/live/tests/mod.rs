//! Live subscriptions: every cell of the table, and nothing twice, nothing missing in whatever mode.

mod cells;
mod delivery;
mod fallback;
mod harness;
