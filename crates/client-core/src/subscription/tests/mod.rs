//! The machine cell by cell, frame by frame, against a simulated server, and under inputs in any order.

mod cells;
mod delivery;
mod harness;
mod invariants;
mod reading;
mod walk;
