//! Forks, PROTOCOL.md section 4.2.

use super::*;
use crate::{CreateError, DeleteError, Fork, ReadError};

fn fork_of(source: &str, at: Option<u64>, sub_offset: u64) -> CreateStream {
    let fork = Fork { source: path(source), at: at.map(Offset::new), sub_offset };
    CreateStream { content_type: None, fork: Some(fork), ..json_stream() }
}

/// Below the fork offset both read the same, at the same positions; above, each has its own.
pub async fn s4_2_forks_share_positions(subject: &dyn Subject) {
    for window_bytes in [usize::MAX, 0] {
        let case = Case::open_with(subject, |options| options.tail_window_bytes = window_bytes);
        let source = case.create("s").await;
        case.write(&source, &["0", "1", "2"]).await;
        case.write(&source, &["3", "4"]).await;
        let created = case.create_at("f", fork_of("s", Some(3), 0)).await;
        assert!(created.head.content_type.is_json());
        assert_eq!(created.head.next_offset, Offset::new(3));
        assert_eq!(created.head.forked_from, Some((source.clone(), Offset::new(3))));
        let fork = path("f");
        assert_eq!(case.write(&fork, &["\"f3\""]).await, 4);
        assert_eq!(case.write(&source, &["5"]).await, 6);
        assert_eq!(case.write(&fork, &["\"f4\"", "\"f5\""]).await, 6);
        let own = ["0", "1", "2", "3", "4", "5"];
        let forked = ["0", "1", "2", "\"f3\"", "\"f4\"", "\"f5\""];
        for from in 0..=6 {
            assert_eq!(case.messages_from(&source, from).await, own[from as usize..]);
            assert_eq!(case.messages_from(&fork, from).await, forked[from as usize..]);
        }
        // One page goes across the boundary.
        assert_eq!(case.page(&fork, 1, 1_000).await.next, Offset::new(6));
        case.store.delete(&fork).await.unwrap();
        case.store.delete(&source).await.unwrap();
        case.store.shutdown().await;
    }
}

