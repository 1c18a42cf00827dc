//! Sliding and absolute lifetimes, PROTOCOL.md section 5.1, by a clock that is moved by hand.

use super::*;
use crate::ReadError;

async fn is_there(case: &Case, name: &str) -> bool {
    match case.store.head(&path(name)).await {
        Ok(_) => true,
        Err(ReadError::NotFound) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Reads and writes move the end of a sliding lifetime, looking at it does not.
pub async fn s5_1_sliding_lifetimes_slide(subject: &dyn Subject) {
    let case = Case::open(subject);
    let sliding = || CreateStream { lifetime: Lifetime::SlidingSecs(10), ..json_stream() };
    for name in ["idle", "read", "written"] {
        case.create_as(name, sliding()).await;
    }
    let id = case.store.head(&path("idle")).await.unwrap().stream_id;
    for _ in 0..4 {
        case.clock.advance(Duration::from_secs(4));
        case.page(&path("read"), 0, 1).await;
        case.write(&path("written"), &["1"]).await;
        drop(case.store.head(&path("idle")).await);
    }
    for (name, there) in [("idle", false), ("read", true), ("written", true)] {
        assert_eq!(is_there(&case, name).await, there, "{name}");
    }
    assert!(matches!(case.append(&path("idle"), one("1")).await, Err(AppendError::NotFound)));
    let created = case.create_at("idle", json_stream()).await;
    assert!(created.is_new && created.head.stream_id != id);
    case.clock.advance(Duration::from_millis(9_999));
    assert!(is_there(&case, "written").await);
    case.clock.advance(Duration::from_millis(1));
    assert!(!is_there(&case, "written").await);
    assert!(is_there(&case, "idle").await);
}

/// Who watches is reading: a sliding lifetime does not run out under a watcher, however long nothing comes, and
/// begins anew when the last watcher is gone. An absolute end comes all the same, and watchers are told.
pub async fn s5_1_watchers_hold_sliding_lifetimes(subject: &dyn Subject) {
    let case = Case::open(subject);
    let sliding = CreateStream { lifetime: Lifetime::SlidingSecs(1), ..json_stream() };
    let to = case.create_as("watched", sliding.clone()).await;
    case.create_as("control", sliding).await;
    let end = CreateStream { lifetime: Lifetime::ExpiresAtMs(1_500_000), ..json_stream() };
    case.create_as("ends", end).await;
    let watches = [case.store.watch(&to).await.unwrap(), case.store.watch(&to).await.unwrap()];
    let mut ending = case.store.watch(&path("ends")).await.unwrap();
    case.clock.advance(Duration::from_secs(1_000));
    assert!(!is_there(&case, "control").await);
    // The sweep has passed by, which removes what is expired.
    let told = tokio::time::timeout(DEADLINE, ending.wait_for(|tail| tail.deleted)).await;
    assert!(told.unwrap().unwrap().deleted);
    assert!(is_there(&case, "watched").await);
    let [first, second] = watches;
    drop(first);
    case.clock.advance(Duration::from_secs(1_000));
    assert_eq!(case.write(&to, &["1"]).await, 1);
    case.clock.advance(Duration::from_secs(1_000));
    assert!(!second.borrow().deleted && is_there(&case, "watched").await);
    drop(second);
    case.clock.advance(Duration::from_millis(999));
    assert!(is_there(&case, "watched").await);
    case.clock.advance(Duration::from_millis(1));
    assert!(!is_there(&case, "watched").await);
}

/// A reader that only waited is an access that a restart knows of, give or take a little.
pub async fn s5_1_watching_is_recorded(subject: &dyn Subject) {
    if !subject.is_durable() {
        return;
    }
    let case = Case::open(subject);
    let sliding = CreateStream { lifetime: Lifetime::SlidingSecs(3_200), ..json_stream() };
    let to = case.create_as("watched", sliding.clone()).await;
    case.create_as("control", sliding).await;
    let end = CreateStream { lifetime: Lifetime::ExpiresAtMs(4_100_000), ..json_stream() };
    let mut ending = case.store.watch(&case.create_as("ends", end).await).await.unwrap();
    let watch = case.store.watch(&to).await.unwrap();
    case.clock.advance(Duration::from_secs(3_100));
    // The sweep that removes this one has passed by the others.
    let told = tokio::time::timeout(DEADLINE, ending.wait_for(|tail| tail.deleted)).await;
    assert!(told.unwrap().unwrap().deleted);
    let clock = Arc::clone(&case.clock);
    case.store.shutdown().await;
    drop(watch);
    clock.advance(Duration::from_secs(3_000));
    let case = Case::open_at(subject, clock, |_| {});
    assert!(is_there(&case, "watched").await);
    assert!(!is_there(&case, "control").await);
}

/// Nothing moves an absolute end, and expired streams are in no list.
pub async fn s5_1_absolute_lifetimes_end(subject: &dyn Subject) {
    let case = Case::open(subject);
    let end = CreateStream { lifetime: Lifetime::ExpiresAtMs(1_005_000), ..json_stream() };
    let to = case.create_as("a", end.clone()).await;
    case.create("b").await;
    for _ in 0..4 {
        case.clock.advance(Duration::from_secs(1));
        case.write(&to, &["1"]).await;
        case.page(&to, 0, 1).await;
    }
    case.clock.advance(Duration::from_millis(999));
    assert_eq!(case.store.list("", None, 9).await.unwrap().len(), 2);
    case.clock.advance(Duration::from_millis(1));
    assert_eq!(case.store.list("", None, 9).await.unwrap().len(), 1);
    assert!(!is_there(&case, "a").await);
    assert!(matches!(case.append(&to, one("1")).await, Err(AppendError::NotFound)));
    // Created again with the end it had, it is over at once.
    assert!(case.create_at("a", end).await.is_new);
    assert!(!is_there(&case, "a").await);
    assert!(case.create_at("a", json_stream()).await.is_new);
}
