//! Windows: when they end, in which order, and what becomes of those who wait.

use bytes::Bytes;

use super::*;
use crate::session::{Publication, Published, SessionRow, publish};
use crate::testing::{Fault, Faults, broken_app, json_stream};

const WINDOW_MS: u32 = 1_000;

/// An application with a session whose window is long: what ends it is something else than time.
async fn session(change: impl FnOnce(&mut crate::ServerConfig)) -> (Arc<App>, Arc<Faults>, StreamPath) {
    let (app, faults, _) = broken_app(change).await;
    let app = Arc::new(app);
    let path: StreamPath = "sessions/a".parse().unwrap();
    let row = SessionRow { coalesce_ms: Some(WINDOW_MS), ..SessionRow::new(None) };
    session::create(&app, &path, json_stream(), &row).await.unwrap();
    (app, faults, path)
}

fn publication(events: &[(&str, &str)]) -> Publication {
    let event = |(id, text): &(&str, &str)| match *text {
        "" => format!(r#"{{"id":"{id}","type":"x-own","timestamp":1,"data":1}}"#),
        text => format!(r#"{{"id":"{id}","type":"chunk","timestamp":1,"data":{{"text":"{text}"}}}}"#),
    };
    let texts: Vec<String> = events.iter().map(event).collect();
    let mut end = 0;
    let ends = texts.iter().map(|text| {
        end += text.len() + 1;
        u32::try_from(end - 1).unwrap()
    });
    let ends = ends.collect();
    let batch = Batch::joined_messages(Bytes::from(texts.join(",")), ends).unwrap();
    let ids = events.iter().map(|(id, _)| Some((*id).to_owned())).collect();
    Publication { batch, ids, is_work: true, producer: None }
}

/// Publishes in the background, and waits until it is in the window.
async fn begin(
    app: &Arc<App>,
    path: &StreamPath,
    events: &[(&str, &str)],
) -> tokio::task::JoinHandle<Result<Published, AppendError>> {
    let waiting = |app: &App| app.coalescer.windows().get(path).map_or(0, |window| window.waiting.len());
    let before = waiting(app);
    let (task_app, task_path, publication) = (app.clone(), path.clone(), publication(events));
    let task = tokio::spawn(async move { publish(&task_app, &task_path, publication).await });
    while waiting(app) == before {
        tokio::task::yield_now().await;
    }
    task
}

/// Type, and text or nothing, of what is stored.
async fn stored(app: &App, path: &StreamPath) -> Vec<String> {
    let page = app.store.read(path, Offset::ZERO, usize::MAX).await.unwrap();
    let text = |event: Bytes| {
        let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
        event["data"]["text"].as_str().unwrap_or("-").to_owned()
    };
    page.rows.iter().flat_map(Batch::messages).map(text).collect()
}

#[tokio::test]
async fn a_window_is_one_append_and_another_event_ends_it() {
    let (app, faults, path) = session(|_| {}).await;
    let first = begin(&app, &path, &[("1", "a")]).await;
    let second = begin(&app, &path, &[("2", "b"), ("3", "c")]).await;
    assert!(stored(&app, &path).await.is_empty() && !first.is_finished());
    assert!(app.coalescer.held_bytes() > 0);
    faults.set(Fault::Overloaded, 0);
    let last = publish(&app, &path, publication(&[("4", "d"), ("5", ""), ("6", "e")])).await.unwrap();
    assert_eq!(stored(&app, &path).await, ["abcd", "-", "e"]);
    assert_eq!(faults.appends(), 1);
    // Each stands behind its own last event.
    let offset = |n| Ok::<_, ()>(Published { offset: Offset::new(n), duplicates: 0 });
    for (answer, end) in [(first, 1), (second, 1)] {
        assert_eq!(answer.await.unwrap().map_err(drop), offset(end));
    }
    assert_eq!(last.offset, Offset::new(3));
    assert_eq!(app.coalescer.held_bytes(), 0);
    // Sent again, each is recognised, and found where it is.
    for (id, end) in [("1", 1), ("3", 1), ("4", 1), ("5", 2), ("6", 3)] {
        let again = publish(&app, &path, publication(&[(id, "z")])).await.unwrap();
        assert_eq!(again, Published { offset: Offset::new(end), duplicates: 1 }, "{id}");
    }
    assert_eq!(session::find(&app, &path).await.unwrap().row.status.as_str(), "active");
}

#[tokio::test]
async fn time_ends_a_window() {
    let (app, _, path) = session(|_| {}).await;
    publish(&app, &path, publication(&[("1", "a")])).await.unwrap();
    assert_eq!(stored(&app, &path).await, ["a"]);
    while !app.coalescer.windows().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_goes_past_the_window_flushes_it() {
    let (app, _, path) = session(|_| {}).await;
    let waiting = begin(&app, &path, &[("1", "a")]).await;
    flush(&app, &path).await;
    assert_eq!(stored(&app, &path).await, ["a"]);
    waiting.await.unwrap().unwrap();
    // What comes from the queue is joined at once, behind what waits.
    let waiting = begin(&app, &path, &[("2", "b")]).await;
    let producer = durable_sessions_protocol::ProducerClaim {
        id: "p".parse().unwrap(),
        epoch: durable_sessions_protocol::ProducerEpoch::ZERO,
        seq: durable_sessions_protocol::ProducerSeq::ZERO,
    };
    let queued = Publication { producer: Some(producer), ..publication(&[("3", "c"), ("4", "d")]) };
    publish(&app, &path, queued).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(stored(&app, &path).await, ["a", "b", "cd"]);
    flush(&app, &path).await;
}

#[tokio::test]
async fn the_same_id_waits_for_the_window_it_is_in() {
    let (app, _, path) = session(|_| {}).await;
    let first = begin(&app, &path, &[("1", "a"), ("2", "b")]).await;
    let again = {
        let (app, path) = (app.clone(), path.clone());
        tokio::spawn(async move { publish(&app, &path, publication(&[("2", "b")])).await })
    };
    tokio::task::yield_now().await;
    flush(&app, &path).await;
    assert_eq!(first.await.unwrap().unwrap().duplicates, 0);
    assert_eq!(again.await.unwrap().unwrap(), Published { offset: Offset::new(1), duplicates: 1 });
    assert_eq!(stored(&app, &path).await, ["ab"]);
}

#[tokio::test]
async fn a_failed_append_is_everybodys_and_leaves_nothing() {
    let (app, faults, path) = session(|_| {}).await;
    let first = begin(&app, &path, &[("1", "a")]).await;
    faults.set(Fault::Overloaded, 1);
    let second = publish(&app, &path, publication(&[("2", "")])).await;
    for answer in [first.await.unwrap(), second] {
        assert!(matches!(answer, Err(AppendError::Overloaded)), "{answer:?}");
    }
    // Both may be sent again.
    let again = publish(&app, &path, publication(&[("1", "a"), ("2", "")])).await.unwrap();
    assert_eq!(again, Published { offset: Offset::new(2), duplicates: 0 });
}

#[tokio::test]
async fn windows_are_bounded() {
    let (app, _, path) = session(|config| config.limits.coalesce_bytes_max = 200).await;
    let first = begin(&app, &path, &[("1", "a")]).await;
    let large = "x".repeat(200);
    let refused = publish(&app, &path, publication(&[("2", &large)])).await;
    assert!(matches!(refused, Err(AppendError::Overloaded)), "{refused:?}");
    flush(&app, &path).await;
    first.await.unwrap().unwrap();
}

/// The clock stands still as long as there is anything to do: what is written at once is written at no time.
#[tokio::test(start_paused = true)]
async fn a_full_window_and_a_stop_wait_for_nothing() {
    let (app, faults, path) = session(|_| {}).await;
    let began = Instant::now();
    let full = "x".repeat(WINDOW_BYTES_MAX);
    publish(&app, &path, publication(&[("1", &full)])).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(WINDOW_MS.into()));
    faults.begin_stop();
    let began = Instant::now();
    publish(&app, &path, publication(&[("2", "a")])).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(WINDOW_MS.into()));
    assert_eq!(stored(&app, &path).await, [&full, "a"]);
}

#[tokio::test]
async fn what_is_written_at_a_time_is_bounded_and_the_rest_is_due() {
    let (app, _, path) = session(|_| {}).await;
    let text = "x".repeat(WINDOW_BYTES_MAX / 2);
    let mut waiting = Vec::new();
    for id in ["1", "2", "3"] {
        let Publication { batch, ids, is_work, .. } = publication(&[(id, &text)]);
        let _claimed = session::sift(&app, &path, &ids).await.unwrap();
        let (told, _) = oneshot::channel();
        waiting.push(Waiting { events: Some(Events { batch, ids, is_work, stream_id: 0, _claimed }), told });
    }
    let mut window =
        Window { waiting, bytes: 0, events: 3, due: Instant::now(), is_due: true, changed: Arc::default() };
    window.bytes = window.waiting.iter().map(|waiting| waiting.size().0).sum();
    for (left, is_due) in [(2, true), (1, true), (0, false)] {
        assert_eq!(window.take().len(), 1);
        assert_eq!((window.waiting.len(), window.events, window.is_due), (left, left, is_due));
    }
    assert_eq!(window.bytes, 0);
}

#[tokio::test]
async fn a_window_is_not_written_into_another_session_of_the_same_name() {
    let (app, _, path) = session(|_| {}).await;
    let first = begin(&app, &path, &[("1", "a")]).await;
    session::delete(&app, &path).await.unwrap();
    let row = SessionRow { coalesce_ms: Some(WINDOW_MS), ..SessionRow::new(None) };
    session::create(&app, &path, json_stream(), &row).await.unwrap();
    flush(&app, &path).await;
    assert!(matches!(first.await.unwrap(), Err(AppendError::NotFound)));
    assert!(stored(&app, &path).await.is_empty());
}

/// One request may have more events than a window: each is recognised when it comes again, also one at a time.
#[tokio::test]
async fn more_events_than_a_window_holds_are_all_recognised_when_they_come_again() {
    const LEN: usize = 2 * WINDOW_EVENTS_MAX + 10;
    let (app, _, path) = session(|_| {}).await;
    let ids: Vec<String> = (0..LEN).map(|number| format!("e-{number}")).collect();
    let events: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "a")).collect();
    // So many are due at once.
    assert_eq!(publish(&app, &path, publication(&events)).await.unwrap().duplicates, 0);
    let length = stored(&app, &path).await.len();
    assert_eq!(stored(&app, &path).await.concat(), "a".repeat(LEN));
    for again in events.chunks(LEN / 3) {
        let published = publish(&app, &path, publication(again)).await.unwrap();
        assert_eq!(published.duplicates, again.len());
    }
    assert_eq!(stored(&app, &path).await.len(), length);
}
