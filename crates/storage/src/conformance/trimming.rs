//! Trimming, an extension that PROTOCOL.md section 4 allows: the trim point moves, and nothing else does.

use super::*;
use crate::{CreateError, Fork, ReadError, Trim, TrimError, Trimmed};

async fn trim(case: &Case, of: &StreamPath, before: u64) -> u64 {
    let trimmed = case.store.trim(of, Trim::Before(Offset::new(before))).await.unwrap();
    assert!(!trimmed.more);
    trimmed.first.position()
}

fn keep(text: &str) -> Trim {
    Trim::Keep(text.parse().unwrap())
}

/// Steps until there is no more, to the trim point.
async fn trim_to(case: &Case, of: &StreamPath, retention: &str) -> u64 {
    for _ in 0..10_000 {
        let Trimmed { first, more } = case.store.trim(of, keep(retention)).await.unwrap();
        if !more {
            return first.position();
        }
    }
    panic!("trimming does not come to an end");
}

/// Numbers as messages, from `first` on, as many per append as the list says.
async fn fill(case: &Case, to: &StreamPath, first: u64, rows: &[u64]) {
    let mut next = first;
    for len in rows {
        let texts: Vec<String> = (next..next + len).map(|n| n.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        next += len;
        assert_eq!(case.write(to, &texts).await, next);
    }
}

/// Every offset below the trim point is refused and told where the stream begins; from there on it is as it was.
async fn assert_begins_at(case: &Case, of: &StreamPath, first: u64, tail: u64) {
    let head = case.store.head(of).await.unwrap();
    assert_eq!((head.first_offset, head.next_offset), (Offset::new(first), Offset::new(tail)));
    for from in 0..=tail {
        if from < first {
            let refused = case.store.read(of, Offset::new(from), 1_000).await;
            let told = matches!(
                refused,
                Err(ReadError::Trimmed { first: told, unit: Unit::Message }) if told == Offset::new(first)
            );
            assert!(told, "{from}: {refused:?}");
        } else {
            let expected: Vec<String> = (from..tail).map(|n| n.to_string()).collect();
            assert_eq!(case.messages_from(of, from).await, expected, "{from}");
        }
    }
}

/// Also when the trim point lies within a row; and writing, producers, closure and deletion know nothing of it.
pub async fn trimmed_history_is_refused_and_the_rest_is_as_it_was(subject: &dyn Subject) {
    for window_bytes in [usize::MAX, 0] {
        let case = Case::open_with(subject, |options| options.tail_window_bytes = window_bytes);
        let to = case.create("trimmed").await;
        fill(&case, &to, 0, &[3, 1, 4, 2]).await;
        for before in [2, 3, 4, 7, 9] {
            assert_eq!(trim(&case, &to, before).await, before);
            assert_begins_at(&case, &to, before, 10).await;
        }
        for seq in 0..3 {
            case.append(&to, produced(&(10 + seq).to_string(), "p", 0, seq)).await.unwrap();
        }
        assert_eq!(trim(&case, &to, 13).await, 13);
        assert_begins_at(&case, &to, 13, 13).await;
        // What is gone was written all the same.
        assert!(case.append(&to, produced("12", "p", 0, 2)).await.unwrap().duplicate);
        assert!(!case.append(&to, produced("13", "p", 0, 3)).await.unwrap().duplicate);
        assert_begins_at(&case, &to, 13, 14).await;
        case.append(&to, Append { close: true, ..Append::default() }).await.unwrap();
        assert_eq!(trim(&case, &to, 14).await, 14);
        let page = case.page(&to, 14, 1_000).await;
        assert!(page.rows.is_empty() && page.tail.closed && page.next == page.tail.next_offset);
        case.store.delete(&to).await.unwrap();
        assert!(matches!(case.store.trim(&to, keep("count:1")).await, Err(TrimError::NotFound)));
        // A new stream at the path begins at its beginning.
        case.create("trimmed").await;
        fill(&case, &to, 0, &[2]).await;
        assert_begins_at(&case, &to, 0, 2).await;
        case.store.delete(&to).await.unwrap();
        case.store.shutdown().await;
    }
}

/// Never past the tail; what was trimmed stays so; watchers and the time of the last change do not notice.
pub async fn trims_stop_at_the_tail_and_never_go_back(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    fill(&case, &to, 0, &[2, 2]).await;
    let before = case.store.head(&to).await.unwrap();
    let mut watch = case.store.watch(&to).await.unwrap();
    watch.mark_unchanged();
    case.clock.advance(Duration::from_secs(60));
    let beyond = case.store.trim(&to, Trim::Before(Offset::new(5))).await;
    assert!(matches!(beyond, Err(TrimError::BeyondTail { tail }) if tail == Offset::new(4)));
    assert_begins_at(&case, &to, 0, 4).await;
    assert_eq!(trim(&case, &to, 3).await, 3);
    assert_eq!(trim(&case, &to, 1).await, 3);
    assert_eq!(trim(&case, &to, 0).await, 3);
    assert_begins_at(&case, &to, 3, 4).await;
    assert_eq!(case.store.head(&to).await.unwrap().updated_at_ms, before.updated_at_ms);
    assert!(!watch.has_changed().unwrap());
    // A trim is no access.
    let sliding = CreateStream { lifetime: Lifetime::SlidingSecs(10), ..json_stream() };
    let short = case.create_as("short", sliding).await;
    for _ in 0..3 {
        case.clock.advance(Duration::from_secs(4));
        drop(case.store.trim(&short, keep("age:1s")).await);
    }
    assert!(matches!(case.store.trim(&short, keep("age:1s")).await, Err(TrimError::NotFound)));
}

/// The newest messages, to the message; a stream of bytes has none, and refuses to be created with such a limit.
pub async fn retention_by_count_is_exact(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    assert_eq!(trim_to(&case, &to, "count:5").await, 0);
    fill(&case, &to, 0, &[3, 1, 4, 2]).await;
    assert_eq!(trim_to(&case, &to, "count:11").await, 0);
    assert_eq!(trim_to(&case, &to, "count:10").await, 0);
    assert_eq!(trim_to(&case, &to, "count:4").await, 6);
    assert_begins_at(&case, &to, 6, 10).await;
    fill(&case, &to, 10, &[1]).await;
    // Together with limits that give up nothing it is the same.
    assert_eq!(trim_to(&case, &to, "count:4,age:1d,bytes:1GiB").await, 7);
    assert_eq!(trim_to(&case, &to, "count:1").await, 10);
    assert_begins_at(&case, &to, 10, 11).await;
    let counted = Retention { count: Some(1), ..Retention::NONE };
    let bytes = CreateStream { content_type: None, retention: counted, ..json_stream() };
    assert!(matches!(case.store.create(&path("b"), bytes).await, Err(CreateError::RetentionCount)));
}

/// By the time of the append, which is whole; nothing younger goes.
pub async fn retention_by_age_drops_whole_appends(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    for (n, len) in [2, 3, 1].into_iter().enumerate() {
        fill(&case, &to, [0, 2, 5][n], &[len]).await;
        case.clock.advance(Duration::from_secs(10));
    }
    for (wait_ms, first) in [(0, 0), (9_999, 0), (1, 2), (9_999, 2), (1, 5), (10_000, 6), (99_000, 6)] {
        case.clock.advance(Duration::from_millis(wait_ms));
        assert_eq!(trim_to(&case, &to, "age:40s").await, first, "{wait_ms}");
        assert_begins_at(&case, &to, first, 6).await;
    }
    fill(&case, &to, 6, &[1]).await;
    assert_eq!(trim_to(&case, &to, "age:40s").await, 6);
    assert_begins_at(&case, &to, 6, 7).await;
}

/// The newest bytes, as many whole appends as hold at least so many.
pub async fn retention_by_bytes_keeps_at_least_what_it_says(subject: &dyn Subject) {
    let case = Case::open(subject);
    let text = CreateStream { content_type: None, ..json_stream() };
    let to = case.create_as("bytes", text).await;
    for len in [100, 50, 30, 20] {
        let batch = Some(Batch::bytes(Bytes::from(vec![b'x'; len])).unwrap());
        case.append(&to, Append { batch, ..Append::default() }).await.unwrap();
    }
    for (bytes, first) in
        [(201, 0), (200, 0), (101, 0), (100, 100), (51, 100), (50, 150), (21, 150), (20, 180), (1, 180)]
    {
        assert_eq!(trim_to(&case, &to, &format!("bytes:{bytes}")).await, first, "{bytes}");
    }
    let refused = case.store.read(&to, Offset::new(179), 1_000).await;
    assert!(matches!(refused, Err(ReadError::Trimmed { unit: Unit::Byte, .. })));
    let batch = Some(Batch::bytes(Bytes::from(vec![b'y'; 19])).unwrap());
    case.append(&to, Append { batch, ..Append::default() }).await.unwrap();
    assert_eq!(trim_to(&case, &to, "bytes:20").await, 180);
    assert_eq!(trim_to(&case, &to, "bytes:19").await, 200);
    assert_eq!(case.page(&to, 200, 1_000).await.rows[0].body().len(), 19);
    // The strictest of several limits counts.
    assert_eq!(trim_to(&case, &to, "bytes:1GiB,age:1w").await, 200);
    case.clock.advance(Duration::from_secs(10));
    assert_eq!(trim_to(&case, &to, "bytes:1GiB,age:10s").await, 219);
}

/// More rows than one step looks at: all of them go in the end, and appends go on meanwhile.
pub async fn retention_goes_on_step_by_step(subject: &dyn Subject) {
    let case = Case::open(subject);
    let to = case.create("a").await;
    let mut tasks = Vec::new();
    for _ in 0..5_000 {
        let (store, to) = (Arc::clone(&case.store), to.clone());
        tasks.push(tokio::spawn(async move { store.append(&to, one("1")).await.unwrap() }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut steps = 0;
    for n in 0.. {
        let trimmed = case.store.trim(&to, keep("bytes:10")).await.unwrap();
        let next = case.write(&to, &["2"]).await;
        assert!(trimmed.first.position() <= next - 11);
        steps = n;
        if !trimmed.more {
            break;
        }
    }
    assert!(steps > 1, "{steps}");
    let next = case.tail(&to).await;
    assert_eq!(trim_to(&case, &to, "bytes:10").await, next - 10);
    assert_eq!(case.messages_from(&to, next - 10).await.len(), 10);
}

fn fork_of(source: &str, at: u64) -> CreateStream {
    let fork = Fork { source: path(source), at: Some(Offset::new(at)), sub_offset: 0 };
    CreateStream { content_type: None, fork: Some(fork), ..json_stream() }
}

/// A fork begins where its source began when it was made, whatever the source is trimmed of later; it can be
/// trimmed itself; and it cannot branch off where nothing is left.
pub async fn s4_2_forks_keep_what_their_source_is_trimmed_of(subject: &dyn Subject) {
    for window_bytes in [usize::MAX, 0] {
        let case = Case::open_with(subject, |options| options.tail_window_bytes = window_bytes);
        let source = case.create("s").await;
        fill(&case, &source, 0, &[2, 3, 1]).await;
        trim(&case, &source, 1).await;
        let early = case.create_as("early", fork_of("s", 5)).await;
        fill(&case, &early, 5, &[3]).await;
        fill(&case, &source, 6, &[4]).await;
        trim(&case, &source, 10).await;
        let refused = case.store.create(&path("late"), fork_of("s", 9)).await;
        assert!(matches!(refused, Err(CreateError::ForkOffset)));
        let late = case.create_as("late", fork_of("s", 10)).await;
        fill(&case, &late, 10, &[1]).await;
        // A fork of the fork, at a position whose row is the source's.
        let second = case.create_as("second", fork_of("early", 3)).await;
        fill(&case, &second, 3, &[1]).await;
        let check = async || {
            assert_begins_at(&case, &source, 10, 10).await;
            assert_begins_at(&case, &early, 1, 8).await;
            assert_begins_at(&case, &late, 10, 11).await;
            assert_begins_at(&case, &second, 1, 4).await;
        };
        check().await;
        // Time for what is given back in the background.
        for n in 0..50 {
            case.create(&format!("other-{n}")).await;
            case.store.delete(&path(&format!("other-{n}"))).await.unwrap();
        }
        check().await;
        assert_eq!(trim_to(&case, &early, "count:6").await, 2);
        assert_begins_at(&case, &early, 2, 8).await;
        assert_begins_at(&case, &second, 1, 4).await;
        case.store.delete(&source).await.unwrap();
        assert!(matches!(case.store.trim(&source, keep("count:1")).await, Err(TrimError::Gone)));
        assert_begins_at(&case, &early, 2, 8).await;
        assert_eq!(trim_to(&case, &early, "count:2").await, 6);
        assert_begins_at(&case, &early, 6, 8).await;
        assert_begins_at(&case, &second, 1, 4).await;
        for stream in [early, second, late] {
            case.store.delete(&stream).await.unwrap();
        }
        assert!(case.store.list("", None, 9).await.unwrap().is_empty());
        case.store.shutdown().await;
    }
}

/// As a lifetime: taken over unless the fork asks for its own.
pub async fn s4_2_fork_retention_is_inherited_or_its_own(subject: &dyn Subject) {
    let case = Case::open(subject);
    let (ten, five) = ("count:10".parse().unwrap(), "age:5m".parse().unwrap());
    case.create_as("s", CreateStream { retention: ten, ..json_stream() }).await;
    let inheriting = fork_of("s", 0);
    let own = CreateStream { retention: five, ..fork_of("s", 0) };
    assert_eq!(case.create_at("inherits", inheriting.clone()).await.head.retention, ten);
    assert_eq!(case.create_at("own", own.clone()).await.head.retention, five);
    let asked = CreateStream { retention: ten, ..fork_of("s", 0) };
    for (name, again) in [("inherits", inheriting.clone()), ("inherits", asked), ("own", own)] {
        assert!(!case.create_at(name, again).await.is_new, "{name}");
    }
    let refused = case.store.create(&path("own"), inheriting).await;
    assert!(matches!(refused, Err(CreateError::ConfigurationMismatch("retention"))));
}

/// What a stream asks for is kept with it and compared when it is created again.
pub async fn s5_1_retention_is_part_of_the_configuration(subject: &dyn Subject) {
    let case = Case::open(subject);
    let retention = "age:30d,count:100,bytes:1MiB".parse().unwrap();
    let create = CreateStream { retention, ..json_stream() };
    assert_eq!(case.create_at("a", create.clone()).await.head.retention, retention);
    assert!(!case.create_at("a", create.clone()).await.is_new);
    for other in [Retention::NONE, Retention { count: None, ..retention }] {
        let refused = case.store.create(&path("a"), CreateStream { retention: other, ..json_stream() }).await;
        assert!(matches!(refused, Err(CreateError::ConfigurationMismatch("retention"))));
    }
    if subject.is_durable() {
        case.store.shutdown().await;
        let case = Case::open(subject);
        assert_eq!(case.store.head(&path("a")).await.unwrap().retention, retention);
        assert!(!case.create_at("a", create).await.is_new);
    }
}

/// A trim that was acknowledged is there after a restart, also one of everything; positions go on where they were,
/// and forks read what is theirs.
pub async fn trims_outlive_a_restart(subject: &dyn Subject) {
    if !subject.is_durable() {
        return;
    }
    let case = Case::open(subject);
    let names = ["part", "row", "whole", "source"];
    let to = names.map(path);
    for name in names {
        case.create(name).await;
        fill(&case, &path(name), 0, &[3, 2, 4]).await;
    }
    let fork = case.create_as("fork", fork_of("source", 4)).await;
    for (of, before) in to.iter().zip([4, 5, 9, 9]) {
        assert_eq!(trim(&case, of, before).await, before);
    }
    let clock = Arc::clone(&case.clock);
    case.store.shutdown().await;
    for round in 0..3 {
        let case = Case::open_at(subject, Arc::clone(&clock), |_| {});
        for (of, first) in to.iter().zip([4, 5, 9, 9]) {
            assert_begins_at(&case, of, first, 9 + round).await;
            fill(&case, of, 9 + round, &[1]).await;
            assert_begins_at(&case, of, first, 10 + round).await;
        }
        assert_begins_at(&case, &fork, 0, 4).await;
        case.store.shutdown().await;
    }
    // The last fork goes, and with it what it read; the source does not notice.
    let case = Case::open_at(subject, clock, |_| {});
    case.store.delete(&fork).await.unwrap();
    assert_begins_at(&case, &to[3], 9, 12).await;
    assert_eq!(trim(&case, &to[2], 12).await, 12);
    case.store.shutdown().await;
}

/// A page is whole or refused, never damaged, while rows go under it.
pub async fn reads_during_trims_are_whole_or_refused(subject: &dyn Subject) {
    let case = Case::open_with(subject, |options| options.tail_window_bytes = 0);
    let to = case.create("a").await;
    fill(&case, &to, 0, &[10; 60]).await;
    let (store, of) = (Arc::clone(&case.store), to.clone());
    let trimming = tokio::spawn(async move {
        for before in 1..=590 {
            store.trim(&of, Trim::Before(Offset::new(before))).await.unwrap();
        }
    });
    let mut from = Offset::ZERO;
    while from < Offset::new(590) || !trimming.is_finished() {
        match case.store.read(&to, from, 40).await {
            Ok(page) => {
                let mut expected = from.position();
                for message in page.rows.iter().flat_map(|row| row.messages().collect::<Vec<_>>()) {
                    assert_eq!(message, expected.to_string());
                    expected += 1;
                }
                assert_eq!(page.next, Offset::new(expected));
            }
            Err(ReadError::Trimmed { first, .. }) => {
                assert!(first > from);
                from = first;
            }
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
    trimming.await.unwrap();
    assert_begins_at(&case, &to, 590, 600).await;
}
