use crate::*;
use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};
use std::sync::Arc;

fn plain() -> CreateStream {
    CreateStream {
        content_type: Some(ContentType::json()),
        lifetime: Lifetime::Unlimited,
        initial: None,
        closed: false,
        fork: None,
        attributes: None,
    }
}

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let stores: [Arc<dyn StreamStore>; 2] = [
            Arc::new(EmbeddedStore::open(dir.path(), StoreOptions::default()).unwrap()),
            Arc::new(MemoryStore::open(StoreOptions::default()).unwrap()),
        ];
        for (which, store) in stores.iter().enumerate() {
            let path: StreamPath = "a/b".parse().unwrap();
            let created = store.create(&path, plain()).await.unwrap();
            let base = if which == 0 { round * 3 } else { 0 };
            assert_eq!(created.is_new, base == 0);
            for n in 0..3 {
                let a = store
                    .append(
                        &path,
                        Append {
                            batch: Some(Batch::message(Bytes::from(format!("{n}"))).unwrap()),
                            ..Append::default()
                        },
                    )
                    .await
                    .unwrap();
                assert_eq!(a.next_offset, Offset::new(base + n + 1));
            }
            let page = store.read(&path, Offset::ZERO, 1000).await.unwrap();
            assert_eq!(page.next, Offset::new(base + 3));
            assert_eq!(page.rows.len() as u64, base + 3);
            store.shutdown().await;
        }
    }
}
