//! Every chore of this repository as a verb.

fn main() {}
