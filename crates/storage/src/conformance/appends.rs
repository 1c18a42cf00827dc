//! Appending: all or nothing, in order, at strictly increasing positions.

use super::*;
use crate::AttributesChange;

/// Rule 1, failing: every kind of refusal leaves content, producer, sequence, closure and attributes alone.
pub async fn r1_a_failed_append_changes_nothing(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let first = Append {
        stream_seq: Some(Bytes::from_static(b"5")),
        attributes: Some(AttributesChange { expected_version: 0, value: Bytes::from_static(b"v1") }),
        ..produced("1", "p", 1, 0)
    };
    case.append(&to, first).await.unwrap();
    let everything = |append: Append| Append {
        close: true,
        attributes: Some(AttributesChange { expected_version: 1, value: Bytes::from_static(b"v2") }),
        stream_seq: append.stream_seq.clone().or(Some(Bytes::from_static(b"6"))),
        ..append
    };
    let refused = [
        everything(produced("2", "p", 0, 1)),
        everything(produced("2", "p", 2, 1)),
        everything(produced("2", "p", 1, 2)),
        everything(produced("2", "q", 0, 1)),
        everything(Append { stream_seq: Some(Bytes::from_static(b"5")), ..produced("2", "p", 1, 1) }),
        everything(Append { content_type: Some(ContentType::octet_stream()), ..produced("2", "p", 1, 1) }),
        Append {
            attributes: Some(AttributesChange { expected_version: 0, value: Bytes::new() }),
            ..everything(produced("2", "p", 1, 1))
        },
        Append::default(),
    ];
    for append in refused {
        let shown = format!("{append:?}");
        assert!(case.append(&to, append).await.is_err(), "{shown}");
    }
    let head = case.store.head(&to).await.unwrap();
    assert_eq!((head.next_offset, head.closed, head.attributes_version), (Offset::new(1), false, 1));
    assert_eq!(head.attributes.as_deref(), Some(&b"v1"[..]));
    assert_eq!(case.messages_from(&to, 0).await, ["1"]);
    // Producer and sequence are where they were: exactly the next one is taken.
    let next = Append { stream_seq: Some(Bytes::from_static(b"51")), ..produced("2", "p", 1, 1) };
    assert_eq!(case.append(&to, next).await.unwrap().next_offset, Offset::new(2));
}

/// Rule 1, succeeding: one append changes content, producer, sequence, attributes and closure at once.
pub async fn r1_an_append_changes_everything_together(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let all = Append {
        content_type: Some(ContentType::json()),
        batch: Some(messages(&["1", "2"])),
        close: true,
        producer: Some(claim("p", 3, 0)),
        stream_seq: Some(Bytes::from_static(b"s")),
        attributes: Some(AttributesChange { expected_version: 0, value: Bytes::from_static(b"v") }),
    };
    let appended = case.append(&to, all).await.unwrap();
    let producer = (ProducerEpoch::new(3).unwrap(), ProducerSeq::ZERO);
    let expected =
        Appended { next_offset: Offset::new(2), closed: true, duplicate: false, producer: Some(producer) };
    assert_eq!(appended, expected);
    let head = case.store.head(&to).await.unwrap();
    assert!(head.closed);
    assert_eq!((head.attributes.as_deref(), head.attributes_version), (Some(&b"v"[..]), 1));
    assert_eq!(case.messages_from(&to, 0).await, ["1", "2"]);
}

/// Rule 2.
pub async fn r2_an_acknowledged_append_is_read(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    for n in 0..50u64 {
        assert_eq!(case.write(&to, &[&n.to_string()]).await, n + 1);
        let page = case.page(&to, n, 100).await;
        assert_eq!(page.rows, [messages(&[&n.to_string()])]);
        assert_eq!((page.tail.next_offset, case.tail(&to).await), (Offset::new(n + 1), n + 1));
    }
}

