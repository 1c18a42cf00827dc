//! Any stored value of a row, a stream, a producer or attributes: refused or read, and what was read is written as it
//! was. Input: kind u8, stream id u64, position u64, length of the producer's id u8, that id, the value.
#![no_main]

use durable_sessions_storage::fuzzing::stored_value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((head, rest)) = input.split_first_chunk::<18>() else { return };
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| head[at + n]));
    let producer_len = usize::from(head[17]).min(rest.len());
    let (producer, value) = rest.split_at(producer_len);
    stored_value(head[0], number(1), number(9), &String::from_utf8_lossy(producer), value);
});
