//! The binary `durable-sessions`.

fn main() {}
