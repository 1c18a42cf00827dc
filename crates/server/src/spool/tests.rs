//! The spool around a store that fails: order, attempts, dead letters, restarts, bounds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, Offset, StreamPath};
use durable_sessions_storage::{Append, Batch, StreamStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::app::App;
use crate::testing::{Fault, broken_app, json_stream};

fn queued(path: &StreamPath, text: &str) -> QueuedAppend {
    let batch = Batch::message(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    QueuedAppend::new(path.clone(), ContentType::json(), batch)
}

async fn content(store: &dyn StreamStore, path: &StreamPath) -> Vec<String> {
    let page = store.read(path, Offset::ZERO, usize::MAX).await.unwrap();
    let messages = page.rows.iter().flat_map(Batch::messages);
    messages.map(|message| String::from_utf8(message.to_vec()).unwrap()).collect()
}

fn start(app: &Arc<App>) -> JoinHandle<()> {
    tokio::spawn(deliver(app.clone()))
}

/// The clock of the runtime is paused in these tests and leaps ahead; patience is that of the real one.
async fn until(condition: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never comes to that");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn queued_appends_come_in_order_through_failures() {
    let (app, faults, path) = broken_app(|_| {}).await;
    let app = Arc::new(app);
    let other: StreamPath = "other".parse().unwrap();
    app.store.create(&other, json_stream()).await.unwrap();
    for text in ["1", "2", "3"] {
        app.spool.accept(&queued(&path, text)).await.unwrap();
    }
    app.spool.accept(&queued(&other, "4")).await.unwrap();
    assert_eq!(app.spool.depth().entries, 4);
    // Written, and nobody knows: the second attempt is recognised.
    faults.set(Fault::LostAnswer, 3);
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    assert_eq!(content(&*app.store, &path).await, ["1", "2", "3"]);
    assert_eq!(content(&*app.store, &other).await, ["4"]);
    assert!(faults.appends() >= 7, "{}", faults.appends());
    assert_eq!(app.spool.depth(), Depth { entries: 0, bytes: 0, dead_letters: 0 });
    // What is done is taken from the queue.
    let opened = app.spool.opened.get().unwrap();
    for _ in 0..1_000 {
        if opened.store.head(&opened.queue).await.unwrap().first_offset == Offset::new(4) {
            delivering.abort();
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the queue is not trimmed");
}

/// Entries become known in another order than they have in the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_for_one_stream_all_come_once_and_in_order() {
    const LEN: usize = 900;
    let (app, _, path) = broken_app(|_| {}).await;
    let app = Arc::new(app);
    let delivering = start(&app);
    let accepted = (0..LEN).map(|number| {
        let (app, append) = (app.clone(), queued(&path, &number.to_string()));
        tokio::spawn(async move { (app.spool.accept(&append).await.unwrap(), number.to_string()) })
    });
    let mut accepted: Vec<(u64, String)> =
        futures::future::join_all(accepted).await.into_iter().map(Result::unwrap).collect();
    accepted.sort_unstable();
    until(|| app.spool.depth().entries == 0).await;
    let expected: Vec<String> = accepted.into_iter().map(|(_, text)| text).collect();
    assert_eq!(content(&*app.store, &path).await, expected);
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_is_waited_for_and_costs_no_attempt() {
    let (app, faults, path) = broken_app(|config| config.limits.queued_attempts_max = 2).await;
    let app = Arc::new(app);
    faults.set(Fault::Unready, 50);
    app.spool.accept(&queued(&path, "1")).await.unwrap();
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    assert_eq!((content(&*app.store, &path).await, faults.appends()), (vec!["1".to_owned()], 1));
    assert_eq!(app.spool.depth().dead_letters, 0);
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_for_and_a_stream_that_is_full_for_good_is_not() {
    let (app, faults, path) = broken_app(|config| config.limits.queued_attempts_max = 3).await;
    let app = Arc::new(app);
    // The append that finds it out, again and again: the store says all the time that it is ready.
    faults.set(Fault::StorageFull, 20);
    for text in ["1", "2"] {
        app.spool.accept(&queued(&path, text)).await.unwrap();
    }
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    assert_eq!((content(&*app.store, &path).await, faults.appends()), (vec!["1".into(), "2".into()], 22));
    assert_eq!(app.spool.depth().dead_letters, 0);

    faults.set(Fault::StreamFull, u32::MAX);
    let id = app.spool.accept(&queued(&path, "3")).await.unwrap();
    until(|| app.spool.depth().dead_letters == 1).await;
    let letter = app.spool.letter(id).await.unwrap();
    assert_eq!((letter.attempts, letter.reason.code.as_str()), (1, "STORAGE_FULL"));
    delivering.abort();
}

/// What a coalescing session refuses together, it may take in part.
#[tokio::test(start_paused = true)]
async fn a_group_that_is_refused_is_tried_one_by_one() {
    let (app, faults, _) = broken_app(|config| config.coalesce_window = Duration::from_millis(1)).await;
    let app = Arc::new(app);
    let path: StreamPath = "sessions/a".parse().unwrap();
    app.store.create(&path, json_stream()).await.unwrap();
    let mut places = Vec::new();
    for id in ["1", "2", "3", "4"] {
        let event = format!(r#"{{"id":"{id}","type":"chunk","timestamp":1,"data":{{"text":""}}}}"#);
        let append = QueuedAppend { may_join: true, ..queued(&path, &event) };
        places.push(app.spool.accept(&append).await.unwrap());
    }
    // All of them together, and the first one by itself.
    faults.set(Fault::StreamFull, 2);
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    delivering.abort();
    let letters = app.spool.letter_ids(9).await.unwrap();
    assert_eq!((letters, content(&*app.store, &path).await.len()), (vec![places[0]], 3));
    assert_eq!(faults.appends(), 5);
}

#[tokio::test]
async fn a_disk_that_is_full_under_the_queue_is_no_outage() {
    let dir = tempfile::tempdir().unwrap();
    for free_bytes_min in [u64::MAX, u64::MAX, 0, u64::MAX] {
        // The first times the queue itself cannot be made, the last time it is there.
        let (app, _, path) = broken_app(|config| {
            config.store = StoreConfig::Embedded { dir: dir.path().to_owned() };
            config.store_options.disk_free_bytes_min = free_bytes_min;
        })
        .await;
        let app = Arc::new(app);
        let accepted = app.spool.accept(&queued(&path, "1")).await;
        match (free_bytes_min, accepted) {
            (0, Ok(_)) => {}
            (u64::MAX, Err(error @ AcceptError::StorageFull)) => {
                let answer = crate::error::ApiError::from(error).into_api_response();
                assert_eq!(answer.status(), 507);
            }
            (_, other) => panic!("{other:?}"),
        }
        app.spool.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_is_kept_and_may_be_tried_again_or_deleted() {
    let (app, faults, path) = broken_app(|config| config.limits.queued_attempts_max = 3).await;
    let app = Arc::new(app);
    faults.set(Fault::Overloaded, 3);
    let first = app.spool.accept(&queued(&path, "{\"a\":1}")).await.unwrap();
    app.spool.accept(&queued(&path, "2")).await.unwrap();
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    // The rest of the lane goes on.
    assert_eq!(content(&*app.store, &path).await, ["2"]);
    assert_eq!(app.spool.letter_ids(10).await.unwrap(), [first]);
    let (id, letter) = (&first, app.spool.letter(first).await.unwrap());
    assert_eq!((letter.attempts, letter.reason.code.as_str()), (3, "STREAM_UNAVAILABLE"));
    assert!(!letter.uncertain && letter.failed_at_ms >= letter.first_attempt_at_ms);
    let whole = app.spool.letter(*id).await.unwrap().whole(*id);
    assert_eq!(whole["messages"], serde_json::json!([{ "a": 1 }]));
    assert_eq!(whole["path"], "plain");

    // Twice at once is once.
    let (one, two) = tokio::join!(app.spool.redrive(*id), app.spool.redrive(*id));
    assert!(one.is_ok() || two.is_ok());
    until(|| app.spool.depth().entries == 0).await;
    assert_eq!(content(&*app.store, &path).await, ["2", "{\"a\":1}"]);
    assert_eq!(app.spool.depth().dead_letters, 0);
    assert!(matches!(app.spool.letter(*id).await, Err(LetterError::NotFound)));

    // Refused for good: no second attempt.
    app.store.append(&path, Append { close: true, ..Append::default() }).await.unwrap();
    let closed = app.spool.accept(&queued(&path, "3")).await.unwrap();
    until(|| app.spool.depth().entries == 0).await;
    let letter = app.spool.letter(closed).await.unwrap();
    assert_eq!((letter.attempts, letter.reason.code.as_str()), (1, "STREAM_CLOSED"));
    app.spool.purge(closed).await.unwrap();
    assert!(matches!(app.spool.purge(closed).await, Err(LetterError::NotFound)));
    assert_eq!(app.spool.depth().dead_letters, 0);
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dropped_when_dead_letters_are_full() {
    let (app, faults, path) = broken_app(|config| {
        config.limits.queued_attempts_max = 1;
        config.limits.dead_letters_max = 1;
    })
    .await;
    let app = Arc::new(app);
    faults.set(Fault::Overloaded, 3);
    for text in ["1", "2"] {
        app.spool.accept(&queued(&path, text)).await.unwrap();
    }
    let delivering = start(&app);
    until(|| faults.appends() >= 3).await;
    assert_eq!((app.spool.depth().entries, app.spool.depth().dead_letters), (1, 1));
    assert_eq!(app.spool.complaints(), ["dead-letters-full"]);
    let id = app.spool.letter_ids(1).await.unwrap()[0];
    app.spool.purge(id).await.unwrap();
    until(|| app.spool.depth().entries == 0).await;
    assert_eq!(content(&*app.store, &path).await, ["2"]);
    assert!(app.spool.complaints().is_empty());
    delivering.abort();
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let (app, _, path) = broken_app(|config| config.limits.queued_appends_max = 2).await;
    let app = Arc::new(app);
    for text in ["1", "2"] {
        app.spool.accept(&queued(&path, text)).await.unwrap();
    }
    assert!(matches!(app.spool.accept(&queued(&path, "3")).await, Err(AcceptError::Full)));
    assert_eq!(app.spool.complaints(), ["queued-appends-full"]);
}

/// An application around a store that is kept.
async fn app_in(dir: &std::path::Path) -> (Arc<App>, watch::Sender<bool>) {
    let store = StoreConfig::Embedded { dir: dir.to_owned() };
    let config =
        crate::ServerConfig::new("127.0.0.1:0".parse().unwrap(), store.clone(), crate::AuthConfig::DevNoAuth);
    let (drain, draining) = watch::channel(false);
    let store = store.open(config.store_options.clone()).unwrap();
    let app = crate::server::Server::assemble(config, store, None, draining).await.unwrap();
    (Arc::new(app), drain)
}

async fn delivered(app: &Arc<App>) {
    let delivering = start(app);
    until(|| app.spool.depth().entries == 0).await;
    delivering.abort();
    assert_eq!(app.spool.depth().dead_letters, 0);
}

/// The queue is copied before the streams are: these know entries whose places the restored queue gives once more.
#[tokio::test]
async fn a_restored_queue_is_not_taken_for_what_it_was_before() {
    let place = tempfile::tempdir().unwrap();
    let (path, file) = ("plain".parse::<StreamPath>().unwrap(), place.path().join("file"));
    let (before, _drain) = app_in(&place.path().join("before")).await;
    before.store.create(&path, json_stream()).await.unwrap();
    before.spool.accept(&queued(&path, "1")).await.unwrap();
    let mut queue = before.spool.export().await.unwrap().unwrap();
    // With the first piece its moment has been.
    let first = queue.next().await.unwrap().unwrap();
    for text in ["2", "3", "4"] {
        before.spool.accept(&queued(&path, text)).await.unwrap();
    }
    delivered(&before).await;
    let restored = place.path().join("restored");
    // Each by itself, as a whole backup is restored: the streams, and the queue within.
    for (first, mut export, dir) in [
        (Bytes::new(), before.store.export(None).await.unwrap(), restored.clone()),
        (first, queue, restored.join(INNER_DIR)),
    ] {
        let mut whole = first.to_vec();
        while let Some(piece) = export.next().await {
            whole.extend_from_slice(&piece.unwrap());
        }
        std::fs::write(&file, whole).unwrap();
        durable_sessions_storage::backup::restore(&file, &dir).unwrap();
    }
    before.spool.shutdown().await;
    before.store.shutdown().await;

    let (after, _drain) = app_in(&restored).await;
    assert_eq!(after.spool.depth().entries, 1, "what was in the queue at its moment");
    for text in ["5", "6"] {
        after.spool.accept(&queued(&path, text)).await.unwrap();
    }
    delivered(&after).await;
    assert_eq!(content(&*after.store, &path).await, ["1", "2", "3", "4", "5", "6"]);
    after.spool.shutdown().await;
    after.store.shutdown().await;
}

#[tokio::test]
async fn what_is_queued_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = |config: &mut crate::ServerConfig| {
        config.store = StoreConfig::Embedded { dir: dir.path().to_owned() };
        config.limits.queued_attempts_max = 1;
    };
    let (before, _, path) = broken_app(config).await;
    let gone: StreamPath = "gone".parse().unwrap();
    for (path, text) in [(&path, "1"), (&gone, "2"), (&path, "3")] {
        before.spool.accept(&queued(path, text)).await.unwrap();
    }
    before.spool.shutdown().await;
    drop(before);
    // The streams of this test are in memory, and new; only the spool is what it was.
    let (app, _, path) = broken_app(config).await;
    let app = Arc::new(app);
    assert_eq!(app.spool.depth().entries, 3);
    let delivering = start(&app);
    let done = async {
        while app.spool.depth().entries > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.unwrap();
    assert_eq!(content(&*app.store, &path).await, ["1", "3"]);
    assert_eq!(app.spool.depth().dead_letters, 1);
    delivering.abort();
    app.spool.shutdown().await;
    drop(app);
    let (after, _, _) = broken_app(config).await;
    assert_eq!((after.spool.depth().entries, after.spool.depth().dead_letters), (0, 1));
    let (letters, next) = after.spool.letters(None, 5).await.unwrap();
    assert_eq!((letters.len(), &letters[0]["reason"]["code"], next), (1, &"STREAM_NOT_FOUND".into(), None));
    after.spool.shutdown().await;
}

/// An application around a spool that is kept; its streams are in memory, and new.
async fn app_with_spool(dir: &std::path::Path) -> (Arc<App>, Arc<crate::testing::Faults>, StreamPath) {
    let (app, faults, path) = broken_app(|config| {
        config.store = StoreConfig::Embedded { dir: dir.to_owned() };
        config.limits.queued_attempts_max = 1;
    })
    .await;
    (Arc::new(app), faults, path)
}

async fn in_queue(app: &App) -> u64 {
    let opened = app.spool.opened.get().unwrap();
    let head = opened.store.head(&opened.queue).await.unwrap();
    head.next_offset.position() - head.first_offset.position()
}

/// An entry that no process can read: whatever is JSON is taken by the queue's stream.
async fn damage(app: &App) {
    let opened = app.spool.opened().await.unwrap();
    let batch = Some(Batch::message(Bytes::from_static(b"{\"what\":1}")).unwrap());
    opened.store.append(&opened.queue, Append { batch, ..Append::default() }).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_set_aside_and_stands_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let (before, _, path) = app_with_spool(dir.path()).await;
    damage(&before).await;
    before.spool.accept(&queued(&path, "1")).await.unwrap();
    before.spool.shutdown().await;
    drop(before);
    for _ in 0..2 {
        let (app, _, _) = app_with_spool(dir.path()).await;
        delivered(&app).await;
        until_async(async || in_queue(&app).await == 0).await;
        assert_eq!(app.spool.complaints(), ["queued-append-unreadable"]);
        let opened = app.spool.opened.get().unwrap();
        let aside = opened.store.list(aside::ASIDE, None, 9).await.unwrap();
        assert_eq!(aside.len(), 1);
        let kept = opened.store.read(&aside[0].0, Offset::ZERO, usize::MAX).await.unwrap();
        assert_eq!(kept.rows[0].body(), &Bytes::from_static(b"{\"what\":1}"));
        app.spool.shutdown().await;
    }
}

#[tokio::test]
async fn a_dead_letter_that_was_deleted_stays_deleted_through_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (before, faults, path) = app_with_spool(dir.path()).await;
    let [stuck, gone] = ["stuck", "gone"].map(|name| name.parse::<StreamPath>().unwrap());
    before.store.create(&stuck, json_stream()).await.unwrap();
    // The head of the queue stands still, so nothing behind it is taken from the queue.
    let waits = QueuedAppend { linger: Duration::from_secs(3_600), ..queued(&stuck, "1") };
    before.spool.accept(&waits).await.unwrap();
    let [purged, redriven] = [
        before.spool.accept(&queued(&gone, "2")).await.unwrap(),
        before.spool.accept(&queued(&path, "3")).await.unwrap(),
    ];
    faults.set(Fault::Overloaded, 2);
    let delivering = start(&before);
    until(|| before.spool.depth().dead_letters == 2).await;
    before.spool.purge(purged).await.unwrap();
    assert!(matches!(before.spool.purge(purged).await, Err(LetterError::NotFound)));
    assert!(matches!(before.spool.letter(purged).await, Err(LetterError::NotFound)));
    before.spool.redrive(redriven).await.unwrap();
    until(|| before.spool.depth().entries == 1).await;
    assert_eq!(content(&*before.store, &path).await, ["3"]);
    assert_eq!(before.spool.depth().dead_letters, 0);
    delivering.abort();
    before.spool.shutdown().await;
    drop(before);
    let (after, _, _) = app_with_spool(dir.path()).await;
    assert_eq!(after.spool.depth().dead_letters, 0);
    let (letters, _) = after.spool.letters(None, 9).await.unwrap();
    assert!(letters.is_empty());
    assert!(!after.spool.holds(&gone), "it would be dead once more");
    let again = after.spool.state().lanes.reach(&path).map(|(first, _)| first);
    assert_ne!(again, Some(redriven), "it would be there twice");
    after.store.create(&stuck, json_stream()).await.unwrap();
    let delivering = start(&after);
    until(|| after.spool.depth().entries == 0).await;
    // With the queue goes what was kept for its sake.
    until_async(async || {
        let opened = after.spool.opened.get().unwrap();
        opened.store.list(DEAD, None, 9).await.unwrap().is_empty()
    })
    .await;
    delivering.abort();
    after.spool.shutdown().await;
}

/// The same application, with the spool's own store failing as it is told. Nothing may hold the spool yet.
fn with_faulty_spool(app: &mut App) -> Arc<crate::testing::Faults> {
    let opened = Arc::get_mut(&mut app.spool).unwrap().opened.get_mut().unwrap();
    let (store, faults) = crate::testing::faulty(opened.store.clone());
    opened.store = store;
    faults
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_found_damaged_while_the_server_runs_stands_in_nobodys_way() {
    let (mut app, _, path) = broken_app(|_| {}).await;
    for text in ["1", "2"] {
        app.spool.accept(&queued(&path, text)).await.unwrap();
    }
    let queue = with_faulty_spool(&mut app);
    queue.set(Fault::DamagedRead, 1);
    let app = Arc::new(app);
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    delivering.abort();
    assert_eq!(content(&*app.store, &path).await, ["2"]);
    assert_eq!(app.spool.complaints(), ["queued-append-unreadable"]);
    let opened = app.spool.opened.get().unwrap();
    assert_eq!(opened.store.list(aside::ASIDE, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn readiness_says_what_is_the_matter_with_the_queue_itself() {
    let (mut app, _, path) = broken_app(|_| {}).await;
    app.spool.accept(&queued(&path, "1")).await.unwrap();
    let queue = with_faulty_spool(&mut app);
    for (fault, complaint) in [
        (Fault::SaysFull, "queue-storage-full"),
        (Fault::Unready, "queue-unavailable"),
        (Fault::GivenUp, "queue-unavailable"),
    ] {
        queue.set(fault, 1);
        assert_eq!(app.spool.complaints(), [complaint]);
    }
    assert!(app.spool.complaints().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_is_one_whose_answer_is_lost() {
    let (app, faults, path) = broken_app(|config| config.limits.queued_attempts_max = 1).await;
    let app = Arc::new(app);
    faults.set(Fault::Panic, 1);
    app.spool.accept(&queued(&path, "1")).await.unwrap();
    let delivering = start(&app);
    until(|| faults.appends() == 1).await;
    faults.set(Fault::Overloaded, 1);
    until(|| app.spool.depth().entries == 0).await;
    delivering.abort();
    let id = app.spool.letter_ids(9).await.unwrap()[0];
    let letter = app.spool.letter(id).await.unwrap();
    assert!(letter.uncertain, "it may have been written before it panicked");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_written_is_said_of_a_dead_letter_that_had_to_wait_for_room() {
    let (app, faults, path) = broken_app(|config| {
        config.limits.queued_attempts_max = 1;
        config.limits.dead_letters_max = 1;
    })
    .await;
    let app = Arc::new(app);
    let other: StreamPath = "other".parse().unwrap();
    let first = app.spool.accept(&queued(&other, "1")).await.unwrap();
    let delivering = start(&app);
    until(|| app.spool.depth().dead_letters == 1).await;
    faults.set(Fault::Unavailable, 1);
    let second = app.spool.accept(&queued(&path, "2")).await.unwrap();
    until(|| faults.appends() == 1).await;
    // The attempts while there is no room say that they wrote nothing.
    faults.set(Fault::Overloaded, u32::MAX);
    until(|| faults.appends() >= 2).await;
    app.spool.purge(first).await.unwrap();
    until(|| app.spool.depth().entries == 0).await;
    delivering.abort();
    let letter = app.spool.letter(second).await.unwrap();
    assert_eq!((letter.uncertain, letter.attempts), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_once_a_round_however_many_wait() {
    const ROUNDS: u32 = 5;
    let (app, faults, path) = broken_app(|_| {}).await;
    let app = Arc::new(app);
    let mut paths = vec![path];
    for number in 0..40 {
        let path: StreamPath = format!("stream-{number}").parse().unwrap();
        app.store.create(&path, json_stream()).await.unwrap();
        paths.push(path);
    }
    for path in &paths {
        app.spool.accept(&queued(path, "1")).await.unwrap();
    }
    faults.set(Fault::Unready, ROUNDS);
    let began = tokio::time::Instant::now();
    let delivering = start(&app);
    until(|| app.spool.depth().entries == 0).await;
    delivering.abort();
    assert_eq!(faults.asked_unready(), ROUNDS);
    // Each look was followed by a pause.
    assert!(began.elapsed() >= (ROUNDS - 1) * deliver::OBSTACLE_PAUSE, "{:?}", began.elapsed());
}

async fn until_async(mut condition: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(30), "it never comes to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
