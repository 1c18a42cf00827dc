//! Producers through lost answers, overload, restarts and refusals.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Fault, TestServer};
use axum::http::Method;
use durable_sessions_client::protocol::StreamPath;
use durable_sessions_client::{
    Client, Producer, ProducerBuilder, ProducerError, ProducerFault, ProducerReport, ReconnectConfig, Refused,
};
use futures::future::BoxFuture;

const PATIENCE: Duration = Duration::from_secs(60);

fn path() -> StreamPath {
    "sessions/s-1".parse().unwrap()
}

fn builder(server: &TestServer, id: &str) -> ProducerBuilder {
    let client = Client::builder(&server.url()).request_timeout(Duration::from_millis(500)).build().unwrap();
    let retry = ReconnectConfig {
        initial_delay_ms: 1,
        max_delay_ms: 20,
        max_attempts: u32::MAX,
        ..ReconnectConfig::default()
    };
    client.producer_builder(&path(), id.parse().unwrap()).retry(retry)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

#[tokio::test]
async fn every_message_is_stored_once_and_in_order_through_everything() {
    let mut server = TestServer::start();
    server.append(&[]);
    server.fail(
        Method::POST,
        [Fault::LoseAnswer, Fault::Status(503, Some("0")), Fault::Status(500, None), Fault::LoseAnswer],
    );
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = reports.clone();
    let producer = builder(&server, "prodücer")
        .batch_max(7, 1 << 20)
        .outbox_max(30, 1 << 20)
        .observer(move |report| seen.lock().unwrap().push(report.clone()))
        .start();
    for n in 0..100 {
        // The outbox is smaller than this, so it waits for room on the way.
        in_time(producer.append(n.to_string())).await.unwrap();
    }
    in_time(producer.flush()).await.unwrap();
    server.stop();
    for n in 100..120 {
        producer.append(n.to_string()).await.unwrap();
    }
    server.resume();
    producer.retry_now();
    in_time(producer.close()).await.unwrap();
    let expected: Vec<String> = (0..120).map(|n| n.to_string()).collect();
    assert_eq!(server.world.log.lock().unwrap().messages, expected);
    let reports = reports.lock().unwrap();
    let duplicates =
        reports.iter().filter(|r| matches!(r, ProducerReport::Acked { at, .. } if at.duplicate)).count();
    assert_eq!(duplicates, 1, "the first batch was stored before its first answer was lost");
    assert!(reports.iter().any(|r| matches!(r, ProducerReport::Retry { .. })));
}

#[tokio::test]
async fn only_the_message_at_fault_is_lost_and_the_flush_says_so() {
    let server = TestServer::start();
    server.append(&[]);
    *server.world.poison.lock().unwrap() = Some("bad".into());
    let producer = builder(&server, "p").start();
    for message in ["1", "2", "\"bad\"", "4"] {
        producer.append(message).await.unwrap();
    }
    assert_eq!(producer.append("{").await, Err(ProducerError::Refused(Refused::NotJson)));
    let lost = in_time(producer.flush()).await.unwrap_err();
    assert_eq!(lost, ProducerError::Lost(ProducerFault::Refused { status: 400 }));
    assert!(!lost.is_retryable());
    producer.append("5").await.unwrap();
    in_time(producer.close()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, ["1", "2", "4", "5"]);
}

#[tokio::test]
async fn a_restarted_producer_fences_the_old_one() {
    let server = TestServer::start();
    server.append(&[]);
    let old = builder(&server, "p").start();
    old.append("1").await.unwrap();
    in_time(old.flush()).await.unwrap();
    let new = builder(&server, "p").epoch("1".parse().unwrap()).start();
    new.append("2").await.unwrap();
    in_time(new.close()).await.unwrap();
    old.append("3").await.unwrap();
    let error = in_time(old.flush()).await.unwrap_err();
    assert!(matches!(error, ProducerError::Lost(ProducerFault::Fenced { epoch: Some(_) })), "{error}");
    let claiming = builder(&server, "p").auto_claim(true).start();
    claiming.append("4").await.unwrap();
    in_time(claiming.close()).await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, ["1", "2", "4"]);
}

#[tokio::test]
async fn a_capped_producer_gives_up_and_every_waiter_hears_of_it() {
    let mut server = TestServer::start();
    server.append(&[]);
    let retry = ReconnectConfig {
        initial_delay_ms: 1,
        max_delay_ms: 2,
        max_attempts: 3,
        ..ReconnectConfig::default()
    };
    let producer = Arc::new(builder(&server, "p").retry(retry).outbox_max(1, 1 << 20).start());
    server.stop();
    producer.append("1").await.unwrap();
    assert_eq!(producer.try_append(b"2"), Err(ProducerError::Refused(Refused::Full)));
    // This one waits for room that failure makes.
    let waiting = tokio::spawn({
        let producer = producer.clone();
        async move { producer.append("2").await }
    });
    let error = in_time(producer.flush()).await.unwrap_err();
    assert!(
        matches!(error, ProducerError::Lost(ProducerFault::AttemptsExhausted { attempts: 3, .. })),
        "{error}"
    );
    assert_eq!(in_time(waiting).await.unwrap(), Err(ProducerError::Refused(Refused::Failed)));
}

#[tokio::test]
async fn a_producer_whose_runtime_has_ended_says_so_instead_of_waiting_for_ever() {
    let mut server = TestServer::start();
    server.append(&[]);
    server.stop();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let producer = {
        let _inside = runtime.enter();
        Arc::new(builder(&server, "p").outbox_max(1, 1 << 20).start())
    };
    producer.append("1").await.unwrap();
    let waits = |what: fn(Arc<Producer>) -> BoxFuture<'static, Result<(), ProducerError>>| {
        tokio::spawn(what(producer.clone()))
    };
    let flushing = waits(|producer| Box::pin(async move { producer.flush().await }));
    let appending = waits(|producer| Box::pin(async move { producer.append("2").await.map(drop) }));
    tokio::task::yield_now().await;
    runtime.shutdown_background();
    assert_eq!(in_time(flushing).await.unwrap(), Err(ProducerError::Stopped));
    assert_eq!(in_time(appending).await.unwrap(), Err(ProducerError::Stopped));
    assert_eq!(in_time(producer.flush()).await, Err(ProducerError::Stopped));
    assert_eq!(producer.try_append(b"3"), Err(ProducerError::Stopped));
}
