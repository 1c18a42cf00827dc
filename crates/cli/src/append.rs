//! `append`: adds events from the command line or from JSON lines, and to other streams whatever they hold. Must not know
//! HTTP.

use durable_sessions_client::schema::{Parser, Payload};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::appender::Appender;
use crate::args::AppendArgs;
use crate::event_ids::EventIds;
use crate::failure::Failure;
use crate::notice::notice;
use crate::remote::Remote;
use crate::wire;

/// Longest line of standard input, in bytes: what a server takes as one message is less.
const LINE_LEN_MAX: usize = 16 * 1024 * 1024;

/// Bytes that are read at a time from what is not JSON.
const PIECE_LEN_MAX: usize = 64 * 1024;

/// Events that may wait for acknowledgement.
const EVENTS_WAITING_MAX: usize = 4096;

/// Appends one event, or all lines of standard input; to a stream that is not JSON, its bytes.
pub(crate) async fn run(args: &AppendArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    if args.target.is_session() && !args.content_type.is_json() {
        let reason = "a session is always application/json".to_owned();
        return Err(Failure::Usage { argument: "--content-type", reason });
    }
    let mut completer = Completer::new(args.target.is_session())?;
    let remote = Remote::new(&args.connection)?;
    // What is wrong with an event of a session is known before anything is asked for.
    let mut single = if args.target.is_session() { single(args, &mut completer)? } else { None };
    let create = args.create.then_some(&args.content_type);
    let content_type = remote.check_writable(&path, create).await?;
    let is_json = content_type.is_json();
    if is_json && single.is_none() {
        single = self::single(args, &mut completer)?;
    }
    if !is_json && args.event_type.is_some() {
        let reason = format!("{path} holds {content_type}, not events");
        return Err(Failure::Usage { argument: "--type", reason });
    }
    let appender =
        remote.appender(&path, content_type, Some(args.connection.retry_for), EVENTS_WAITING_MAX)?;
    let (appended, what) = match (single, &args.data) {
        (Some(event), _) => {
            appender.append(&event).await?;
            (1, "event")
        }
        (None, _) if is_json => (append_lines(&appender, &mut completer).await?, "event"),
        (None, Some(text)) => (append_bytes(&appender, text.as_bytes()).await?, "byte"),
        (None, None) => (append_bytes(&appender, tokio::io::stdin()).await?, "byte"),
    };
    appender.flush().await?;
    notice(&format!("appended {appended} {what}{} to {path}", if appended == 1 { "" } else { "s" }));
    Ok(())
}

fn single(args: &AppendArgs, completer: &mut Completer) -> Result<Option<Vec<u8>>, Failure> {
    let Some(text) = &args.data else { return Ok(None) };
    let wrong = |reason: String| Failure::Usage { argument: "--data", reason };
    let Some(event_type) = &args.event_type else {
        return completer.complete(text.as_bytes()).map(Some).map_err(wrong);
    };
    let data: Value = serde_json::from_str(text).map_err(|error| wrong(format!("not JSON: {error}")))?;
    let payload = Payload::Unknown { event_type: event_type.clone(), data };
    let event = wire::event(completer.ids.mint(), wire::now_ms(), payload);
    completer.complete(&event).map(Some).map_err(wrong)
}

/// Appends whatever comes, as soon as it does.
async fn append_bytes(
    appender: &Appender,
    mut input: impl tokio::io::AsyncRead + Unpin,
) -> Result<u64, Failure> {
    use tokio::io::AsyncReadExt as _;
    let mut buffer = vec![0; PIECE_LEN_MAX];
    let mut appended = 0;
    loop {
        let read = input.read(&mut buffer).await.map_err(Failure::Stdin)?;
        if read == 0 {
            return Ok(appended);
        }
        appender.append(&buffer[..read]).await?;
        appended += read as u64;
    }
}