/// Rule 3: messages count one each, bytes count one each, and what was read is read again.
pub async fn r3_positions_count_units_and_never_change(subject: &dyn Subject) {
    let case = Case::open(subject);
    let json = case.create("json").await;
    assert_eq!(case.write(&json, &["1", "[2]", "\"a,b\""]).await, 3);
    assert_eq!(case.write(&json, &["{}"]).await, 4);
    let before = case.messages_from(&json, 1).await;
    assert_eq!(case.write(&json, &["5"]).await, 5);
    assert_eq!(case.messages_from(&json, 1).await[..3], before);

    let text = CreateStream { content_type: Some("text/plain".parse().unwrap()), ..json_stream() };
    let text = case.create_as("text", text).await;
    for (bytes, next) in [(&b"abc"[..], 3), (b"\0", 4), (b"\xff\n", 6)] {
        let batch = Some(Batch::bytes(Bytes::from_static(bytes)).unwrap());
        let appended = case.append(&text, Append { batch, ..Append::default() }).await.unwrap();
        assert_eq!(appended.next_offset, Offset::new(next));
    }
    let page = case.page(&text, 2, 100).await;
    let body: Vec<u8> = page.rows.iter().flat_map(|row| row.body().to_vec()).collect();
    assert_eq!(body, b"c\0\xff\n");
}

/// Rule 4: every append gets a place of its own, the places are without gaps, and each writer's are in order.
pub async fn r4_concurrent_appends_are_totally_ordered(subject: &dyn Subject) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let case = Case::open(subject);
    let to = case.create("a").await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, to) = (Arc::clone(&case.store), to.clone());
            tokio::spawn(async move {
                let mut places = Vec::new();
                for n in 0..EACH {
                    let append = one(&format!("[{writer},{n}]"));
                    places.push(store.append(&to, append).await.unwrap().next_offset.position());
                }
                places
            })
        })
        .collect();
    let mut placed = vec![String::new(); WRITERS * EACH];
    for (writer, task) in writers.into_iter().enumerate() {
        let places = task.await.unwrap();
        assert!(places.is_sorted());
        for (n, place) in places.into_iter().enumerate() {
            let slot = &mut placed[place as usize - 1];
            assert!(slot.is_empty(), "two appends got the same place");
            *slot = format!("[{writer},{n}]");
        }
    }
    assert_eq!(case.messages_from(&to, 0).await, placed);
}

/// Rule 4: appends that one caller sends without waiting are not reordered.
pub async fn r4_appends_sent_in_order_by_one_writer_stay_in_order(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let sent: Vec<_> = (0..100)
        .map(|n| {
            let (store, to) = (Arc::clone(&case.store), to.clone());
            // Tasks of one single-threaded runtime are first polled in the order they were spawned.
            tokio::spawn(async move { store.append(&to, produced(&n.to_string(), "p", 0, n)).await })
        })
        .collect();
    for (n, task) in sent.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap().next_offset, Offset::new(n as u64 + 1));
    }
}

/// Section 5.2: `Stream-Seq`.
pub async fn s5_2_writer_sequences_grow_bytewise(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    for (seq, accepted) in
        [("10", true), ("10", false), ("9", true), ("100", false), ("a", true), ("Z", false), ("aa", true)]
    {
        let append = Append { stream_seq: Some(Bytes::copy_from_slice(seq.as_bytes())), ..one("1") };
        match case.append(&to, append).await {
            Ok(_) => assert!(accepted, "{seq}"),
            Err(error) => assert!(!accepted && matches!(error, AppendError::StreamSeq), "{seq} {error}"),
        }
    }
    // An append without one neither needs nor changes it.
    case.write(&to, &["1"]).await;
    let append = Append { stream_seq: Some(Bytes::from_static(b"a")), ..one("1") };
    assert!(matches!(case.append(&to, append).await, Err(AppendError::StreamSeq)));
}

/// Section 5.2: content types, and the order of checks on a closed stream.
pub async fn s5_2_content_types_and_units_must_fit(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let other = Some(ContentType::octet_stream());
    let wrong_type = Append { content_type: other.clone(), ..one("1") };
    let wrong_unit =
        Append { batch: Some(Batch::bytes(Bytes::from_static(b"1")).unwrap()), ..Append::default() };
    for append in [wrong_type.clone(), wrong_unit] {
        let refused = case.append(&to, append).await;
        assert!(matches!(refused, Err(AppendError::ContentType { expected }) if expected.is_json()));
    }
    // Without content the type does not matter; on a closed stream closure comes first.
    let close = Append { content_type: other, close: true, ..Append::default() };
    assert!(case.append(&to, close).await.unwrap().closed);
    assert!(matches!(case.append(&to, wrong_type).await, Err(AppendError::Closed { .. })));
    let nowhere = case.append(&path("nowhere"), one("1")).await;
    assert!(matches!(nowhere, Err(AppendError::NotFound)));
}
