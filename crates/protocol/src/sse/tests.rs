use proptest::prelude::*;

use super::*;
use crate::Control;

/// An item that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Frame(Vec<u8>, Vec<u8>, Option<Vec<u8>>),
    Comment(Vec<u8>),
    Retry(u64),
    TooLarge,
}

fn owned(item: SseItem<'_>) -> Item {
    match item {
        SseItem::Frame(f) => Item::Frame(f.event.to_vec(), f.data.to_vec(), f.id.map(<[u8]>::to_vec)),
        SseItem::Comment(text) => Item::Comment(text.to_vec()),
        SseItem::Retry(ms) => Item::Retry(ms),
        SseItem::TooLarge { .. } => Item::TooLarge,
    }
}

fn drain(decoder: &mut SseDecoder, items: &mut Vec<Item>) {
    while let Some(item) = decoder.next_item() {
        items.push(owned(item));
    }
}

fn decode_in(input: &[u8], cuts: &[usize], frame_bytes_max: usize) -> Vec<Item> {
    let mut decoder = SseDecoder::new(frame_bytes_max);
    let mut items = Vec::new();
    let mut start = 0;
    for &cut in cuts.iter().chain([&input.len()]) {
        decoder.push(&input[start..cut]);
        drain(&mut decoder, &mut items);
        start = cut;
    }
    items
}

/// The algorithm of the HTML standard, on the whole input at once.
fn decode_by_the_book(input: &[u8], frame_bytes_max: usize) -> Vec<Item> {
    let mut lines = vec![Vec::new()];
    let mut bytes = input.iter().peekable();
    while let Some(&b) = bytes.next() {
        match b {
            b'\r' | b'\n' => {
                if b == b'\r' && bytes.peek() == Some(&&b'\n') {
                    bytes.next();
                }
                lines.push(Vec::new());
            }
            _ => lines.last_mut().unwrap().push(b),
        }
    }
    // The last line has no end, so it is not complete; it can only be too long.
    let unfinished = lines.pop().unwrap();
    let (mut items, mut size, mut skipping) = (Vec::new(), 0, false);
    let (mut event, mut data, mut id) = (Vec::new(), Vec::<Vec<u8>>::new(), None);
    for (i, line) in lines.iter().enumerate() {
        if skipping {
            skipping = !line.is_empty();
            continue;
        }
        if !line.is_empty() && size + line.len() > frame_bytes_max {
            items.push(Item::TooLarge);
            (event, data, id, size) = (Vec::new(), Vec::new(), None, 0);
            skipping = true;
            continue;
        }
        let line = if i == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            if !data.is_empty() {
                items.push(Item::Frame(event, data.join(&b'\n'), id));
            }
            (event, data, id, size) = (Vec::new(), Vec::new(), None, 0);
            continue;
        }
        if line[0] == b':' {
            items.push(Item::Comment(line[1..].to_vec()));
            continue;
        }
        size += line.len() + 1;
        let colon = line.iter().position(|&b| b == b':');
        let name = &line[..colon.unwrap_or(line.len())];
        let value = colon.map_or(&b""[..], |c| &line[c + 1..]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => data.push(value.to_vec()),
            b"event" => event = value.to_vec(),
            b"id" if !value.contains(&0) => id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                items.extend(std::str::from_utf8(value).unwrap().parse().ok().map(Item::Retry));
            }
            _ => {}
        }
    }
    if !skipping && size + unfinished.len() > frame_bytes_max && !unfinished.is_empty() {
        items.push(Item::TooLarge);
    }
    items
}

/// Bytes that look like SSE often enough to matter.
fn sse_like() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("data:".to_owned()),
        Just("data: ".to_owned()),
        Just("data".to_owned()),
        Just("event: control".to_owned()),
        Just("event:".to_owned()),
        Just("id: 7".to_owned()),
        Just("retry: 12".to_owned()),
        Just(":".to_owned()),
        Just("\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("\u{feff}".to_owned()),
        "[a-z:é\\x00 {}]{0,12}",
        Just("x".repeat(600)),
    ];
    let garbage = proptest::collection::vec(any::<u8>(), 0..4);
    proptest::collection::vec(prop_oneof![12 => part.prop_map(String::into_bytes), 1 => garbage], 0..40)
        .prop_map(|parts| parts.concat())
}

