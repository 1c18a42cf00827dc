//! Attributes: versioned, replaced by compare-and-set.

use super::*;
use crate::AttributesChange;

fn set(expected_version: u64, value: &str) -> Append {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Append { attributes: Some(AttributesChange { expected_version, value }), ..Append::default() }
}

/// Of several changes derived from one version exactly one is made.
pub async fn attributes_are_compared_and_set(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    assert_eq!(case.store.head(&to).await.unwrap().attributes, None);
    for version in 0..5u64 {
        let rivals: Vec<_> = (0..6)
            .map(|rival| {
                let (store, to) = (Arc::clone(&case.store), to.clone());
                tokio::spawn(
                    async move { store.append(&to, set(version, &format!("{version}.{rival}"))).await },
                )
            })
            .collect();
        let mut won = Vec::new();
        for (rival, task) in rivals.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(appended) => {
                    assert_eq!(appended.next_offset, Offset::ZERO);
                    won.push(rival);
                }
                Err(AppendError::AttributesConflict { current }) => assert_eq!(current, version + 1),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won.len(), 1);
        let head = case.store.head(&to).await.unwrap();
        assert_eq!(head.attributes_version, version + 1);
        assert_eq!(head.attributes.unwrap(), format!("{version}.{}", won[0]));
    }
    let created = CreateStream { attributes: Some(Bytes::from_static(b"first")), ..json_stream() };
    let head = case.create_at("b", created).await.head;
    assert_eq!((head.attributes_version, head.attributes.as_deref()), (1, Some(&b"first"[..])));
    case.store.shutdown().await;
    let bounded = Case::open_with(subject, |options| options.attributes_bytes_max = 4);
    let to = bounded.create("c").await;
    assert!(bounded.append(&to, set(0, "1234")).await.is_ok());
    assert!(matches!(bounded.append(&to, set(1, "12345")).await, Err(AppendError::Full(_))));
}

/// They describe the stream; its content stays as it was.
pub async fn attributes_change_on_a_closed_stream(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    case.append(&to, Append { close: true, ..one("1") }).await.unwrap();
    assert!(case.append(&to, set(0, "x")).await.unwrap().closed);
    assert!(case.append(&to, Append { close: true, ..set(1, "y") }).await.unwrap().closed);
    assert!(matches!(
        case.append(&to, set(1, "z")).await,
        Err(AppendError::AttributesConflict { current: 2 })
    ));
    let with_content = Append { batch: Some(messages(&["2"])), ..set(2, "z") };
    assert!(matches!(case.append(&to, with_content).await, Err(AppendError::Closed { .. })));
    let head = case.store.head(&to).await.unwrap();
    assert_eq!((head.attributes.unwrap(), head.next_offset), (Bytes::from_static(b"y"), Offset::new(1)));
}
