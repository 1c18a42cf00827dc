//! Subscriptions through everything that goes wrong on the way.

use std::time::Duration;

use crate::support::{Fault, TestServer};
use axum::http::Method;
use durable_sessions_client::protocol::StreamPath;
use durable_sessions_client::{
    Client, ConnectionState, EventItem, Item, ReconnectConfig, Secret, SubscribeOptions, Subscription,
    SubscriptionError, TokenSource,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn fast(max_attempts: u32) -> ReconnectConfig {
    ReconnectConfig { initial_delay_ms: 1, max_delay_ms: 20, max_attempts, ..ReconnectConfig::default() }
}

fn client(server: &TestServer) -> Client {
    Client::builder(&server.url())
        .reconnect(fast(100_000))
        .silence(Duration::from_millis(300))
        .build()
        .unwrap()
}

fn path() -> StreamPath {
    "sessions/s-1".parse().unwrap()
}

fn event(n: usize) -> String {
    format!(r#"{{"id":"e-{n}","type":"chunk","timestamp":{n},"data":{{"text":"é {n}","unknown":[1.50]}}}}"#)
}

async fn next(subscription: &mut Subscription) -> Option<Item> {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("an item in time")
}

/// Items until the stream's end.
async fn all(subscription: &mut Subscription) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(item) = next(subscription).await {
        assert!(!matches!(item, Item::Lost(_)), "{items:?}");
        items.push(item);
    }
    items
}

fn events(items: &[Item]) -> Vec<&EventItem> {
    let events = items.iter().filter_map(|item| match item {
        Item::Event(event) => Some(&**event),
        _ => None,
    });
    events.collect()
}

fn assert_whole(items: &[Item], messages: usize) {
    let events = events(items);
    assert_eq!(events.len(), messages);
    for (n, item) in events.into_iter().enumerate() {
        assert_eq!(std::str::from_utf8(&item.raw).unwrap(), event(n));
        assert_eq!((item.event.id.as_str(), item.count), (format!("e-{n}").as_str(), n as u64 + 1));
    }
}

#[tokio::test]
async fn every_event_arrives_once_through_cuts_silence_refusals_and_a_restart() {
    let mut server = TestServer::start();
    let messages: Vec<String> = (0..60).map(event).collect();
    server.append(&messages[..20]);
    server.fail(
        Method::GET,
        [
            Fault::Cut(700),
            Fault::Status(503, Some("0")),
            Fault::Silent(500),
            Fault::End(0),
            Fault::End(900),
            Fault::Cut(3),
            Fault::Status(500, None),
            Fault::End(301),
        ],
    );
    let mut subscription = client(&server).subscribe(&path(), SubscribeOptions::default());
    let mut items = Vec::new();
    while events(&items).len() < 20 {
        items.push(next(&mut subscription).await.unwrap());
    }
    server.append(&messages[20..40]);
    server.stop();
    server.append(&messages[40..]);
    server.close_stream();
    server.resume();
    items.extend(all(&mut subscription).await);
    assert_whole(&items, 60);
    assert!(matches!(items.last(), Some(Item::Closed)));
    assert!(items.iter().any(|item| matches!(item, Item::Reconnected)));
    let Some(Item::Checkpoint(end)) = items.iter().rfind(|item| matches!(item, Item::Checkpoint(_))) else {
        panic!("no checkpoint")
    };
    assert_eq!((end.count, end.closed, end.cursor.as_str()), (60, true, "00000000000000000060"));
}

#[tokio::test]
async fn live_events_and_bad_ones_arrive_in_order() {
    let server = TestServer::start();
    server.append(&[event(0)]);
    let mut subscription = client(&server).subscribe(&path(), SubscribeOptions::default());
    let mut items = Vec::new();
    while events(&items).is_empty() {
        items.push(next(&mut subscription).await.unwrap());
    }
    server.append(&[r#"{"id":"","type":"chunk","timestamp":1,"data":{"text":"x"}}"#.into(), event(1)]);
    server.close_stream();
    items.extend(all(&mut subscription).await);
    let order: Vec<u64> = items
        .iter()
        .filter_map(|item| match item {
            Item::Event(event) => Some(event.count),
            Item::Rejected(rejected) => {
                Some(rejected.count + 100 * u64::from(rejected.rejection.path == "$.id"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(order, [1, 102, 3]);
    // The live cursor is echoed, parameters are in order.
    assert_eq!(server.requests(&Method::GET), ["live=sse&offset=-1"]);
}

#[tokio::test]
async fn the_cap_ends_in_lost_no_request_leaves_and_reconnect_resumes() {
    let mut server = TestServer::start();
    server.append(&[event(0), event(1)]);
    let options = SubscribeOptions { reconnect: Some(fast(3)), ..SubscribeOptions::default() };
    let mut subscription = client(&server).subscribe(&path(), options);
    let mut items = Vec::new();
    while !matches!(items.last(), Some(Item::Checkpoint(_))) {
        items.push(next(&mut subscription).await.unwrap());
    }
    server.stop();
    let mut retries = 0;
    let info = loop {
        match next(&mut subscription).await.unwrap() {
            Item::Retry(_) => retries += 1,
            Item::Lost(info) => break info,
            item => items.push(item),
        }
    };
    assert_eq!((retries, info.attempts, info.count), (3, 3, 2));
    assert_eq!(info.cursor.unwrap().as_str(), "00000000000000000002");
    let Some(Item::Error(error @ SubscriptionError::AttemptsExhausted { attempts: 3, .. })) =
        items.iter().rfind(|item| matches!(item, Item::Error(_)))
    else {
        panic!("{items:?}")
    };
    assert!(error.to_string().contains("00000000000000000002"), "{error}");
    assert!(items.iter().any(|item| matches!(item, Item::State(ConnectionState::Lost))));

    server.resume();
    server.append(&[event(2)]);
    server.close_stream();
    let before = server.requests(&Method::GET).len();
    subscription.reconnect();
    items.extend(all(&mut subscription).await);
    assert_whole(&items, 3);
    // The request of the reconnect is the only one that reached the new server.
    assert_eq!(server.requests(&Method::GET)[before..], ["cursor=12&live=sse&offset=00000000000000000002"]);
}

#[tokio::test]
async fn an_unknown_session_and_a_refused_token_are_fatal() {
    let server = TestServer::start();
    let mut subscription = client(&server).subscribe(&path(), SubscribeOptions::default());
    let mut errors = Vec::new();
    loop {
        match next(&mut subscription).await.unwrap() {
            Item::Error(error) => errors.push(error),
            Item::Lost(_) => break,
            _ => {}
        }
    }
    assert_eq!(errors, [SubscriptionError::Refused { status: 404 }]);
    assert_eq!(errors[0].code(), "SESSION_NOT_FOUND");

    server.append(&[event(0)]);
    server.fail(Method::GET, [Fault::Status(401, None), Fault::Status(401, None)]);
    let source = TokenSource::provider(|fresh| {
        Box::pin(async move { Ok(Secret::new(if fresh { "b" } else { "a" })) })
    });
    let client = Client::builder(&server.url()).token_source(source).build().unwrap();
    let mut subscription = client.subscribe(&path(), SubscribeOptions::default());
    let error = loop {
        if let Item::Error(error) = next(&mut subscription).await.unwrap() {
            break error;
        }
    };
    assert_eq!(error, SubscriptionError::Refused { status: 401 });
    assert_eq!(*server.world.tokens.lock().unwrap(), ["Bearer a", "Bearer b"]);
}

#[tokio::test]
async fn dropping_a_subscription_ends_its_connection() {
    let server = TestServer::start();
    server.append(&[event(0)]);
    let mut streams = server.world.streams.subscribe();
    let mut subscription = client(&server).subscribe(&path(), SubscribeOptions::default());
    while !matches!(next(&mut subscription).await, Some(Item::Event(_))) {}
    assert_eq!(*streams.borrow_and_update(), 1);
    drop(subscription);
    tokio::time::timeout(PATIENCE, streams.wait_for(|streams| *streams == 0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_reader_is_waited_for_and_loses_nothing() {
    let server = TestServer::start();
    let messages: Vec<String> = (0..2000).map(event).collect();
    server.append(&messages);
    server.close_stream();
    // Silence is short, and the reader takes longer than that over its first item.
    let mut subscription = client(&server).subscribe(&path(), SubscribeOptions::default());
    let mut items = vec![next(&mut subscription).await.unwrap()];
    let connected = tokio::time::Instant::now();
    while connected.elapsed() < Duration::from_millis(400) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    items.extend(all(&mut subscription).await);
    assert_whole(&items, 2000);
}