async fn append_lines(appender: &Appender, completer: &mut Completer) -> Result<u64, Failure> {
    let mut input = BufReader::new(tokio::io::stdin());
    let (mut number, mut appended) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        if read_line(&mut input, &mut line).await.map_err(Failure::Stdin)? == 0 {
            return Ok(appended);
        }
        let event = line.trim_ascii();
        if event.is_empty() {
            continue;
        }
        match completer.complete(event) {
            Ok(event) => appender.append(&event).await?,
            Err(reason) => {
                // What was taken before counts, so it has to arrive before we say so.
                appender.flush().await?;
                return Err(Failure::InputLine { line: number, reason, appended });
            }
        }
        appended += 1;
    }
}

/// Reads up to a line end; a longer line comes cut and is refused as malformed.
async fn read_line(
    input: &mut BufReader<tokio::io::Stdin>,
    line: &mut Vec<u8>,
) -> Result<usize, std::io::Error> {
    use tokio::io::AsyncReadExt as _;
    input.take(LINE_LEN_MAX as u64).read_until(b'\n', line).await
}

/// Checks events before they are sent, and fills in what a session's events need.
struct Completer {
    ids: EventIds,
    parser: Parser,
    is_session: bool,
}

#[derive(Deserialize)]
struct Given {
    id: Option<IgnoredAny>,
    timestamp: Option<IgnoredAny>,
}

impl Completer {
    fn new(is_session: bool) -> Result<Self, Failure> {
        Ok(Self { ids: EventIds::random("append")?, parser: Parser::new(), is_session })
    }

    /// The event with an id and a timestamp; otherwise byte for byte what was given.
    fn complete(&mut self, json: &[u8]) -> Result<Vec<u8>, String> {
        if !self.is_session {
            let checked = serde_json::from_slice::<IgnoredAny>(json);
            return checked.map(|_| json.to_vec()).map_err(|error| format!("not JSON: {error}"));
        }
        let event = match serde_json::from_slice::<Given>(json) {
            Ok(given) => self.fill(&given, json),
            // The parser says better what is wrong.
            Err(_) => json.to_vec(),
        };
        match self.parser.parse_event(&event) {
            Ok(_) => Ok(event),
            Err(rejection) => Err(rejection.to_string()),
        }
    }

    fn fill(&mut self, given: &Given, json: &[u8]) -> Vec<u8> {
        let mut added = String::new();
        if given.id.is_none() {
            added.push_str(&format!("\"id\":\"{}\",", self.ids.mint()));
        }
        if given.timestamp.is_none() {
            added.push_str(&format!("\"timestamp\":{},", wire::now_ms()));
        }
        match json.trim_ascii_start().strip_prefix(b"{") {
            Some(rest) if !added.is_empty() => [b"{", added.as_bytes(), rest].concat(),
            _ => json.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_ids_and_times_are_filled_in_and_the_rest_is_kept() {
        let mut completer = Completer::new(true).unwrap();
        let whole = br#"{ "id":"e1", "type":"chunk","timestamp":1, "data":{"text":"a"} }"#;
        assert_eq!(completer.complete(whole).unwrap(), whole);
        let filled = completer.complete(br#" {"type":"chunk","data":{"text":"\u00e4"}}"#).unwrap();
        let filled = String::from_utf8(filled).unwrap();
        assert!(filled.starts_with("{\"id\":\"append-"), "{filled}");
        assert!(filled.contains("\"timestamp\":1"), "{filled}");
        assert!(filled.ends_with(r#""type":"chunk","data":{"text":"\u00e4"}}"#), "{filled}");
    }

    #[test]
    fn bad_events_say_why() {
        let mut completer = Completer::new(true).unwrap();
        for (json, expected) in [
            ("{", ""),
            ("[]", ""),
            (r#"{"type":"chunk","data":{}}"#, "text"),
            (r#"{"type":"state:update","data":{"status":"busy"}}"#, "status"),
        ] {
            let reason = completer.complete(json.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{json}: {reason}");
        }
        let mut completer = Completer::new(false).unwrap();
        assert_eq!(completer.complete(b"[1]").unwrap(), b"[1]");
        assert!(completer.complete(b"[1").unwrap_err().starts_with("not JSON"));
    }
}
