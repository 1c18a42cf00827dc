//! Reading pages.

use super::*;
use crate::ReadError;

/// Sizes of rows, in messages.
const ROWS: [usize; 6] = [3, 1, 7, 2, 1, 4];

async fn mixed_rows(case: &Case) -> (StreamPath, Vec<String>) {
    let to = case.create("a").await;
    let mut all = Vec::new();
    for (row, len) in ROWS.into_iter().enumerate() {
        let texts: Vec<String> = (0..len).map(|n| format!("\"{row}.{n}{}\"", "x".repeat(row * 3))).collect();
        case.write(&to, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        all.extend(texts);
    }
    (to, all)
}

/// From every offset, with every limit, the page holds what comes next, at least one unit, and no more bytes
/// than asked for unless one unit alone has more.
pub async fn reads_start_and_stop_at_any_offset(subject: &dyn Subject) {
    for window_bytes in [usize::MAX, 0] {
        let case = Case::open_with(subject, |options| options.tail_window_bytes = window_bytes);
        let (of, all) = mixed_rows(&case).await;
        for from in 0..all.len() {
            for bytes_max in [0, 1, 10, 20, 50, 100_000] {
                let page = case.page(&of, from as u64, bytes_max).await;
                let got: Vec<String> = page
                    .rows
                    .iter()
                    .flat_map(|row| {
                        row.messages().map(|m| String::from_utf8(m.to_vec()).unwrap()).collect::<Vec<_>>()
                    })
                    .collect();
                assert!(!got.is_empty());
                assert_eq!(got, all[from..from + got.len()]);
                assert_eq!(page.next, Offset::new((from + got.len()) as u64));
                let bytes: usize = page.rows.iter().map(|row| row.body().len()).sum();
                assert!(got.len() == 1 || bytes <= bytes_max, "{bytes} of {bytes_max}");
                assert_eq!(page.tail.next_offset, Offset::new(all.len() as u64));
                if bytes_max == 100_000 {
                    assert_eq!(page.next, page.tail.next_offset);
                }
            }
            assert_eq!(case.messages_from(&of, from as u64).await, all[from..]);
        }
        case.store.delete(&of).await.unwrap();
        case.store.shutdown().await;
    }
}

/// One row of bytes many times the page.
pub async fn reads_page_through_rows_larger_than_a_page(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create_as("a", CreateStream { content_type: None, ..json_stream() }).await;
    let bytes: Bytes = (0..100_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let batch = Some(Batch::bytes(bytes.clone()).unwrap());
    case.append(&to, Append { batch, ..Append::default() }).await.unwrap();
    let (mut read, mut from) = (Vec::new(), 0);
    while from < bytes.len() as u64 {
        let page = case.page(&to, from, 7_777).await;
        for row in &page.rows {
            read.extend_from_slice(row.body());
        }
        assert!(page.next.position() - from <= 7_777);
        from = page.next.position();
    }
    assert_eq!(read, bytes);
}

/// The tail itself is an empty page; one further is an error that tells the tail.
pub async fn reads_beyond_the_tail_are_refused(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let read = |at| case.store.read(&to, Offset::new(at), 100);
    assert!(read(0).await.unwrap().rows.is_empty());
    assert!(matches!(read(1).await, Err(ReadError::BeyondTail { tail: Offset::ZERO })));
    case.write(&to, &["1", "2"]).await;
    let page = read(2).await.unwrap();
    assert!(page.rows.is_empty() && page.next == Offset::new(2) && page.content_type.is_json());
    for at in [3, u64::MAX] {
        assert!(matches!(read(at).await, Err(ReadError::BeyondTail { tail }) if tail == Offset::new(2)));
    }
    let nowhere = path("nowhere");
    assert!(matches!(case.store.read(&nowhere, Offset::ZERO, 1).await, Err(ReadError::NotFound)));
    assert!(matches!(case.store.head(&nowhere).await, Err(ReadError::NotFound)));
    assert!(matches!(case.store.watch(&nowhere).await, Err(ReadError::NotFound)));
}

/// Many streams in a window that holds few of their rows: what was evicted comes from the engine.
pub async fn reads_beyond_the_window_are_the_same(subject: &dyn Subject) {
    let case = Case::open_with(subject, |options| {
        options.tail_window_bytes = 4_000;
        options.tail_window_stream_bytes = 1_000;
    });
    let mut streams = Vec::new();
    for n in 0..10 {
        streams.push(case.create(&format!("s{n}")).await);
    }
    for round in 0..20 {
        for (n, to) in streams.iter().enumerate() {
            case.write(to, &[&format!("[{n},{round}]"), &format!("\"{}\"", "y".repeat(round * 5))]).await;
        }
    }
    for (n, of) in streams.iter().enumerate() {
        for from in [0, 17, 38] {
            let all = case.messages_from(of, from).await;
            let expected = (from..40).map(|at| match at % 2 {
                0 => format!("[{n},{}]", at / 2),
                _ => format!("\"{}\"", "y".repeat(at as usize / 2 * 5)),
            });
            assert_eq!(all, expected.collect::<Vec<_>>());
        }
    }
}
