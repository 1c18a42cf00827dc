//! Shows events to people: streaming text as text, everything else as a line. Must not know where events come
//! from.

use durable_sessions_client::schema::{Event, Payload, StatePayload, ToolCallPayload};
use serde_json::Value;

/// Longest arguments or results in a line, in characters.
const SHOWN_MAX: usize = 160;

/// Remembers whether the last text ended its line.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    inside_line: bool,
}

impl Renderer {
    /// What to print for `event`. Control characters are taken out: a stream must not steer a terminal.
    pub(crate) fn event(&mut self, event: &Event) -> String {
        match &event.payload {
            Payload::Chunk(chunk) => self.text(&chunk.text),
            Payload::TerminalInput(terminal)
            | Payload::TerminalOutput(terminal)
            | Payload::TerminalError(terminal) => self.text(&terminal.data),
            Payload::ToolStart(call) => {
                self.line(event, &format!("-> {}{}", call.tool, shown(call.input.as_ref())))
            }
            Payload::ToolResult(call) => self.line(event, &result(call)),
            Payload::StateUpdate(state) => self.line(event, &state_line(state)),
            payload => {
                let data = serde_json::to_value(payload).ok();
                self.line(event, &format!("{}{}", event.event_type(), shown(data.as_ref())))
            }
        }
    }

    /// What to print for a message that is no valid event.
    pub(crate) fn unknown(&mut self, raw: &[u8]) -> String {
        let text = plain(&String::from_utf8_lossy(raw)).replace('\n', " ");
        format!("{}{}\n", self.end_line(), shown(Some(&Value::String(text))).trim_start())
    }

    /// Ends a line of streaming text, if there is one.
    pub(crate) fn end_line(&mut self) -> &'static str {
        if std::mem::take(&mut self.inside_line) { "\n" } else { "" }
    }

    fn text(&mut self, text: &str) -> String {
        let text = plain(text);
        if let Some(last) = text.chars().next_back() {
            self.inside_line = last != '\n';
        }
        text
    }

    fn line(&mut self, event: &Event, text: &str) -> String {
        format!("{}{} {}\n", self.end_line(), time_of_day(event.timestamp_ms), plain(text).replace('\n', " "))
    }
}

fn result(call: &ToolCallPayload) -> String {
    let outcome = if call.is_error == Some(true) { " failed" } else { "" };
    let took = call.duration.map(|ms| format!(" {ms:.0} ms")).unwrap_or_default();
    format!("<- {}{outcome}{took}{}", call.tool, shown(call.output.as_ref()))
}

fn state_line(state: &StatePayload) -> String {
    let mut line = format!("state {}", state.status);
    if let Some(turn) = state.turn {
        line.push_str(&format!(", turn {turn}"));
    }
    if let Some(progress) = state.progress {
        line.push_str(&format!(", {:.0} %", progress * 100.0));
    }
    for (what, text) in [("tool", &state.current_tool), ("", &state.message), ("error", &state.error)] {
        if let Some(text) = text {
            line.push_str(&format!(", {what}{}{text}", if what.is_empty() { "" } else { " " }));
        }
    }
    line
}

/// A value in a few words, with a space before it.
fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    match text.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!(" {}...", &text[..cut]),
        None => format!(" {text}"),
    }
}

/// Lines and tabs stay, CRLF becomes LF, escape sequences lose their power.
fn plain(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

/// Hours, minutes and seconds in UTC.
fn time_of_day(timestamp_ms: u64) -> String {
    let seconds = timestamp_ms / 1000;
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_streams_and_the_rest_gets_lines() {
        let mut renderer = Renderer::default();
        let mut shown = String::new();
        for (event_type, data) in [
            ("chunk", r#"{"text":"Let me "}"#),
            ("chunk", r#"{"text":"look."}"#),
            ("tool:start", r#"{"id":"c1","tool":"ls","input":{"action":"ls -F"}}"#),
            ("terminal:output", r#"{"data":"a\r\n\u001b[31mb\u001b[0m\r\n"}"#),
            ("tool:result", r#"{"id":"c1","tool":"ls","output":"a\nb","duration":240,"isError":true}"#),
            ("state:update", r#"{"status":"running","turn":2,"progress":0.25,"currentTool":"ls"}"#),
            ("my:own", r#"{"x":1}"#),
        ] {
            let json =
                format!("{{\"id\":\"e\",\"type\":\"{event_type}\",\"timestamp\":45296000,\"data\":{data}}}");
            shown += &renderer.event(&Event::from_json(json.as_bytes()).unwrap());
        }
        assert_eq!(
            shown,
            "Let me look.\n\
             12:34:56 -> ls {\"action\":\"ls -F\"}\n\
             a\n[31mb[0m\n\
             12:34:56 <- ls failed 240 ms a b\n\
             12:34:56 state running, turn 2, 25 %, tool ls\n\
             12:34:56 my:own {\"x\":1}\n"
        );
    }
}
