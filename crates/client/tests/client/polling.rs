//! Following where SSE does not work: long-poll, and how it is come to.

use std::time::Duration;

use axum::http::Method;
use durable_sessions_client::protocol::{ContentType, StreamPath};
use durable_sessions_client::{
    Client, ConnectionState, FallbackReason, Item, LiveConfig, LiveModes, ReconnectConfig, SubscribeOptions,
    Subscription,
};

use crate::support::{Fault, Sse, TestServer};

const PATIENCE: Duration = Duration::from_secs(60);

fn client(server: &TestServer) -> Client {
    let reconnect = ReconnectConfig {
        initial_delay_ms: 1,
        max_delay_ms: 20,
        max_attempts: 1000,
        ..ReconnectConfig::default()
    };
    let live = LiveConfig { stall_ms: 100, ..LiveConfig::default() };
    Client::builder(&server.url()).reconnect(reconnect).live(live).build().unwrap()
}

fn path() -> StreamPath {
    "sessions/s-1".parse().unwrap()
}

fn event(n: usize) -> String {
    format!(r#"{{"id":"e-{n}","type":"chunk","timestamp":{n},"data":{{"text":"{n}"}}}}"#)
}

async fn next(subscription: &mut Subscription) -> Option<Item> {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("an item in time")
}

/// Reads until so many events have come, or to the end.
async fn events(subscription: &mut Subscription, count: usize) -> (Vec<u64>, Vec<Item>) {
    let (mut counts, mut others) = (Vec::new(), Vec::new());
    while counts.len() < count {
        match next(subscription).await {
            Some(Item::Event(event)) => counts.push(event.count),
            Some(Item::Lost(info)) => panic!("lost: {}", info.cause),
            Some(other) => others.push(other),
            None => break,
        }
    }
    (counts, others)
}

fn reasons(items: &[Item]) -> Vec<FallbackReason> {
    let reasons = items.iter().filter_map(|item| match item {
        Item::FellBack(reason) => Some(reason.clone()),
        _ => None,
    });
    reasons.collect()
}

/// Follows a stream of two events, then gets a third live and the end.
async fn follow_to_the_end(server: &TestServer, options: SubscribeOptions) -> Vec<Item> {
    server.append(&[event(0), event(1)]);
    let mut subscription = client(server).subscribe(&path(), options);
    let (first, mut items) = events(&mut subscription, 2).await;
    server.append(&[event(2)]);
    let (second, more) = events(&mut subscription, 1).await;
    server.close_stream();
    let (rest, end) = events(&mut subscription, usize::MAX).await;
    assert_eq!([first, second, rest].concat(), [1, 2, 3]);
    items.extend(more);
    items.extend(end);
    assert!(matches!(items.last(), Some(Item::Closed)), "{items:?}");
    items
}

#[tokio::test]
async fn a_server_that_refuses_sse_is_polled_and_that_is_told() {
    for (status, offers_long_poll) in [(400, false), (406, false), (429, true), (503, true)] {
        let server = TestServer::start();
        *server.world.sse.lock().unwrap() = Sse::Refused { status, offers_long_poll };
        let items = follow_to_the_end(&server, SubscribeOptions::default()).await;
        let expected = match offers_long_poll {
            true => FallbackReason::TooManyConnections,
            false => FallbackReason::Refused(status),
        };
        assert_eq!(reasons(&items), [expected], "once");
        assert!(!items.iter().any(|item| matches!(item, Item::Retry(_))), "no attempt is counted");
        let requests = server.requests(&Method::GET);
        assert_eq!(requests[..2], ["live=sse&offset=-1", "offset=-1"]);
        assert!(requests.iter().skip(2).all(|query| query.contains("live=long-poll")), "{requests:?}");
        assert!(requests.iter().any(|query| query.starts_with("cursor=12&live=long-poll")), "{requests:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_no_dead_end() {
    let server = TestServer::start();
    *server.world.sse.lock().unwrap() = Sse::Ignored;
    let items = follow_to_the_end(&server, SubscribeOptions::default()).await;
    assert!(matches!(reasons(&items).as_slice(), [FallbackReason::NotAnEventStream(_)]));
}

#[tokio::test]
async fn events_that_a_proxy_holds_back_are_polled_for() {
    for head in [true, false] {
        let server = TestServer::start();
        *server.world.sse.lock().unwrap() = Sse::HeldBack { head };
        let items = follow_to_the_end(&server, SubscribeOptions::default()).await;
        assert_eq!(reasons(&items), [FallbackReason::Stalled { after_ms: 100 }]);
    }
}

#[tokio::test]
async fn polling_alone_never_asks_for_sse_and_is_connected_at_once() {
    let server = TestServer::start();
    let options = SubscribeOptions { live: Some(LiveModes::LongPoll), ..SubscribeOptions::default() };
    let items = follow_to_the_end(&server, options).await;
    assert_eq!(reasons(&items), []);
    assert!(!server.requests(&Method::GET).iter().any(|query| query.contains("sse")));
    assert!(items.iter().any(|item| matches!(item, Item::State(ConnectionState::Connected))));
}

#[tokio::test]
async fn sse_alone_never_polls() {
    let server = TestServer::start();
    server.append(&[event(0)]);
    *server.world.sse.lock().unwrap() = Sse::Refused { status: 400, offers_long_poll: false };
    let options = SubscribeOptions { live: Some(LiveModes::Sse), ..SubscribeOptions::default() };
    let mut subscription = client(&server).subscribe(&path(), options);
    while !matches!(next(&mut subscription).await, Some(Item::Lost(_))) {}
    assert_eq!(server.requests(&Method::GET), ["live=sse&offset=-1"]);
}

#[tokio::test]
async fn polls_survive_outages_refusals_and_lost_answers() {
    let mut server = TestServer::start();
    server.append(&[event(0)]);
    let options = SubscribeOptions { live: Some(LiveModes::LongPoll), ..SubscribeOptions::default() };
    let mut subscription = client(&server).subscribe(&path(), options);
    let (mut counts, _) = events(&mut subscription, 1).await;
    server.fail(
        Method::GET,
        [Fault::Status(503, Some("0")), Fault::Status(500, None), Fault::Status(401, None)],
    );
    for n in 1..4 {
        server.append(&[event(n)]);
        counts.extend(events(&mut subscription, 1).await.0);
    }
    server.stop();
    server.append(&[event(4)]);
    server.close_stream();
    server.resume();
    let (rest, items) = events(&mut subscription, usize::MAX).await;
    counts.extend(rest);
    assert_eq!(counts, [1, 2, 3, 4, 5]);
    assert!(items.iter().any(|item| matches!(item, Item::Reconnected)));
}

#[tokio::test]
async fn a_stream_is_followed_as_it_is_by_either_mode() {
    for modes in [LiveModes::Auto, LiveModes::LongPoll] {
        let server = TestServer::start();
        server.append(&["1".to_owned(), "{\"any\": [\"json\"]}".to_owned()]);
        server.fail(Method::GET, [Fault::Cut(60), Fault::End(100)]);
        let options = SubscribeOptions { live: Some(modes), ..SubscribeOptions::default() };
        let mut stream = client(&server).follow(&path(), &ContentType::json(), options);
        let (mut texts, mut closed) = (Vec::new(), false);
        while let Some(item) = next(&mut stream).await {
            match item {
                Item::Batch(page) => {
                    texts.extend(
                        page.messages().map(|message| String::from_utf8_lossy(&message).into_owned()),
                    );
                    if texts.len() == 2 && page.up_to_date && !closed {
                        server.append(&["\"last\"".to_owned()]);
                        server.close_stream();
                        closed = true;
                    }
                }
                Item::Lost(info) => panic!("lost: {}", info.cause),
                _ => {}
            }
        }
        assert_eq!(texts, ["1", "{\"any\": [\"json\"]}", "\"last\""], "{modes:?}");
    }
}
