//! Writes `pkg/src/generated`, and the examples of `pkg/test/generated`, from the schema: `cargo run -p durable-sessions-client-wasm --example generate`.

#[cfg(not(target_arch = "wasm32"))]
mod records;
#[cfg(not(target_arch = "wasm32"))]
mod rejections;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::io::Result<()> {
    use std::{fs, path::Path};
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkg/src/generated");
    fs::write(directory.join("records.ts"), records::records())?;
    fs::write(directory.join("types.ts"), durable_sessions_schema::typescript())?;
    fs::write(directory.join("events.schema.json"), durable_sessions_schema::json_schema())?;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkg/test/generated");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("rejections.json"), rejections::rejections())
}

// `wasm-pack test` builds examples too.
#[cfg(target_arch = "wasm32")]
fn main() {}
