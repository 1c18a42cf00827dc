//! What agents say: the events of recorded runs, in order. Must not know sessions.

use std::path::{Path, PathBuf};

use durable_sessions_tests::Mark;
use serde_json::{Value, json};

/// Events of all recordings, one after the other.
pub(crate) struct Script(Vec<Line>);

struct Line {
    kind: String,
    /// A JSON object without its first brace.
    rest: String,
}

/// Words that a model is taken to say at a time.
const WORDS_PER_CHUNK: usize = 3;
/// Of what a tool printed.
const OUTPUT_CHARS_MAX: usize = 8_000;

impl Script {
    /// Reads the recordings of the repository, and those that are shared where there are any.
    pub(crate) fn read() -> Self {
        let mut lines = Vec::new();
        for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings"), "jsonl") {
            lines.extend(recording(&std::fs::read_to_string(&file).unwrap()));
        }
        let shared = std::env::var_os("DURABLE_SESSIONS_SHARED_DATA")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
        let runs = files(&shared.join("trajectories"), "traj");
        for file in &runs {
            lines.extend(trajectory(&std::fs::read_to_string(file).unwrap()));
        }
        println!("{} recorded events, with {} shared runs", lines.len(), runs.len());
        assert!(!lines.is_empty());
        Self(lines)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The event at a place, which is taken round; marked, with an id of its own.
    pub(crate) fn event(&self, at: usize, id: &str, mark: Mark) -> String {
        let Line { kind, rest } = &self.0[at % self.0.len()];
        let comma = if rest.starts_with('}') { "" } else { "," };
        format!(r#"{{"id":"{id}","type":"{kind}","data":{{{mark}{comma}{rest}}}"#)
    }
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn line(kind: &str, data: &Value) -> Line {
    Line { kind: kind.to_owned(), rest: data.to_string().split_off(1) }
}

/// One of our own recordings. Whoever was present then is not now, and the header is no event.
fn recording(text: &str) -> Vec<Line> {
    let events = text.lines().filter_map(|text| serde_json::from_str::<Value>(text).ok());
    events
        .filter_map(|event| Some(line(event["type"].as_str()?, event.get("data")?)))
        .filter(|line| !line.kind.starts_with("presence:"))
        .collect()
}

/// A run of SWE-agent: what it thought, in pieces, and each action as a tool call.
fn trajectory(text: &str) -> Vec<Line> {
    let run: Value = serde_json::from_str(text).unwrap();
    let mut lines = Vec::new();
    for (number, step) in run["trajectory"].as_array().into_iter().flatten().enumerate() {
        let text_of = |field: &str| step[field].as_str().unwrap_or_default();
        let thought: Vec<&str> = text_of("thought").split_inclusive(' ').collect();
        for words in thought.chunks(WORDS_PER_CHUNK) {
            lines.push(line("chunk", &json!({ "text": words.concat(), "agentId": "soak" })));
        }
        let Some(tool) = text_of("action").split_whitespace().next() else { continue };
        let (tool, id) = (tool.chars().take(64).collect::<String>(), format!("call-{number}"));
        let output: String = text_of("observation").chars().take(OUTPUT_CHARS_MAX).collect();
        lines.push(line("tool:start", &json!({ "id": id, "tool": tool, "input": text_of("action") })));
        lines.push(line("tool:result", &json!({ "id": id, "tool": tool, "output": output })));
    }
    lines
}