/// Chains of forks, also below the fork offset of the fork in between.
pub async fn s4_2_forks_of_forks_read_through(subject: &dyn Subject) {
    let case = Case::open(subject);
    let first = case.create("f0").await;
    case.write(&first, &["0", "1", "2", "3"]).await;
    for n in 1..6 {
        case.create_as(&format!("f{n}"), fork_of(&format!("f{}", n - 1), None, 0)).await;
        case.write(&path(&format!("f{n}")), &[&format!("{}", n + 3)]).await;
    }
    let last = case.messages_from(&path("f5"), 0).await;
    assert_eq!(last, (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
    // Off f5, but at a position that is f0's.
    let early = case.create_as("early", fork_of("f5", Some(2), 0)).await;
    case.write(&early, &["\"x\""]).await;
    assert_eq!(case.messages_from(&early, 0).await, ["0", "1", "\"x\""]);
    assert_eq!(case.messages_from(&path("f5"), 0).await, last);
}

/// By offset, by sub-offset within the next row, and nothing beyond.
pub async fn s4_2_fork_points_are_checked(subject: &dyn Subject) {
    let case = Case::open(subject);
    let source = case.create("s").await;
    case.write(&source, &["0", "1", "2"]).await;
    case.write(&source, &["3", "4"]).await;
    for (n, (at, sub, position)) in
        [(Some(0), 0, 0), (Some(0), 2, 2), (Some(0), 3, 3), (Some(3), 1, 4), (Some(1), 1, 2), (None, 0, 5)]
            .into_iter()
            .enumerate()
    {
        let created = case.create_at(&format!("f{n}"), fork_of("s", at, sub)).await;
        assert_eq!(created.head.next_offset, Offset::new(position), "{at:?} {sub}");
    }
    for (at, sub) in [(Some(6), 0), (Some(0), 4), (Some(3), 3), (None, 1), (Some(5), 1), (Some(0), u64::MAX)]
    {
        let refused = case.store.create(&path("r"), fork_of("s", at, sub)).await;
        assert!(matches!(refused, Err(CreateError::ForkOffset)), "{at:?} {sub}");
    }
    let other_type =
        CreateStream { content_type: Some(ContentType::octet_stream()), ..fork_of("s", None, 0) };
    let refused = case.store.create(&path("r"), other_type).await;
    assert!(matches!(refused, Err(CreateError::SourceContentType(expected)) if expected.is_json()));
    let refused = case.store.create(&path("r"), fork_of("nowhere", None, 0)).await;
    assert!(matches!(refused, Err(CreateError::SourceNotFound)));
    assert!(matches!(case.store.head(&path("r")).await, Err(ReadError::NotFound)));
    // Bytes count one each.
    let bytes = CreateStream {
        content_type: Some(ContentType::octet_stream()),
        initial: Some(Batch::bytes(Bytes::from_static(b"abcdef")).unwrap()),
        ..json_stream()
    };
    case.create_as("b", bytes).await;
    case.create_as("bf", fork_of("b", Some(0), 4)).await;
    let page = case.page(&path("bf"), 1, 100).await;
    assert_eq!(page.rows, [Batch::bytes(Bytes::from_static(b"bcd")).unwrap()]);
}

/// A fork of a closed stream is open; producers and writer sequences of the source mean nothing to it.
pub async fn s4_2_forks_start_fresh(subject: &dyn Subject) {
    let case = Case::open(subject);
    let source = case.create("s").await;
    let seq = Some(Bytes::from_static(b"z"));
    case.append(&source, Append { stream_seq: seq.clone(), ..produced("0", "p", 5, 0) }).await.unwrap();
    let closing = Append { close: true, ..produced("1", "p", 5, 1) };
    case.append(&source, closing.clone()).await.unwrap();
    let fork = case.create_as("f", fork_of("s", Some(1), 0)).await;
    assert!(!case.store.head(&fork).await.unwrap().closed);
    assert!(matches!(
        case.append(&fork, produced("9", "p", 5, 1)).await,
        Err(AppendError::SequenceGap { .. })
    ));
    let fresh = Append { stream_seq: Some(Bytes::from_static(b"a")), ..produced("2", "p", 0, 0) };
    assert!(!case.append(&fork, fresh).await.unwrap().duplicate);
    assert_eq!(case.messages_from(&fork, 0).await, ["0", "2"]);
    assert!(case.append(&source, closing).await.unwrap().duplicate);
    // First content and closure of its own.
    let whole = CreateStream { initial: Some(messages(&["7"])), closed: true, ..fork_of("s", None, 0) };
    let whole = case.create_as("w", whole).await;
    assert_eq!(case.messages_from(&whole, 0).await, ["0", "1", "7"]);
    assert!(case.store.head(&whole).await.unwrap().closed);
}

/// The same request again is confirmed, also after the source went on.
pub async fn s4_2_fork_creation_is_idempotent(subject: &dyn Subject) {
    let case = Case::open(subject);
    let source = case.create("s").await;
    case.write(&source, &["0", "1"]).await;
    for (name, create) in [("tail", fork_of("s", None, 0)), ("sub", fork_of("s", Some(0), 1))] {
        case.create_as(name, create.clone()).await;
        case.write(&source, &["2"]).await;
        assert!(!case.create_at(name, create).await.is_new);
        for other in [json_stream(), fork_of("s", Some(0), 0), fork_of("tail", None, 0)] {
            let refused = case.store.create(&path(name), other).await;
            assert!(matches!(refused, Err(CreateError::ConfigurationMismatch("fork"))));
        }
    }
    // The same point in other words is the same fork.
    assert!(!case.create_at("sub", fork_of("s", Some(1), 0)).await.is_new);
}

/// The table of section 4.2, and that the windows are independent.
pub async fn s4_2_fork_lifetimes_follow_the_table(subject: &dyn Subject) {
    let case = Case::open(subject);
    let (none, ttl, own_ttl) = (Lifetime::Unlimited, Lifetime::SlidingSecs(50), Lifetime::SlidingSecs(10));
    let (at, own_at) = (Lifetime::ExpiresAtMs(9_000_000), Lifetime::ExpiresAtMs(8_000_000));
    for (n, (source, asked, got)) in [
        (none, none, none),
        (none, ttl, ttl),
        (none, at, at),
        (ttl, none, ttl),
        (ttl, own_ttl, own_ttl),
        (ttl, at, at),
        (at, none, at),
        (at, ttl, ttl),
        (at, own_at, own_at),
    ]
    .into_iter()
    .enumerate()
    {
        let (source_name, name) = (format!("s{n}"), format!("f{n}"));
        case.create_as(&source_name, CreateStream { lifetime: source, ..json_stream() }).await;
        let create = CreateStream { lifetime: asked, ..fork_of(&source_name, None, 0) };
        let created = case.create_at(&name, create.clone()).await;
        assert_eq!(created.head.lifetime, got, "{source:?} {asked:?}");
        assert!(!case.create_at(&name, create).await.is_new);
    }
    // The source's window ends although its fork is read, and the fork still reads what was the source's.
    let source =
        case.create_as("s", CreateStream { lifetime: ttl, initial: Some(messages(&["1"])), ..json_stream() });
    let source = source.await;
    let fork = case.create_as("f", fork_of("s", None, 0)).await;
    for _ in 0..3 {
        case.clock.advance(Duration::from_secs(40));
        assert_eq!(case.messages_from(&fork, 0).await, ["1"]);
    }
    assert!(case.store.head(&source).await.is_err());
    eventually("the expired source is hidden", || async {
        matches!(case.store.head(&source).await, Err(ReadError::Gone))
    })
    .await;
    assert_eq!(case.messages_from(&fork, 0).await, ["1"]);
}

/// Soft deletion and its cascade.
pub async fn s4_2_deleted_sources_are_hidden_until_the_last_fork_goes(subject: &dyn Subject) {
    let case = Case::open(subject);
    let source = case.create("s").await;
    case.write(&source, &["0", "1"]).await;
    let middle = case.create_as("m", fork_of("s", None, 0)).await;
    case.write(&middle, &["2"]).await;
    let last = case.create_as("l", fork_of("m", None, 0)).await;
    let mut watch = case.store.watch(&source).await.unwrap();
    case.store.delete(&source).await.unwrap();
    tokio::time::timeout(DEADLINE, watch.wait_for(|tail| tail.deleted)).await.unwrap().unwrap();
    case.store.delete(&middle).await.unwrap();
    for hidden in [&source, &middle] {
        assert!(matches!(case.store.head(hidden).await, Err(ReadError::Gone)));
        assert!(matches!(case.store.read(hidden, Offset::ZERO, 1).await, Err(ReadError::Gone)));
        assert!(matches!(case.store.watch(hidden).await, Err(ReadError::Gone)));
        assert!(matches!(case.append(hidden, one("1")).await, Err(AppendError::Gone)));
        assert!(matches!(case.store.delete(hidden).await, Err(DeleteError::Gone)));
        assert!(matches!(case.store.create(hidden, json_stream()).await, Err(CreateError::PathBlocked)));
    }
    let refused = case.store.create(&path("x"), fork_of("s", None, 0)).await;
    assert!(matches!(refused, Err(CreateError::SourceDeleted)));
    let listed = case.store.list("", None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(case.messages_from(&last, 0).await, ["0", "1", "2"]);
    case.store.delete(&last).await.unwrap();
    for gone in [&source, &middle, &last] {
        eventually("the whole chain is gone", || async {
            matches!(case.store.head(gone).await, Err(ReadError::NotFound))
        })
        .await;
        assert!(case.create_at(gone.as_str(), json_stream()).await.is_new);
    }
}

/// After any number of refused forks, deleting the source removes it.
pub async fn s4_2_refused_forks_leave_no_reference(subject: &dyn Subject) {
    let case = Case::open(subject);
    let source = case.create("s").await;
    case.write(&source, &["0"]).await;
    case.create("taken").await;
    let wrong_content = Some(Batch::bytes(Bytes::from_static(b"1")).unwrap());
    for (name, refused) in [
        ("x", fork_of("s", Some(2), 0)),
        ("x", fork_of("s", Some(0), 2)),
        ("x", CreateStream { content_type: Some(ContentType::octet_stream()), ..fork_of("s", None, 0) }),
        ("x", CreateStream { initial: wrong_content, ..fork_of("s", None, 0) }),
        ("x", CreateStream { attributes: Some(vec![0; 1 << 20].into()), ..fork_of("s", None, 0) }),
        ("taken", fork_of("s", None, 0)),
    ] {
        assert!(case.store.create(&path(name), refused).await.is_err());
    }
    // Confirming an existing fork takes no second reference.
    case.create_as("f", fork_of("s", None, 0)).await;
    assert!(!case.create_at("f", fork_of("s", None, 0)).await.is_new);
    case.store.delete(&path("f")).await.unwrap();
    case.store.delete(&source).await.unwrap();
    assert!(matches!(case.store.head(&source).await, Err(ReadError::NotFound)));
}
