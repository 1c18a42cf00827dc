//! JSON or not: the parser's answer is that of serde_json, on anything. What it refuses beyond that rejects one event,
//! never the text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::{Style, any_event};
use durable_sessions_schema::{Parser, RejectionCode, Verdict};
use proptest::prelude::*;

/// serde_json skips strings without looking at their encoding, so that is asked first.
fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn same_answer(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut messages = 0;
    let answer = Parser::new().parse_messages(bytes, &mut |verdict| {
        messages += 1;
        let raw = match verdict {
            Verdict::Event(view) => view.raw(),
            Verdict::Rejected { rejection, raw } => {
                assert_ne!(rejection.code, RejectionCode::Syntax);
                raw
            }
        };
        assert!(is_json(raw), "not a whole message: {:?}", String::from_utf8_lossy(raw));
    });
    let shown = String::from_utf8_lossy(bytes);
    match answer {
        Ok(count) => {
            prop_assert!(is_json(bytes), "accepted what is not JSON: {shown:?}");
            prop_assert_eq!(count, messages);
        }
        Err(rejection) => {
            prop_assert!(!is_json(bytes), "refused JSON: {shown:?}: {rejection}");
            prop_assert_eq!(rejection.code, RejectionCode::Syntax);
            prop_assert!(rejection.at <= bytes.len());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(common::cases(1500))]

    #[test]
    fn on_any_bytes(bytes: Vec<u8>) {
        same_answer(&bytes)?;
    }

    #[test]
    fn on_the_characters_of_json(text in "[\\[\\]{}:,\"\\\\ \n0-9.eE+tfnu\\-aé\u{7}]{0,24}") {
        same_answer(text.as_bytes())?;
    }

    #[test]
    fn on_numbers(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,6})?") {
        same_answer(text.as_bytes())?;
    }

    #[test]
    fn on_damaged_events(
        node in any_event(),
        seed: u64,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut bytes = Style::of(seed).write(&node).into_bytes();
        for (at, byte, how) in damage {
            let at = at.index(bytes.len().max(1));
            match how {
                _ if bytes.is_empty() => {}
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"{}[]\",:\\0\n"[usize::from(byte) % 10]),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        same_answer(&bytes)?;
    }
}

#[test]
fn strings_at_every_alignment() {
    // The scan takes eight bytes at a time: whatever ends a string must be found wherever it stands in them.
    let specials: [&[u8]; 20] = [
        b"",
        b"\\",
        b"\\n",
        b"\\u0041",
        b"\x01",
        "é".as_bytes(),
        b"\\u12",
        b"\x7f",
        b"\\x",
        b"\\ud800",
        b"\\ud800\\udc00",
        "中".as_bytes(),
        "中文".as_bytes(),
        "中\u{1f600}文字".as_bytes(),
        // Half of a surrogate pair, and a form that is longer than it need be, each beside a character that is none of it.
        b"\xe4\xb8\xad\xed\xa0\x80",
        b"\xed\xa0\x80\xe4\xb8\xad",
        b"\xe4\xb8\xad\xe0\x9f\xbf",
        b"\xe0\x9f\xbf\xe4\xb8\xad",
        b"\xe4\xb8\xad\xe4\xb8",
        b"\xe4\xb8\xad\xe4",
    ];
    for padding in 0..20 {
        for special in specials {
            for plain in ["x", "中"].map(|character| character.repeat(padding)) {
                let plain = plain.as_bytes();
                same_answer(&[b"\"", plain, special, b"\""].concat()).unwrap();
                same_answer(&[b"[\"", plain, special, b"yy\", 1]"].concat()).unwrap();
                same_answer(&[b"\"", special, plain].concat()).unwrap();
            }
        }
    }
}

#[test]
fn what_is_not_utf8_is_refused_where_it_begins() {
    for (bad, at) in [
        (&b"\xe4\xb8\xad\xed\xa0\x80xx"[..], 3),
        (b"\xed\xa0\x80\xe4\xb8\xadxx", 0),
        (b"\xe0\x9f\xbf\xe4\xb8\xadxx", 0),
        (b"\xe4\xb8\xad\xe4\xb8\"xxxx", 3),
    ] {
        let text = [b"[\"", bad, b"\"]"].concat();
        let rejection = Parser::new().parse_messages(&text, &mut |_| {}).unwrap_err();
        // The message is no object, which is said only of what is JSON.
        assert_eq!((rejection.code, rejection.at), (RejectionCode::Syntax, 2 + at), "{bad:x?}");
    }
}

#[test]
fn nesting_beyond_the_limit_costs_a_message_not_the_text() {
    for depth in [62, 63, 64, 65, 66, 127, 128, 129, 130, 200, 5000] {
        let text = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let event = format!(r#"[{{"id":"1","type":"zz","timestamp":1,"data":{text}}},{text}]"#);
        let mut codes = Vec::new();
        let count = Parser::new().parse_messages(event.as_bytes(), &mut |verdict| {
            codes.push(match verdict {
                Verdict::Event(_) => None,
                Verdict::Rejected { rejection, .. } => Some((rejection.code, rejection.path)),
            });
        });
        assert_eq!(count, Ok(2), "{depth}");
        // The event's object is the first level.
        let too_deep = (depth > 63).then(|| (RejectionCode::TooDeep, format!("$.data{}", "[0]".repeat(63))));
        let shorten =
            |found: Option<(RejectionCode, String)>| found.map(|(code, path)| (code, path[..20].to_owned()));
        assert_eq!(shorten(codes[0].clone()), shorten(too_deep), "{depth}");
        assert_eq!(codes[1].as_ref().map(|(code, _)| *code), Some(RejectionCode::WrongType));
        let open = "[".repeat(depth);
        assert!(Parser::new().parse_messages(open.as_bytes(), &mut |_| {}).is_err());
        let crossed = format!("[{}}}", "{\"a\":[".repeat(depth));
        assert!(Parser::new().parse_messages(crossed.as_bytes(), &mut |_| {}).is_err());
    }
}
