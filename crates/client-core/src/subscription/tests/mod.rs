mod cells;
mod delivery;
mod harness;
mod invariants;
mod reading;