fn cuts_of(len: usize, cuts: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn any_cut_of_any_input_reads_as_the_standard_says(
        input in sse_like(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let expected = decode_by_the_book(&input, 1024);
        prop_assert_eq!(decode_in(&input, &cuts_of(input.len(), &cuts), 1024), expected.clone());
        let every_byte: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(decode_in(&input, &every_byte, 1024), expected);
    }

    #[test]
    fn what_is_encoded_is_read_back(
        payloads in proptest::collection::vec("[a-z:é \\r\\n\\x00]{0,30}", 1..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for (i, payload) in payloads.iter().enumerate() {
            encode_comment(&mut wire, "ping");
            expected.push(Item::Comment(b" ping".to_vec()));
            encode_frame(&mut wire, Some("data"), Some(&format!("{i}\r\n")), &[payload.as_bytes()]);
            let lines = payload.replace("\r\n", "\n").replace('\r', "\n");
            expected.push(Item::Frame("data".into(), lines.into_bytes(), Some(i.to_string().into_bytes())));
        }
        prop_assert_eq!(decode_in(&wire, &cuts_of(wire.len(), &cuts), FRAME_BYTES_MAX_DEFAULT), expected);
    }

    #[test]
    fn parts_of_a_payload_are_one_payload(text in "[ab \\r\\n]{0,12}", at: prop::sample::Index) {
        let at = at.index(text.len() + 1);
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        encode_data_event(&mut whole, text.as_bytes());
        encode_frame(&mut parts, Some("data"), None, &[&text.as_bytes()[..at], b"", &text.as_bytes()[at..]]);
        prop_assert_eq!(whole, parts);
    }
}

#[test]
fn every_split_into_three_reads_the_same() {
    let input = b"\xef\xbb\xbf: hi\r\n\r\nevent: data\r\ndata: [1,\rdata:2]\nid: 9\n\nretry: 5\r\revent: control\ndata\n\n";
    let expected = vec![
        Item::Comment(b" hi".to_vec()),
        Item::Frame("data".into(), b"[1,\n2]".to_vec(), Some("9".into())),
        Item::Retry(5),
        Item::Frame("control".into(), Vec::new(), None),
    ];
    for first in 0..=input.len() {
        for second in first..=input.len() {
            assert_eq!(decode_in(input, &[first, second], 1024), expected, "{first} {second}");
        }
    }
}

#[test]
fn a_payload_forges_neither_frames_nor_fields() {
    for forged in
        ["x\n\nevent: control\ndata: {}\n\n", "x\r\revent: control\rdata: {}\r\r", "\r\n\r\ndata: y", "\n"]
    {
        let mut wire = Vec::new();
        encode_data_event(&mut wire, forged.as_bytes());
        encode_comment(&mut wire, forged);
        let items = decode_in(&wire, &[], 1024);
        let frames: Vec<_> = items.iter().filter(|item| matches!(item, Item::Frame(..))).collect();
        let text = forged.replace("\r\n", "\n").replace('\r', "\n").into_bytes();
        assert_eq!(frames, [&Item::Frame("data".into(), text, None)]);
        assert!(!items.iter().any(|item| matches!(item, Item::Retry(_) | Item::TooLarge)));
    }
}

#[test]
fn the_wire_form_is_fixed() {
    let mut wire = Vec::new();
    encode_json_data_event(&mut wire, br#"{"a":1},{"b":2}"#);
    encode_base64_data_event(&mut wire, b"\x01\x02\x03\x04");
    encode_control_event(&mut wire, &Control { up_to_date: true, ..Control::at("7".parse().unwrap()) });
    encode_comment(&mut wire, "ping");
    encode_retry(&mut wire, 1000);
    assert_eq!(
        String::from_utf8(wire).unwrap(),
        "event: data\ndata:[{\"a\":1},{\"b\":2}]\n\nevent: data\ndata:AQIDBA==\n\n\
         event: control\ndata:{\"streamNextOffset\":\"7\",\"upToDate\":true}\n\n: ping\n\nretry: 1000\n\n"
    );
}

#[test]
fn a_frame_over_the_cap_is_one_item_and_bounded_memory() {
    let mut decoder = SseDecoder::new(4096);
    let mut items = Vec::new();
    decoder.push(b"event: data\n");
    for _ in 0..10_000 {
        decoder.push(b"data: 0123456789012345678901234567890123456789\n");
        drain(&mut decoder, &mut items);
        assert!(decoder.spare(0).len() <= 3 * 4096);
    }
    for _ in 0..10_000 {
        decoder.push(b"one line without end");
        drain(&mut decoder, &mut items);
        assert!(decoder.spare(0).len() <= 3 * 4096);
    }
    assert!(decoder.is_mid_frame());
    decoder.push(b"\n\nevent: data\ndata: next\n\n");
    drain(&mut decoder, &mut items);
    assert_eq!(items, [Item::TooLarge, Item::Frame("data".into(), b"next".to_vec(), None)]);
    assert!(!decoder.is_mid_frame());
}

#[test]
fn a_frame_as_large_as_the_cap_arrives_whole_in_small_reads() {
    let mut wire = b"data: ".to_vec();
    wire.extend(std::iter::repeat_n(b'x', 1 << 20));
    let cap = wire.len();
    wire.extend_from_slice(b"\n\n");
    for cap in [cap, cap - 1] {
        let cuts: Vec<usize> = (0..wire.len()).step_by(1000).collect();
        let items = decode_in(&wire, &cuts, cap);
        let whole = matches!(&items[..], [Item::Frame(_, data, _)] if data.len() == 1 << 20);
        assert_eq!(whole, cap == wire.len() - 2);
        assert_eq!(items.contains(&Item::TooLarge), cap != wire.len() - 2);
    }
}

#[test]
fn a_new_connection_starts_clean() {
    let mut decoder = SseDecoder::default();
    decoder.push(b"event: data\nid: 3\ndata: half");
    assert_eq!(decoder.next_item(), None);
    assert!(decoder.is_mid_frame());
    decoder.reset();
    assert!(!decoder.is_mid_frame());
    decoder.push(b"\xef\xbb\xbfdata: whole\n\n");
    assert_eq!(decoder.next_item(), Some(SseItem::Frame(SseFrame { event: b"", data: b"whole", id: None })));
}
