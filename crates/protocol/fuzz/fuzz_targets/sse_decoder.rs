//! Any bytes, cut anywhere: the items do not depend on the cuts, memory stays bounded, nothing panics.
#![no_main]

use durable_sessions_protocol::sse::SseDecoder;
use libfuzzer_sys::fuzz_target;

const FRAME_BYTES_MAX: usize = 1024;

fn decode(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
    let mut decoder = SseDecoder::new(FRAME_BYTES_MAX);
    let mut items = Vec::new();
    for chunk in chunks {
        decoder.push(&chunk);
        while let Some(item) = decoder.next_item() {
            items.push(format!("{item:?}"));
        }
        assert!(decoder.spare(0).len() <= 4 * (FRAME_BYTES_MAX + chunk.len()));
    }
    items
}

fuzz_target!(|input: (u8, &[u8])| {
    let (width, bytes) = input;
    let whole = decode(std::iter::once(bytes.to_vec()));
    let cut = decode(bytes.chunks(usize::from(width) + 1).map(<[u8]>::to_vec));
    assert_eq!(whole, cut);
});
