//! What is there after a shutdown and another open. Nothing to check for a store that is not durable.

use super::*;
use crate::{AttributesChange, CreateError, Fork, ReadError, StreamHead};

async fn everything(case: &Case) -> Vec<(StreamPath, String, Vec<String>)> {
    let mut all = Vec::new();
    for (path, head) in case.store.list("", None, 1_000).await.unwrap() {
        let StreamHead { attributes, .. } = &head;
        assert_eq!(attributes.is_some(), head.attributes_version > 0);
        let content = if head.content_type.is_json() {
            case.messages_from(&path, 0).await
        } else {
            let page = case.page(&path, 0, 1_000_000).await;
            page.rows.iter().map(|row| format!("{:?}", row.body())).collect()
        };
        all.push((path, format!("{head:?}"), content));
    }
    all
}

/// Rule 2 across processes: content, heads, producers, sequences, closure, attributes, forks and hidden
/// streams are as they were.
pub async fn r2_everything_is_equal_after_reopening(subject: &dyn Subject) {
    if !subject.is_durable() {
        return;
    }
    let case = Case::open(subject);
    let to =
        case.create_as("a", CreateStream { lifetime: Lifetime::SlidingSecs(900), ..json_stream() }).await;
    for n in 0..30u64 {
        case.clock.advance(Duration::from_millis(7));
        let batch = Some(messages(&[&n.to_string(), "\"x\""]));
        case.append(&to, Append { batch, ..produced("0", "p", 2, n) }).await.unwrap();
    }
    let attributes = AttributesChange { expected_version: 0, value: Bytes::from_static(b"{}") };
    let seq = Some(Bytes::from_static(b"m"));
    case.append(&to, Append { attributes: Some(attributes), stream_seq: seq.clone(), ..one("1") })
        .await
        .unwrap();
    let closed = case.create("closed").await;
    let closing = Append { close: true, ..produced("1", "p", 0, 0) };
    case.append(&closed, closing.clone()).await.unwrap();
    let source = case.create("source").await;
    case.write(&source, &["1", "2", "3"]).await;
    let fork = Fork { source: source.clone(), at: Some(Offset::new(1)), sub_offset: 1 };
    let fork = CreateStream { content_type: None, fork: Some(fork), ..json_stream() };
    case.create_as("fork", fork.clone()).await;
    case.write(&path("fork"), &["4"]).await;
    case.store.delete(&source).await.unwrap();
    let text = Some(Batch::bytes(Bytes::from_static(b"\0\x01")).unwrap());
    case.create_as("text", CreateStream { content_type: None, initial: text, ..json_stream() }).await;
    case.create("empty").await;
    case.create("deleted").await;
    case.write(&path("deleted"), &["1"]).await;
    case.store.delete(&path("deleted")).await.unwrap();

    let mut before = everything(&case).await;
    let clock = Arc::clone(&case.clock);
    for round in 0..3u64 {
        case.store.shutdown().await;
        let case = Case::open_at(subject, Arc::clone(&clock), |_| {});
        assert_eq!(everything(&case).await, before, "round {round}");
        assert!(matches!(case.store.head(&source).await, Err(ReadError::Gone)));
        assert!(matches!(case.store.create(&source, json_stream()).await, Err(CreateError::PathBlocked)));
        assert!(!case.create_at("fork", fork.clone()).await.is_new);
        assert!(case.append(&to, produced("1", "p", 2, 5)).await.unwrap().duplicate);
        assert!(case.append(&closed, closing.clone()).await.unwrap().duplicate);
        assert!(matches!(case.append(&closed, one("2")).await, Err(AppendError::Closed { .. })));
        let stale = case.append(&to, Append { stream_seq: seq.clone(), ..one("1") }).await;
        assert!(matches!(stale, Err(AppendError::StreamSeq)));
        assert!(!case.append(&to, produced("1", "p", 2, 30 + round)).await.unwrap().duplicate);
        case.write(&path("empty"), &["1"]).await;
        before = everything(&case).await;
        case.store.shutdown().await;
    }
    // The lifetime goes on where it was.
    clock.advance(Duration::from_secs(2_000));
    let case = Case::open_at(subject, clock, |_| {});
    assert!(case.store.head(&to).await.is_err());
    assert_eq!(case.tail(&path("empty")).await, 3);
}

/// Rule 3 over the lives of streams: an id names one stream for ever.
pub async fn r3_stream_ids_are_not_used_again(subject: &dyn Subject) {
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..3 {
        let case = Case::open(subject);
        for n in 0..5 {
            let created = case.create_at("a", json_stream()).await;
            assert!(created.is_new);
            let id = (if subject.is_durable() { 0 } else { round }, created.head.stream_id);
            assert!(seen.insert(id), "round {round}, stream {n}");
            case.store.delete(&path("a")).await.unwrap();
        }
        case.store.shutdown().await;
    }
}
