//! Bounds, and the end of the store.

use super::*;
use crate::{DeleteError, StoreHealth};

/// Rule 8: with a queue of one, of many appends at once some are refused; what was acknowledged is there, what
/// was refused is not, and the store goes on.
pub async fn r8_a_full_queue_refuses(subject: &dyn Subject) {
    let case = Case::open_with(subject, |options| options.queue_len_max = 1);
    let to = case.create("a").await;
    let burst: Vec<_> = (0..3_000u32)
        .map(|n| {
            let (store, to) = (Arc::clone(&case.store), to.clone());
            tokio::spawn(async move { (n, store.append(&to, one(&n.to_string())).await) })
        })
        .collect();
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for task in burst {
        match task.await.unwrap() {
            (n, Ok(appended)) => accepted.push((appended.next_offset.position(), n.to_string())),
            (_, Err(AppendError::Overloaded)) => refused += 1,
            (_, Err(other)) => panic!("{other}"),
        }
    }
    assert!(refused > 0, "nothing was refused");
    accepted.sort();
    let expected: Vec<String> = accepted.into_iter().map(|(_, text)| text).collect();
    assert_eq!(case.messages_from(&to, 0).await, expected);
    case.write(&to, &["1"]).await;
}

/// A shutdown makes everything pending durable and answers it; afterwards everything is refused, and it says so.
pub async fn shutdown_answers_everyone(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let pending: Vec<_> = (0..500u32)
        .map(|n| {
            let (store, to) = (Arc::clone(&case.store), to.clone());
            tokio::spawn(async move { store.append(&to, one(&n.to_string())).await })
        })
        .collect();
    tokio::task::yield_now().await;
    case.store.shutdown().await;
    case.store.shutdown().await;
    let mut acknowledged = 0;
    for task in pending {
        match task.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(AppendError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(matches!(case.store.health(), StoreHealth::Down(_)));
    assert!(matches!(case.append(&to, one("1")).await, Err(AppendError::Unavailable(_))));
    assert!(matches!(case.store.delete(&to).await, Err(DeleteError::Unavailable(_))));
    assert!(case.store.create(&path("b"), json_stream()).await.is_err());
    assert!(case.store.head(&to).await.is_err());
    if subject.is_durable() {
        let again = Case::open(subject);
        assert_eq!(again.tail(&to).await, acknowledged);
    }
}
