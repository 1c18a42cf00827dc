//! Operations that are one request each, against a small server of the protocol.

use std::time::Duration;

use crate::support::{Fault, TestServer};
use axum::http::Method;
use durable_sessions_client::schema::SessionStatus;
use durable_sessions_client::{
    AppendError, AppendOptions, Client, CreateError, CreateOptions, DeleteError, Fork, ForkPoint, From,
    HeadError, Lifetime, ListError, ListedStatus, ReadError, ReconnectConfig, Secret, SessionFilter,
    TokenSource,
};

fn client(server: &TestServer) -> Client {
    let retry = ReconnectConfig {
        initial_delay_ms: 1,
        max_delay_ms: 20,
        max_attempts: 1000,
        ..ReconnectConfig::default()
    };
    Client::builder(&server.url()).retry(retry).build().unwrap()
}

fn event(n: usize) -> String {
    format!(r#"{{"id":"e-{n}","type":"chunk","timestamp":{n},"data":{{"text":"é\n{n}"}}}}"#)
}

#[tokio::test]
async fn a_stream_from_creation_to_deletion() {
    let server = TestServer::start();
    let client = client(&server);
    let path = "sessions/s-1".parse().unwrap();
    assert!(matches!(client.head(&path).await, Err(HeadError::NotFound(_))));
    assert!(!client.create(&path).await.unwrap().existed);
    assert!(client.create(&path).await.unwrap().existed);

    client.append(&path, event(0)).await.unwrap();
    let batch = format!("[{},{}, {},\n{}]", event(1), event(2), event(3), event(4));
    let appended = client.append(&path, batch).await.unwrap();
    let head = client.head(&path).await.unwrap();
    assert_eq!(appended.tail.unwrap().as_str(), "00000000000000000005");
    assert!(!head.closed);

    let (mut from, mut texts, mut pages) = (From::Start, Vec::new(), 0);
    loop {
        let page = client.read(&path, &from).await.unwrap();
        texts.extend(page.messages().map(|message| String::from_utf8(message.to_vec()).unwrap()));
        assert!(page.events().all(|event| event.is_ok()));
        pages += 1;
        if page.up_to_date {
            break;
        }
        from = From::After { cursor: page.next, count: None };
    }
    assert_eq!((texts, pages), ((0..5).map(event).collect::<Vec<_>>(), 2));
    assert!(client.read(&path, &From::Now).await.unwrap().is_empty());

    assert!(client.close(&path).await.unwrap().closed);
    let refused = client.append(&path, event(6)).await.unwrap_err();
    let AppendError::Conflict(refusal) = &refused else { panic!("{refused}") };
    assert_eq!(refusal.code.as_deref(), Some("SESSION_CLOSED"));
    assert_eq!(refused.to_string(), "conflict: status 409 SESSION_CLOSED: because");
    assert!(!refused.is_retryable());
    client.delete(&path).await.unwrap();
    assert!(matches!(client.delete(&path).await, Err(DeleteError::NotFound(_))));
}

#[tokio::test]
async fn refusals_are_named_by_cause() {
    let server = TestServer::start();
    let client = client(&server);
    let path = "sessions/s-1".parse().unwrap();
    client.create(&path).await.unwrap();
    let cursor = From::After { cursor: "nonsense".parse().unwrap(), count: None };
    assert!(matches!(client.read(&path, &cursor).await, Err(ReadError::InvalidCursor(_))));
    assert!(matches!(client.append(&path, "{").await, Err(AppendError::Invalid(_))));
    server.fail(Method::POST, [Fault::Status(413, None), Fault::Status(403, None), Fault::Status(507, None)]);
    assert!(matches!(client.append(&path, "1").await, Err(AppendError::TooLarge(_))));
    assert!(matches!(client.append(&path, "1").await, Err(AppendError::Forbidden(_))));
    // A fault of the server does not say that nothing was done, and a plain append is not repeated then.
    let full = client.append(&path, "1").await.unwrap_err();
    assert!(full.is_retryable() && matches!(full, AppendError::Refused(_)));
    server.fail(Method::POST, [Fault::Status(503, Some("0"))]);
    let unavailable = client.append(&path, "1").await.unwrap_err();
    assert!(unavailable.is_retryable() && matches!(unavailable, AppendError::Refused(_)));
    assert_eq!(server.requests(&Method::POST).len(), 5);
}

#[tokio::test]
async fn sessions_are_listed_page_by_page() {
    let server = TestServer::start();
    let client = client(&server);
    let mut filter = SessionFilter { cursor: None, limit: Some(1) };
    let first = client.sessions(&filter).await.unwrap();
    assert_eq!((first.sessions[0].id.as_str(), first.next.as_deref()), ("s-1", Some("s-1")));
    filter.cursor = first.next;
    let second = client.sessions(&filter).await.unwrap();
    assert_eq!((second.sessions[0].id.as_str(), second.next), ("s-2", None));
    // A word that this version does not know is kept, and hides nothing else.
    assert_eq!(first.sessions[0].status, Some(ListedStatus::Known(SessionStatus::Active)));
    assert_eq!(second.sessions[0].status, Some(ListedStatus::Other("hibernating".to_owned())));
    assert_eq!(second.sessions[0].extra["createdAt"], 5);
    assert_eq!(client.sessions(&SessionFilter::default()).await.unwrap().sessions.len(), 2);
}

#[tokio::test]
async fn requests_that_may_be_repeated_survive_a_restart() {
    let mut server = TestServer::start();
    let client = client(&server);
    let path: durable_sessions_client::protocol::StreamPath = "sessions/s-1".parse().unwrap();
    server.stop();
    let creating = tokio::spawn({
        let (client, path) = (client.clone(), path.clone());
        async move { client.create(&path).await }
    });
    server.resume();
    assert!(!creating.await.unwrap().unwrap().existed);
    server.fail(Method::POST, [Fault::Status(429, Some("0")), Fault::Status(429, None)]);
    client.append(&path, "1").await.unwrap();
    assert_eq!(server.world.log.lock().unwrap().messages, ["1"]);
    // An append whose answer was lost is not repeated: it is there already, and nobody knows.
    let impatient =
        Client::builder(&server.url()).request_timeout(Duration::from_millis(500)).build().unwrap();
    server.fail(Method::POST, [Fault::LoseAnswer]);
    let error = impatient.append(&path, "2").await.unwrap_err();
    assert!(matches!(error, AppendError::Unreachable(_)) && error.is_retryable(), "{error}");
    assert_eq!(server.world.log.lock().unwrap().messages, ["1", "2"]);
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_more() {
    let server = TestServer::start();
    let source = TokenSource::provider(|fresh| {
        Box::pin(async move { Ok(Secret::new(if fresh { "new" } else { "old" })) })
    });
    let client = Client::builder(&server.url()).token_source(source).build().unwrap();
    let path = "sessions/s-1".parse().unwrap();
    server.fail(Method::PUT, [Fault::Status(401, None)]);
    client.create(&path).await.unwrap();
    assert_eq!(*server.world.tokens.lock().unwrap(), ["Bearer old", "Bearer new"]);
    server.fail(Method::PUT, [Fault::Status(401, None), Fault::Status(401, None)]);
    assert!(client.create(&path).await.is_err());
    // A repetition for another reason does not claim that the token was refused, and a second refusal is final.
    server.world.tokens.lock().unwrap().clear();
    server.fail(
        Method::PUT,
        [Fault::Status(401, None), Fault::Status(503, Some("0")), Fault::Status(401, None)],
    );
    assert!(client.create(&path).await.is_err());
    assert_eq!(*server.world.tokens.lock().unwrap(), ["Bearer old", "Bearer new", "Bearer old"]);
}

#[tokio::test]
async fn a_server_of_the_protocol_alone_has_no_list_of_sessions() {
    let server = TestServer::start();
    for status in [404, 405, 501] {
        server.fail(Method::OPTIONS, [Fault::Status(status, None)]);
        let error = client(&server).sessions(&SessionFilter::default()).await.unwrap_err();
        assert!(matches!(error, ListError::NoList(_)) && !error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn everything_a_stream_can_be_created_with_is_sent() {
    let server = TestServer::start();
    let client = client(&server);
    let path = "sessions/s-1".parse().unwrap();
    let options = CreateOptions {
        content_type: "text/plain".parse().ok(),
        lifetime: Some(Lifetime::Idle(Duration::from_millis(1500))),
        content: "abc".into(),
        closed: true,
        fork: None,
    };
    client.create_with(&path, &options).await.unwrap();
    let sent = server.world.creations.lock().unwrap().pop().unwrap();
    for (name, value) in [("content-type", "text/plain"), ("stream-ttl", "2"), ("stream-closed", "true")] {
        assert_eq!(sent.get(name).unwrap(), value);
    }
    let until = Some(Lifetime::Until("2030-01-01T00:00:00Z".to_owned()));
    client.create_with(&path, &CreateOptions { lifetime: until, ..CreateOptions::default() }).await.unwrap();
    let sent = server.world.creations.lock().unwrap().pop().unwrap();
    assert_eq!(sent.get("content-type").unwrap(), "application/json");
    assert_eq!(sent.get("stream-expires-at").unwrap(), "2030-01-01T00:00:00Z");

    let fork =
        Fork { source: "a b/c".parse().unwrap(), at: ForkPoint::At("t7".parse().unwrap()), sub_offset: 3 };
    client.fork(&path, fork).await.unwrap();
    let sent = server.world.creations.lock().unwrap().pop().unwrap();
    assert_eq!(sent.get("stream-forked-from").unwrap(), "/v1/stream/a%20b/c", "the path of its URL");
    assert_eq!(sent.get("stream-fork-offset").unwrap(), "t7");
    assert_eq!(sent.get("stream-fork-sub-offset").unwrap(), "3");
    assert_eq!(sent.get("content-type").unwrap(), "application/json", "the source's");
    server.fail(Method::PUT, [Fault::Status(404, None)]);
    let fork = Fork { source: "none".parse().unwrap(), at: ForkPoint::Tail, sub_offset: 0 };
    assert!(matches!(client.fork(&path, fork).await, Err(CreateError::NotFound(_))));
}

#[tokio::test]
async fn an_append_can_close_the_stream_and_order_itself() {
    let server = TestServer::start();
    server.append(&[]);
    let options =
        AppendOptions { close: true, sequence: Some("0007".to_owned()), ..AppendOptions::default() };
    let path = "sessions/s-1".parse().unwrap();
    assert!(client(&server).append_with(&path, "1", &options).await.unwrap().closed);
    assert_eq!(server.world.log.lock().unwrap().messages, ["1"]);
    assert_eq!(server.world.log.lock().unwrap().last_sequence.as_deref(), Some("0007"));
}

#[tokio::test]
async fn headers_are_asked_for_each_time_and_again_after_a_401() {
    let server = TestServer::start();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let source = TokenSource::provider(move |fresh| {
        let n = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move { Ok(Secret::new(&format!("{n}{}", if fresh { "-fresh" } else { "" }))) })
    });
    let client = Client::builder(&server.url()).header_source("authorization", source).build().unwrap();
    let path = "sessions/s-1".parse().unwrap();
    client.create(&path).await.unwrap();
    server.fail(Method::HEAD, [Fault::Status(401, None)]);
    client.head(&path).await.unwrap();
    assert_eq!(*server.world.tokens.lock().unwrap(), ["0", "1", "2-fresh"]);
}
