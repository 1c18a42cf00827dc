//! The faults that other clients are known for, one by one: none of them is here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::Method;
use durable_sessions_client::protocol::StreamPath;
use durable_sessions_client::{
    Client, Item, Producer, ProducerError, ProducerFault, ProducerReport, ReconnectConfig, Secret,
    SubscribeOptions, SubscriptionError, TokenSource,
};

use crate::support::{Fault, TestServer};

const PATIENCE: Duration = Duration::from_secs(60);

fn path() -> StreamPath {
    "sessions/s-1".parse().unwrap()
}

fn fast() -> ReconnectConfig {
    ReconnectConfig {
        initial_delay_ms: 1,
        max_delay_ms: 10,
        max_attempts: u32::MAX,
        ..ReconnectConfig::default()
    }
}

/// Batches of one message, many of them under way.
fn pipelined(client: &Client, id: &str) -> Producer {
    let builder = client.producer_builder(&path(), id.parse().unwrap());
    builder.retry(fast()).batch_max(1, 1 << 20).in_flight_max(8).start()
}

fn client(server: &TestServer) -> Client {
    Client::builder(&server.url()).request_timeout(Duration::from_millis(500)).build().unwrap()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

async fn append(producer: &Producer, numbers: std::ops::Range<u32>) {
    for n in numbers {
        in_time(producer.append(n.to_string())).await.unwrap();
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn batches_are_under_way_together_within_the_bound() {
    let server = TestServer::start();
    server.append(&[]);
    *server.world.append_takes.lock().unwrap() = Duration::from_millis(20);
    let producer = pipelined(&client(&server), "p");
    append(&producer, 0..60).await;
    in_time(producer.close()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, numbers(0..60), "once and in order");
    let most = server.world.appending.lock().unwrap().1;
    assert!((2..=8).contains(&most), "{most} at a time");
}

#[tokio::test]
async fn transient_errors_never_poison_the_producer() {
    let mut server = TestServer::start();
    server.append(&[]);
    let storm = [503, 503, 500, 429, 502, 504, 408, 425].into_iter().cycle().take(80);
    server.fail(Method::POST, storm.map(|status| Fault::Status(status, Some("0"))));
    let producer = pipelined(&client(&server), "p");
    append(&producer, 0..40).await;
    in_time(producer.flush()).await.unwrap();
    server.stop();
    append(&producer, 40..50).await;
    server.resume();
    in_time(producer.flush()).await.unwrap();
    append(&producer, 50..60).await;
    in_time(producer.close()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, numbers(0..60));
}

#[tokio::test]
async fn lost_answers_never_duplicate() {
    let server = TestServer::start();
    server.append(&[]);
    let producer = pipelined(&client(&server), "p");
    append(&producer, 0..5).await;
    in_time(producer.flush()).await.unwrap();
    // Stored, and the answers of several batches under way are lost.
    server.fail(Method::POST, [Fault::LoseAnswer, Fault::LoseAnswer, Fault::LoseAnswer]);
    append(&producer, 5..30).await;
    in_time(producer.flush()).await.unwrap();
    // The last one has no successor that would tell of it.
    server.fail(Method::POST, [Fault::LoseAnswer]);
    append(&producer, 30..31).await;
    in_time(producer.close()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, numbers(0..31));
}

#[tokio::test]
async fn a_flush_never_succeeds_on_loss_and_never_ends_early() {
    let mut server = TestServer::start();
    server.append(&[]);
    let client = client(&server);
    let capped = ReconnectConfig { max_attempts: 3, ..fast() };
    let builder = client.producer_builder(&path(), "p".parse().unwrap()).batch_max(1, 1 << 20);
    let (reporter, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let producer = builder
        .retry(capped)
        .in_flight_max(4)
        .observer(move |report| drop(reporter.send(report.clone())))
        .start();
    append(&producer, 0..1).await;
    in_time(producer.flush()).await.unwrap();
    server.stop();
    append(&producer, 1..6).await;
    let mut flush = Box::pin(producer.flush());
    // While attempts go on it waits.
    while !matches!(in_time(reports.recv()).await, Some(ProducerReport::Retry { .. })) {
        assert!(futures::poll!(&mut flush).is_pending());
    }
    let error = in_time(flush).await.unwrap_err();
    assert!(matches!(error, ProducerError::Lost(ProducerFault::AttemptsExhausted { .. })), "{error}");
    assert!(error.is_retryable());
    assert!(in_time(producer.flush()).await.is_err(), "nor does a later one");
    let mut lost = 0;
    while let Ok(report) = reports.try_recv() {
        if let ProducerReport::Failed { messages, .. } = report {
            lost += messages.end - messages.start;
        }
    }
    assert_eq!(lost, 5, "every message is told of");
}

#[tokio::test]
async fn a_closed_stream_is_an_error_at_once_with_many_batches_under_way() {
    let server = TestServer::start();
    server.append(&[]);
    let producer = pipelined(&client(&server), "p");
    append(&producer, 0..3).await;
    in_time(producer.flush()).await.unwrap();
    *server.world.append_takes.lock().unwrap() = Duration::from_millis(20);
    append(&producer, 3..40).await;
    server.close_stream();
    let error = in_time(producer.flush()).await.unwrap_err();
    assert_eq!(error, ProducerError::Lost(ProducerFault::StreamClosed));
    assert!(!error.is_retryable());
    let requests = server.requests(&Method::POST).len();
    assert!(requests <= 3 + 40, "{requests} requests: a loop");
    assert!(in_time(producer.append("late")).await.is_err(), "and nothing is taken any more");
    assert_eq!(producer.pending(), 0);
    // What was acknowledged before is there, in order, and nothing is behind it.
    let stored = server.world.log.lock().unwrap().messages.clone();
    assert_eq!(stored, numbers(0..u32::try_from(stored.len()).unwrap()));
}

/// A provider whose first tokens are refused: it counts how often it was told so.
fn provider(refreshed: &Arc<AtomicU32>) -> TokenSource {
    let refreshed = refreshed.clone();
    TokenSource::provider(move |fresh| {
        let n = refreshed.fetch_add(u32::from(fresh), Ordering::Relaxed) + u32::from(fresh);
        Box::pin(async move { Ok(Secret::new(&format!("t{n}"))) })
    })
}

#[tokio::test]
async fn a_401_in_mid_stream_is_answered_with_a_fresh_token_or_reaches_the_caller() {
    let event = |n: u32| format!(r#"{{"id":"e{n}","type":"chunk","timestamp":1,"data":{{"text":"x"}}}}"#);
    let mut server = TestServer::start();
    server.append(&[event(0)]);
    let refreshed = Arc::new(AtomicU32::new(0));
    let client =
        Client::builder(&server.url()).token_source(provider(&refreshed)).reconnect(fast()).build().unwrap();
    let mut subscription = client.subscribe(&path(), SubscribeOptions::default());
    let mut counts = Vec::new();
    while counts.len() < 2 {
        match in_time(subscription.next()).await.unwrap() {
            Item::Event(event) => {
                counts.push(event.count);
                if event.count == 1 {
                    // The connection breaks, and the next one meets an expired token.
                    server.fail(Method::GET, [Fault::Status(401, None)]);
                    server.stop();
                    server.resume();
                }
            }
            Item::Reconnected => server.append(&[event(1)]),
            Item::Lost(info) => panic!("lost: {}", info.cause),
            _ => {}
        }
    }
    assert_eq!((counts, refreshed.load(Ordering::Relaxed)), (vec![1, 2], 1));
    // Now the fresh token is refused as well.
    server.fail(Method::GET, [Fault::Status(401, None), Fault::Status(401, None)]);
    subscription.reconnect();
    let error = loop {
        if let Item::Error(error) = in_time(subscription.next()).await.unwrap() {
            break error;
        }
    };
    assert_eq!((error.code(), error), ("UNAUTHORIZED", SubscriptionError::Refused { status: 401 }));
    assert!(matches!(in_time(subscription.next()).await.unwrap(), Item::State(_)));
    assert!(matches!(in_time(subscription.next()).await.unwrap(), Item::Lost(_)));
}

#[tokio::test]
async fn a_401_between_batches_is_answered_with_a_fresh_token_or_reaches_the_caller() {
    let server = TestServer::start();
    server.append(&[]);
    let refreshed = Arc::new(AtomicU32::new(0));
    let client = Client::builder(&server.url()).token_source(provider(&refreshed)).build().unwrap();
    let producer = pipelined(&client, "p");
    append(&producer, 0..1).await;
    in_time(producer.flush()).await.unwrap();
    // The token expires with many batches under way; one of them asks for another one.
    *server.world.expected_token.lock().unwrap() = Some("Bearer t1");
    append(&producer, 1..20).await;
    in_time(producer.flush()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, numbers(0..20));
    assert_eq!(refreshed.load(Ordering::Relaxed), 1);
    *server.world.expected_token.lock().unwrap() = Some("Bearer revoked");
    append(&producer, 20..21).await;
    let error = in_time(producer.flush()).await.unwrap_err();
    assert_eq!(error, ProducerError::Lost(ProducerFault::Refused { status: 401 }));
    *server.world.expected_token.lock().unwrap() = None;
    // It is not dead: with a token that is good again the next message goes.
    append(&producer, 21..22).await;
    in_time(producer.close()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages[20..], ["21"]);
}

/// A pause of an hour, which a server asks for.
const LATER: Fault = Fault::Status(503, Some("3600"));

#[tokio::test]
async fn a_pause_before_an_attempt_ends_when_nobody_waits_any_more() {
    let server = TestServer::start();
    server.append(&[]);
    let client = client(&server);

    // A single request.
    server.fail(Method::HEAD, [LATER]);
    let looking = tokio::spawn({
        let client = client.clone();
        async move { client.head(&path()).await }
    });
    until(|| server.requests(&Method::HEAD).len() == 1).await;
    looking.abort();
    assert!(in_time(looking).await.unwrap_err().is_cancelled());

    // A subscription: `reconnect` does not wait, and dropping it leaves nothing behind.
    server.fail(Method::GET, [LATER, LATER]);
    let mut subscription = client.subscribe(&path(), SubscribeOptions::default());
    while !matches!(in_time(subscription.next()).await, Some(Item::Retry(_))) {}
    subscription.reconnect();
    while !matches!(in_time(subscription.next()).await, Some(Item::Retry(_))) {}
    assert_eq!(server.requests(&Method::GET).len(), 2);
    drop(subscription);

    // A producer: the same.
    server.fail(Method::POST, [LATER, LATER]);
    let (reporter, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let builder = client.producer_builder(&path(), "p".parse().unwrap()).retry(fast());
    let producer = builder.observer(move |report| drop(reporter.send(report.clone()))).start();
    append(&producer, 0..1).await;
    assert!(matches!(in_time(reports.recv()).await, Some(ProducerReport::Retry { .. })));
    producer.retry_now();
    assert!(matches!(in_time(reports.recv()).await, Some(ProducerReport::Retry { .. })));
    drop(producer);
    // The observer goes with the task.
    assert!(in_time(reports.recv()).await.is_none());
    assert_eq!(server.requests(&Method::POST).len(), 2);
}

async fn until(condition: impl Fn() -> bool) {
    in_time(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
