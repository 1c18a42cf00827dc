//! Writes `pkg/src/generated` from the schema: `cargo run -p durable-sessions-client-wasm --example generate`.

mod records;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkg/src/generated");
    fs::write(directory.join("records.ts"), records::records())?;
    fs::write(directory.join("types.ts"), durable_sessions_schema::typescript())
}
