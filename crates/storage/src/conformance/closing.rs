//! Closing, PROTOCOL.md sections 4.1, 5.2.1 and 5.3.

use super::*;

fn close() -> Append {
    Append { close: true, ..Append::default() }
}

/// Closing is final, and closing again succeeds.
pub async fn s5_3_closing_is_final_and_idempotent(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    case.write(&to, &["1"]).await;
    let last = Append { close: true, ..one("2") };
    assert!(case.append(&to, last.clone()).await.unwrap().closed);
    for _ in 0..2 {
        let again = case.append(&to, close()).await.unwrap();
        assert_eq!((again.next_offset, again.closed), (Offset::new(2), true));
    }
    for refused in [one("3"), last, produced("3", "p", 0, 0)] {
        let refused = case.append(&to, refused).await;
        assert!(matches!(refused, Err(AppendError::Closed { next_offset }) if next_offset == Offset::new(2)));
    }
    assert_eq!(case.messages_from(&to, 0).await, ["1", "2"]);
}

/// Section 5.2.1: on a closed stream only the tuple that closed it is a duplicate.
pub async fn s5_3_only_the_closing_append_itself_is_a_duplicate(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    case.append(&to, produced("1", "p", 0, 0)).await.unwrap();
    let closing = Append { close: true, ..produced("2", "p", 0, 1) };
    assert!(!case.append(&to, closing.clone()).await.unwrap().duplicate);
    let retried = case.append(&to, closing).await.unwrap();
    assert!(retried.duplicate && retried.closed);
    assert_eq!(retried.producer.unwrap().1.number(), 1);
    for other in [claim("p", 0, 0), claim("p", 0, 2), claim("p", 1, 0), claim("q", 0, 1)] {
        for batch in [Some(messages(&["3"])), None] {
            let append = Append { producer: Some(other.clone()), batch, ..close() };
            let refused = case.append(&to, append).await;
            assert!(matches!(refused, Err(AppendError::Closed { .. })), "{other:?}");
        }
    }
    // A close alone may carry a producer too, and its retry is recognised.
    let to = case.create("b").await;
    let alone = Append { producer: Some(claim("p", 0, 0)), ..close() };
    assert!(!case.append(&to, alone.clone()).await.unwrap().duplicate);
    assert!(case.append(&to, alone).await.unwrap().duplicate);
    assert_eq!(case.tail(&to).await, 0);
}

/// Rule 6.
pub async fn r6_a_closed_stream_tells_readers(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let mut watch = case.store.watch(&to).await.unwrap();
    assert!(!watch.borrow().closed);
    case.append(&to, Append { close: true, ..one("1") }).await.unwrap();
    let told = tokio::time::timeout(DEADLINE, watch.wait_for(|tail| tail.closed)).await.unwrap();
    assert_eq!(told.unwrap().next_offset, Offset::new(1));
    for from in [0, 1] {
        let page = case.page(&to, from, 100).await;
        assert!(page.tail.closed);
        assert_eq!(page.next, page.tail.next_offset);
    }
    assert!(case.store.head(&to).await.unwrap().closed);
}
