use proptest::prelude::*;

use super::*;

fn messages(body: &str) -> Result<Vec<String>, JsonError> {
    let split = split_messages(body.as_bytes())?;
    let joined = std::str::from_utf8(split.joined(body.as_bytes())).unwrap();
    let mut start = 0;
    Ok(split
        .ends
        .iter()
        .map(|&end| {
            let message = joined[start..end as usize].to_owned();
            start = end as usize + 1;
            message
        })
        .collect())
}

#[test]
fn one_level_of_an_array_is_flattened_and_nothing_else_changes() {
    for (body, expected) in [
        (r#"{"event": "created"}"#, vec![r#"{"event": "created"}"#]),
        (r#"[{"a":1},{"b": 2 }]"#, vec![r#"{"a":1}"#, r#"{"b": 2 }"#]),
        ("[[1,2], [3,4]]", vec!["[1,2]", "[3,4]"]),
        ("[[[1,2,3]]]", vec!["[[1,2,3]]"]),
        (" \r\n[ 1 ,\t\"a,]\\\"\" , null ]\n", vec!["1", "\"a,]\\\"\"", "null"]),
        ("[1,2 ,3]", vec!["1", "2", "3"]),
        ("  -0.5e+10  ", vec!["-0.5e+10"]),
        ("[]", vec![]),
        ("[ ]", vec![]),
        ("[{},[],\"\"]", vec!["{}", "[]", "\"\""]),
        ("\"\\ud800 \\u00e9 é\"", vec!["\"\\ud800 \\u00e9 é\""]),
    ] {
        assert_eq!(messages(body).unwrap(), expected, "{body}");
    }
}

#[test]
fn tight_arrays_are_not_copied() {
    let body = b" [{\"a\":1},2] ";
    assert_eq!(split_messages(body).unwrap().joined, Joined::Range(2..11));
    assert!(matches!(split_messages(b"[1, 2]").unwrap().joined, Joined::Rebuilt(_)));
}

#[test]
fn what_is_not_json_is_refused_where_it_breaks() {
    use JsonProblem::*;
    for (body, at, problem) in [
        (&b""[..], 0, End),
        (b"  ", 2, End),
        (b"{", 1, End),
        (b"[1", 2, End),
        (b"[1,]", 3, Value),
        (b"[,1]", 1, Value),
        (b"{\"a\":1,}", 7, Key),
        (b"{\"a\" 1}", 5, Colon),
        (b"{a:1}", 1, Key),
        (b"[1 2]", 3, Separator),
        (b"{\"a\":1]", 6, Separator),
        (b"[{}}", 3, Separator),
        (b"01", 1, Trailing),
        (b"1 2", 2, Trailing),
        (b"[1] x", 4, Trailing),
        (b"-", 1, End),
        (b"-x", 1, Number),
        (b"1.x", 2, Number),
        (b"1e+x", 3, Number),
        (b"tru", 0, Value),
        (b"'a'", 0, Value),
        (b"\"a\nb\"", 2, ControlCharacter),
        (b"\"\\x\"", 2, Escape),
        (b"\"\\u12g4\"", 5, Escape),
        (b"\"abc", 4, End),
        (b"\"a\xff\"", 2, Utf8),
        (b"\xef\xbb\xbf1", 0, Value),
    ] {
        assert_eq!(
            split_messages(body),
            Err(JsonError { at, problem }),
            "{:?}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    // The outer array of an append is not part of its messages.
    assert!(split_messages(nested(JSON_DEPTH_MAX as usize + 1).as_bytes()).is_ok());
    let error = split_messages(nested(JSON_DEPTH_MAX as usize + 2).as_bytes()).unwrap_err();
    assert_eq!(error.problem, JsonProblem::Depth);
    assert!(check("{\"a\":".repeat(100_000).as_bytes()).is_err());
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn splits_as_serde_json_does(value in value(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let split: Vec<serde_json::Value> =
            messages(&body).unwrap().iter().map(|m| serde_json::from_str(m).unwrap()).collect();
        // Read back first: serde_json's floats need not survive a round trip.
        let expected = match serde_json::from_str(&body).unwrap() { serde_json::Value::Array(items) => items, one => vec![one] };
        prop_assert_eq!(split, expected);
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_text(value in value(), at: prop::sample::Index, byte: u8) {
        let mut body = serde_json::to_vec(&value).unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        // `IgnoredAny` checks the grammar without converting, which is all that is claimed here.
        let valid = std::str::from_utf8(&body).is_ok_and(|text| {
            serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
        });
        prop_assert_eq!(check(&body).is_ok(), valid, "{:?}", String::from_utf8_lossy(&body));
    }
}
