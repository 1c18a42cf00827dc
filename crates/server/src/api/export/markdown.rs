//! Events as Markdown, for people: text as it was said, tools and terminals in code blocks. Must not know the store.
//!
//! What events hold cannot leave its place: text is quoted line by line, everything else stands in code with a fence
//! longer than any run of backticks inside.

use durable_sessions_schema::{Event, Payload, WorkflowPayload};

use super::Writer;
use crate::session::Found;

/// Longest line of what a tool was given or returned, in characters; it is cut with a mark. The JSON export has it all.
const TOOL_CHARS_MAX: usize = 10_000;

pub(super) struct Markdown {
    heading: String,
    /// A paragraph of text is open: of this agent.
    speaking: Option<String>,
}

impl Markdown {
    pub(super) fn new(id: &str, found: &Found) -> Self {
        let title = found.row.title.as_deref().unwrap_or(id);
        let created = rfc3339(u64::try_from(found.head.created_at_ms).unwrap_or_default());
        let heading = format!(
            "# {}\n\n- Session: `{id}`\n- Status: {}\n- Created: {created}\n- Events: {}\n",
            inline(title),
            found.row.status,
            found.head.next_offset.position(),
        );
        Self { heading, speaking: None }
    }

    fn speak(&mut self, out: &mut Vec<u8>, agent: &str, text: &str) {
        if self.speaking.as_deref() != Some(agent) {
            self.hush(out);
            let name = if agent.is_empty() { "Agent".to_owned() } else { inline(agent) };
            out.extend_from_slice(format!("\n**{name}**\n\n> ").as_bytes());
            self.speaking = Some(agent.to_owned());
        }
        out.extend_from_slice(escaped(text).replace("\r\n", "\n").replace(['\r', '\n'], "\n> ").as_bytes());
    }

    fn hush(&mut self, out: &mut Vec<u8>) {
        if self.speaking.take().is_some() {
            out.push(b'\n');
        }
    }

    fn say(&mut self, out: &mut Vec<u8>, line: &str) {
        self.hush(out);
        out.extend_from_slice(b"\n");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }

    fn known(&mut self, out: &mut Vec<u8>, event: &Event) {
        let at = rfc3339(event.timestamp_ms);
        match &event.payload {
            Payload::Chunk(chunk) => {
                let agent = chunk.agent_id.as_ref().map_or("", |agent| agent.as_str());
                self.speak(out, agent, &chunk.text);
            }
            Payload::ToolStart(call) => {
                let input = call.input.as_ref().map(|input| block("json", &format!("{input:#}")));
                self.say(
                    out,
                    &format!("### Tool: {} ({at})\n{}", inline(&call.tool), input.unwrap_or_default()),
                );
            }
            Payload::ToolResult(call) => {
                let how = if call.is_error == Some(true) { "failed" } else { "returned" };
                let output = match &call.output {
                    Some(serde_json::Value::String(text)) => block("", text),
                    Some(output) => block("json", &format!("{output:#}")),
                    None => String::new(),
                };
                self.say(out, &format!("{} {how}\n{output}", inline(&call.tool)));
            }
            Payload::TerminalInput(terminal) => {
                self.say(out, &block("console", &format!("$ {}", terminal.data)));
            }
            Payload::TerminalOutput(terminal) | Payload::TerminalError(terminal) => {
                self.say(out, &block("console", &terminal.data));
            }
            Payload::PresenceJoined(presence) => {
                self.say(out, &format!("*{} joined ({at})*", inline(presence.user_id.as_str())));
            }
            Payload::PresenceLeft(presence) | Payload::PresenceTimeout(presence) => {
                self.say(out, &format!("*{} left ({at})*", inline(presence.user_id.as_str())));
            }
            Payload::ApprovalRequested(step) => self.step(out, "Approval requested", step, &at),
            Payload::ApprovalApproved(step) => self.step(out, "Approved", step, &at),
            Payload::ApprovalRejected(step) => self.step(out, "Rejected", step, &at),
            Payload::AgentError(agent) => {
                self.say(
                    out,
                    &format!(
                        "**Error** of {} ({at})\n{}",
                        inline(agent.agent_id.as_str()),
                        block("", &agent.error)
                    ),
                );
            }
            Payload::AgentPlanReady(agent) => {
                self.say(
                    out,
                    &format!(
                        "### Plan of {} ({at})\n{}",
                        inline(agent.agent_id.as_str()),
                        block("markdown", &agent.plan)
                    ),
                );
            }
            _ => self.say(out, &format!("- `{}` ({at})", event.event_type().replace('`', "'"))),
        }
    }

    fn step(&mut self, out: &mut Vec<u8>, what: &str, step: &WorkflowPayload, at: &str) {
        let by = step.actor.as_deref().map(|actor| format!(" by {}", inline(actor))).unwrap_or_default();
        let payload = serde_json::Value::Object(step.payload.clone());
        self.say(out, &format!("**{what}**{by} ({at})\n{}", block("json", &format!("{payload:#}"))));
    }
}

impl Writer for Markdown {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.heading.as_bytes());
    }

    fn event(&mut self, out: &mut Vec<u8>, offset: u64, event: &[u8]) {
        match Event::from_json(event) {
            Ok(event) => self.known(out, &event),
            Err(_) => self.say(out, &format!("- event {offset} cannot be read")),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.hush(out);
    }
}

fn rfc3339(ms: u64) -> String {
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(ms));
    // Beyond the year 9999 there is no such form.
    match time.filter(|_| ms < 253_402_300_800_000) {
        Some(time) => humantime::format_rfc3339_seconds(time).to_string(),
        None => ms.to_string(),
    }
}

/// Text in a line: no line ends, and no markup.
fn inline(text: &str) -> String {
    escaped(text).replace(['\r', '\n'], " ")
}

/// Text whose characters mean themselves, HTML included.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            // What terminals take for commands.
            c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A code block that its content cannot end.
fn block(language: &str, text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let shown: String = text
        .chars()
        .take(TOOL_CHARS_MAX)
        // Line ends of terminals.
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect();
    let cut = text.chars().nth(TOOL_CHARS_MAX).map_or("", |_| "\n[cut here; the JSON export has all of it]");
    format!("\n{fence}{language}\n{shown}{cut}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(events: &[(&str, &str)]) -> String {
        let mut markdown = Markdown { heading: String::new(), speaking: None };
        let mut out = Vec::new();
        markdown.begin(&mut out);
        for (event_type, data) in events {
            let event = format!(r#"{{"id":"1","type":"{event_type}","timestamp":0,"data":{data}}}"#);
            markdown.event(&mut out, 1, event.as_bytes());
        }
        markdown.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pieces_of_text_are_joined_and_cannot_break_out() {
        let text = written(&[
            ("chunk", r#"{"text":"Hel","agentId":"a"}"#),
            ("chunk", r##"{"text":"lo\n# <script>","agentId":"a"}"##),
            ("chunk", r#"{"text":"other","agentId":"b"}"#),
        ]);
        assert_eq!(text, "\n**a**\n\n> Hello\n> \\# &lt;script>\n\n**b**\n\n> other\n");
    }

    #[test]
    fn code_cannot_end_its_block() {
        let text = written(&[("tool:result", r#"{"id":"1","tool":"t","output":"````\nx\u001b[31m"}"#)]);
        assert!(text.contains("\n`````\n````\nx\u{fffd}[31m\n`````\n"), "{text}");
        assert!(written(&[("my:own", "1")]).contains("- `my:own`"));
    }
}
