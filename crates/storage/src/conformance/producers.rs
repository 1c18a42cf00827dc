//! Idempotent producers, PROTOCOL.md section 5.2.1.

use super::*;

/// The whole table of the validation logic.
pub async fn s5_2_1_producers_are_deduplicated_and_fenced(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let send = |epoch, seq| {
        let append = Append { stream_seq: None, ..produced(&format!("[{epoch},{seq}]"), "p", epoch, seq) };
        case.append(&to, append)
    };
    let accepted = |result: Result<Appended, AppendError>, duplicate, epoch, seq| {
        let appended = result.unwrap();
        assert_eq!(appended.duplicate, duplicate);
        let state = (ProducerEpoch::new(epoch).unwrap(), ProducerSeq::new(seq).unwrap());
        assert_eq!(appended.producer, Some(state));
    };
    // The first epoch may be any, but it starts at 0.
    let gap = |result: Result<Appended, AppendError>, wanted: u64, got: u64| match result {
        Err(AppendError::SequenceGap { expected, received }) => {
            assert_eq!((expected.number(), received.number()), (wanted, got));
        }
        other => panic!("expected a gap, not {other:?}"),
    };
    gap(send(4, 1).await, 0, 1);
    accepted(send(4, 0).await, false, 4, 0);
    accepted(send(4, 0).await, true, 4, 0);
    accepted(send(4, 1).await, false, 4, 1);
    accepted(send(4, 2).await, false, 4, 2);
    // A duplicate of any earlier one tells the highest accepted.
    accepted(send(4, 0).await, true, 4, 2);
    gap(send(4, 5).await, 3, 5);
    assert!(matches!(send(5, 1).await, Err(AppendError::EpochStart)));
    accepted(send(5, 0).await, false, 5, 0);
    for seq in [0, 3] {
        let stale = send(4, seq).await;
        assert!(matches!(stale, Err(AppendError::StaleEpoch { current }) if current.number() == 5));
    }
    let written = ["[4,0]", "[4,1]", "[4,2]", "[5,0]"];
    assert_eq!(case.messages_from(&to, 0).await, written);

    // A duplicate wins over a conflict of the writer sequence.
    let with_seq = |seq| Append { stream_seq: Some(Bytes::from_static(b"x")), ..produced("9", "p", 5, seq) };
    accepted(case.append(&to, with_seq(1)).await, false, 5, 1);
    accepted(case.append(&to, with_seq(1)).await, true, 5, 1);
    assert!(matches!(case.append(&to, with_seq(2)).await, Err(AppendError::StreamSeq)));
}

/// Producers of one stream, and one producer on two streams, do not know each other.
pub async fn s5_2_1_producers_are_independent_of_each_other(subject: &dyn Subject) {
    // So few are kept in memory that most come from the engine.
    let case = Case::open_with(subject, |options| options.producers_cached_max = 2);
    let streams = [case.create("a").await, case.create("b").await];
    for seq in 0..3 {
        for n in 0..20 {
            for to in &streams {
                let append = produced(&format!("[{n},{seq}]"), &format!("p{n}"), n, seq);
                assert!(!case.append(to, append).await.unwrap().duplicate);
            }
        }
    }
    for to in &streams {
        for n in 0..20 {
            let again = case.append(to, produced("0", &format!("p{n}"), n, 1)).await.unwrap();
            assert!(again.duplicate);
            assert_eq!(again.producer.unwrap().1.number(), 2);
        }
        assert_eq!(case.tail(to).await, 60);
    }
}

/// The same append sent many times at once is written once, and every sender is told the same place.
pub async fn s5_2_1_concurrent_retries_write_once(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    for seq in 0..5u64 {
        let retries: Vec<_> = (0..10)
            .map(|_| {
                let (store, to) = (Arc::clone(&case.store), to.clone());
                tokio::spawn(async move { store.append(&to, produced("1", "p", 0, seq)).await.unwrap() })
            })
            .collect();
        let mut new = 0;
        for retry in retries {
            let appended = retry.await.unwrap();
            assert_eq!(appended.next_offset, Offset::new(seq + 1));
            new += u64::from(!appended.duplicate);
        }
        assert_eq!(new, 1);
    }
    assert_eq!(case.messages_from(&to, 0).await.len(), 5);
}
