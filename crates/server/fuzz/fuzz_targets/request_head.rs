//! Any target and any headers: parameters of reads, lifetimes, producers, sequences, forks, retention, content types
//! are refused or read, and what was read reads the same when it is written. Input: the target, then a header a line.
#![no_main]

use durable_sessions_server::fuzzing::request_head;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let mut request = http::Request::put(target);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let (name, value) = (http::HeaderName::from_bytes(name), http::HeaderValue::from_bytes(value.get(1..).unwrap_or_default()));
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    if let Ok(request) = request.body(()) {
        request_head(&request.into_parts().0);
    }
});
