//! What the parser says of bad events, with its own words for where and what. In the browser `pkg/src/rejection.ts`
//! finds these words; a test there compares.

use durable_sessions_schema::{Parser, Rejection, Verdict};
use serde_json::{Value, json};

/// One message or frame each, refused for one reason each.
const REFUSED: &[&str] = &[
    // Messages.
    r"1",
    r#""text""#,
    r"null",
    r"[]",
    r"{}",
    r#"{"id":"","type":"chunk","timestamp":1,"data":{"text":"x"}}"#,
    r#"{"id":"e1","type":7,"timestamp":1,"data":{"text":"x"}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":-1,"data":{"text":"x"}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":[1,2]}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{"text":{"a":[1,"},{",null],"b":"…"}}}"#,
    r#" { "id" : "e1" , "type" : "chunk" , "timestamp" : 1 , "data" : { "text" : [ 1 , 2 ] } } "#,
    r#"{"data":{"text":"x","turn":1.5},"type":"chunk","id":"e1","timestamp":1}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{"text":"x","delta":"y"}}"#,
    r#"{"id":"e1","id":"e2","type":"chunk","timestamp":1,"data":{"text":"x"}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{"text":"half \ud800 of a pair"}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{"text":"x","half \ud800":1}}"#,
    r#"{"id":"e1","type":"app:own","timestamp":1,"data":{"a b":[0,{"c":[1e999]}]}}"#,
    r#"{"id":"e1","type":"app:own","timestamp":1,"data":{"quo\"te":{"\u0061":1e999}}}"#,
    r#"{"id":"e1","type":"app:own","timestamp":1,"data":{"é":[[],[{}, {"x":"\udc00"}]]}}"#,
    r#"{"id":"e1","type":"state:update","timestamp":1,"data":{"status":"asleep"}}"#,
    r#"{"id":"e1","type":"state:update","timestamp":1,"data":{"status":"asleep, and for a rather long time: longer than an excerpt is"}}"#,
    r#"{"id":"e1","type":"tool:start","timestamp":1,"data":{"toolId":"t","id":"t","tool":"x"}}"#,
    r#"{"id":"e1","type":"tool:result","timestamp":1,"data":{"id":"t","tool":"x","isError":"no"}}"#,
    r#"{"id":"e1","type":"presence:cursor","timestamp":1,"data":{"userId":"u","cursor":{"x":1}}}"#,
    r#"{"id":"e1","type":"presence:cursor","timestamp":1,"data":{"userId":"u","cursor":{"x":1,"y":true}}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{"text":"x"},"meta":{"schemaVersion":2,"eventId":"e"}}"#,
    r#"{"id":"e1","type":"chunk","timestamp":1,"data":{"text":"x"},"meta":{"schemaVersion":1,"eventId":"e","partType":"none"}}"#,
    r#"{"id":"e1","type":"approval:requested","timestamp":1,"data":{"payload":[{"x":1},2,3]}}"#,
    // Frames that are no JSON.
    "",
    "{",
    r#"{"id":"e1", oops"#,
    r#"{"id":"e1" "type":"chunk"}"#,
    r#"{"id":"e1","type":"chunk","timestamp":01,"data":{"text":"x"}}"#,
    "{\"id\":\"a\u{1}b",
    r#"{"id":"a\q","type":"chunk"}"#,
    r#"{"id":"a\u12","type":"chunk"}"#,
    r#"[{"id":"e1","type":"chunk","timestamp":1,"data":{"text":"x"}}] and more"#,
    r#"[nil]"#,
];

/// A JSON document of all of them.
pub(crate) fn rejections() -> String {
    let all: Vec<Value> = REFUSED.iter().map(|text| refused(text)).collect();
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn refused(text: &str) -> Value {
    // As a frame: an array of messages, unless that would change what is wrong with it.
    let is_message = serde_json::from_str::<Value>(text).is_ok();
    let frame = if is_message { format!("[{text}]") } else { text.to_owned() };
    let mut found = None;
    let read = Parser::new().parse_messages(frame.as_bytes(), &mut |verdict| {
        if let Verdict::Rejected { rejection, raw } = verdict {
            let at = rejection.at - rejection.message_at;
            found = Some(in_words("INVALID_EVENT", &rejection, raw, at));
        }
    });
    match (read, found) {
        (Err(rejection), _) => {
            let behind = frame.as_bytes().get(rejection.at..).unwrap_or_default();
            in_words("INVALID_JSON", &rejection, behind, 0)
        }
        (Ok(_), Some(found)) => found,
        // In the file this is an example that its test cannot pass.
        (Ok(_), None) => json!({ "accepted": text }),
    }
}

fn in_words(code: &str, rejection: &Rejection, raw: &[u8], at: usize) -> Value {
    let (before, behind) = raw.split_at(at);
    json!({
        "code": code,
        "reason": rejection.code.as_str(),
        "expected": rejection.expected,
        "before": String::from_utf8_lossy(before),
        "behind": String::from_utf8_lossy(behind),
        "eventType": rejection.event_type,
        "path": rejection.path,
        "came": rejection.came,
    })
}
