//! Any body: either refused, or split into texts that are JSON themselves and stand in the body as they are.
#![no_main]

use durable_sessions_protocol::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(split) = json::split_messages(body) else { return };
    let joined = split.joined(body);
    let mut start = 0;
    for &end in &split.ends {
        let message = &joined[start..end as usize];
        json::check(message).expect("a message is JSON");
        assert!(body.windows(message.len()).any(|window| window == message));
        start = end as usize + 1;
    }
    // Reading them back as the array a reader gets splits them the same way.
    let array = [b"[", joined, b"]"].concat();
    assert_eq!(json::split_messages(&array).expect("an array of messages").ends, split.ends);
});
