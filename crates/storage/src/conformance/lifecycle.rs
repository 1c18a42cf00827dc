//! Creating, deleting, listing; PROTOCOL.md sections 5.1 and 5.4.

use super::*;
use crate::{CreateError, DeleteError, ReadError};

/// The same create again is confirmed; any other is refused, and says what differs.
pub async fn s5_1_create_is_idempotent(subject: &dyn Subject) {
    let case = Case::open(subject);
    let sliding = CreateStream { lifetime: Lifetime::SlidingSecs(60), ..json_stream() };
    let to = case.create_as("a", sliding.clone()).await;
    case.write(&to, &["1"]).await;
    let again = case.create_at("a", sliding.clone()).await;
    assert!(!again.is_new);
    assert_eq!(again.head.next_offset, Offset::new(1));
    let dressed = Some("APPLICATION/JSON; charset=utf-8".parse().unwrap());
    let same = CreateStream { content_type: dressed, initial: Some(messages(&["9"])), ..sliding.clone() };
    assert!(!case.create_at("a", same).await.is_new);
    for (what, other) in [
        ("content type", CreateStream { content_type: None, ..sliding.clone() }),
        ("lifetime", json_stream()),
        ("lifetime", CreateStream { lifetime: Lifetime::SlidingSecs(61), ..sliding.clone() }),
        ("closure", CreateStream { closed: true, ..sliding.clone() }),
    ] {
        let refused = case.store.create(&to, other).await;
        assert!(matches!(refused, Err(CreateError::ConfigurationMismatch(differs)) if differs == what));
    }
    // Closing changes which create confirms it.
    case.append(&to, Append { close: true, ..Append::default() }).await.unwrap();
    assert!(case.store.create(&to, sliding.clone()).await.is_err());
    assert!(!case.create_at("a", CreateStream { closed: true, ..sliding }).await.is_new);
    assert_eq!(case.messages_from(&to, 0).await, ["1"]);
}

/// First content and closure are there from the beginning; content of the wrong kind creates nothing. Of many
/// creates at once one is the first.
pub async fn s5_1_create_with_content_and_closed(subject: &dyn Subject) {
    let case = Case::open(subject);
    let whole = CreateStream { initial: Some(messages(&["1", "2"])), closed: true, ..json_stream() };
    let created = case.create_at("a", whole).await;
    assert!(created.is_new && created.head.closed);
    assert_eq!(created.head.next_offset, Offset::new(2));
    assert_eq!(case.messages_from(&path("a"), 0).await, ["1", "2"]);
    assert!(matches!(case.append(&path("a"), one("3")).await, Err(AppendError::Closed { .. })));
    let wrong =
        CreateStream { initial: Some(Batch::bytes(Bytes::from_static(b"1")).unwrap()), ..json_stream() };
    assert!(matches!(case.store.create(&path("b"), wrong).await, Err(CreateError::InitialContent)));
    assert!(matches!(case.store.head(&path("b")).await, Err(ReadError::NotFound)));
    let rivals: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&case.store);
            tokio::spawn(async move { store.create(&path("c"), json_stream()).await.unwrap() })
        })
        .collect();
    let (mut new, mut ids) = (0, Vec::new());
    for rival in rivals {
        let created = rival.await.unwrap();
        new += u32::from(created.is_new);
        ids.push(created.head.stream_id);
    }
    ids.dedup();
    assert_eq!((new, ids.len()), (1, 1));
}

/// A deleted stream is gone for everybody, and a new one at its path has nothing of it.
pub async fn s5_4_delete_forgets(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let id = case.store.head(&to).await.unwrap().stream_id;
    for seq in 0..5 {
        case.append(&to, produced("1", "p", 7, seq)).await.unwrap();
    }
    case.store.delete(&to).await.unwrap();
    assert!(matches!(case.store.delete(&to).await, Err(DeleteError::NotFound)));
    assert!(matches!(case.append(&to, one("1")).await, Err(AppendError::NotFound)));
    assert!(matches!(case.store.read(&to, Offset::ZERO, 1).await, Err(ReadError::NotFound)));
    assert!(case.store.list("", None, 10).await.unwrap().is_empty());
    let created = case.create_at("a", json_stream()).await;
    assert!(created.is_new && created.head.stream_id != id);
    assert_eq!(created.head.next_offset, Offset::ZERO);
    assert!(case.messages_from(&to, 0).await.is_empty());
    assert!(!case.append(&to, produced("2", "p", 0, 0)).await.unwrap().duplicate);
    assert_eq!(case.messages_from(&to, 0).await, ["2"]);
}

/// Lists go through the paths in order, by prefix, page by page.
pub async fn list_is_in_order_of_path(subject: &dyn Subject) {
    let case = Case::open(subject);
    let names = ["b/2", "a", "b/10", "b", "c/1", "b/1", "b-x", "b/1/deep"];
    for name in names {
        case.create(name).await;
    }
    case.write(&path("b/10"), &["1", "2"]).await;
    let names_of = |list: Vec<(StreamPath, crate::StreamHead)>| {
        list.into_iter().map(|(path, _)| path.as_str().to_owned()).collect::<Vec<_>>()
    };
    let below_b = ["b/1", "b/1/deep", "b/10", "b/2"];
    let listed = case.store.list("b/", None, 100).await.unwrap();
    assert_eq!(listed[2].1.next_offset, Offset::new(2));
    assert_eq!(names_of(listed), below_b);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = names_of(case.store.list("b/", after.as_ref(), 3).await.unwrap());
        let Some(last) = page.last() else { break };
        after = Some(path(last));
        paged.extend(page);
    }
    assert_eq!(paged, below_b);
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(names_of(case.store.list("", None, 100).await.unwrap()), sorted);
    assert_eq!(names_of(case.store.list("b", Some(&path("a")), 2).await.unwrap()), ["b", "b-x"]);
    assert!(case.store.list("b/", Some(&path("b0")), 9).await.unwrap().is_empty());
    assert!(case.store.list("zz", None, 9).await.unwrap().is_empty());
    assert!(case.store.list("", None, 0).await.unwrap().is_empty());
}
