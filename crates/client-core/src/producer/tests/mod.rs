//! The producer: one batch at a time, several, every cell of the table, and a network that does anything.

mod answers;
mod cells;
mod harness;
mod network;
mod window;
