//! Following tails.

use super::*;

/// Rule 7 from the reader's side: a tail that is seen can be read, whole.
pub async fn r7_watchers_and_readers_agree(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let mut watch = case.store.watch(&to).await.unwrap();
    let (store, writer_to) = (Arc::clone(&case.store), to.clone());
    let writer = tokio::spawn(async move {
        for n in 0..200 {
            let append = Append { close: n == 199, ..one(&n.to_string()) };
            store.append(&writer_to, append).await.unwrap();
        }
    });
    let mut read = 0;
    loop {
        let tail = *watch.borrow_and_update();
        while read < tail.next_offset.position() {
            let page = case.page(&to, read, 10_000).await;
            assert!(page.next >= tail.next_offset);
            for row in page.rows {
                for message in row.messages() {
                    assert_eq!(message, read.to_string());
                    read += 1;
                }
            }
        }
        if tail.closed {
            break;
        }
        tokio::time::timeout(DEADLINE, watch.changed()).await.unwrap().unwrap();
    }
    assert_eq!(read, 200);
    writer.await.unwrap();
}

/// A watcher that looks rarely, one that comes late, and one after all others have gone see the newest.
pub async fn watchers_see_the_newest_tail(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let mut early = case.store.watch(&to).await.unwrap();
    assert_eq!(early.borrow_and_update().next_offset, Offset::ZERO);
    for n in 1..=20u64 {
        case.write(&to, &["1"]).await;
        let late = case.store.watch(&to).await.unwrap();
        assert_eq!(late.borrow().next_offset, Offset::new(n));
    }
    tokio::time::timeout(DEADLINE, early.wait_for(|tail| tail.next_offset == Offset::new(20)))
        .await
        .unwrap()
        .unwrap();
    drop(early);
    case.write(&to, &["1"]).await;
    let mut again = case.store.watch(&to).await.unwrap();
    assert_eq!(again.borrow_and_update().next_offset, Offset::new(21));
    case.write(&to, &["1"]).await;
    tokio::time::timeout(DEADLINE, again.changed()).await.unwrap().unwrap();
    assert_eq!(again.borrow().next_offset, Offset::new(22));
}

/// The two ends a stream can come to.
pub async fn watchers_see_closure_and_deletion(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let mut watch = case.store.watch(&to).await.unwrap();
    case.append(&to, Append { close: true, ..Append::default() }).await.unwrap();
    let closed = tokio::time::timeout(DEADLINE, watch.wait_for(|tail| tail.closed)).await.unwrap();
    assert!(!closed.unwrap().deleted);
    case.store.delete(&to).await.unwrap();
    tokio::time::timeout(DEADLINE, watch.wait_for(|tail| tail.deleted)).await.unwrap().unwrap();
}
