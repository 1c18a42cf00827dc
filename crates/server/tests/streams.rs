//! The protocol's operations on streams, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use common::{TestServer, chunk, request, request_with};
use durable_sessions_server::{AuthConfig, Secret, StoreConfig};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_session_is_created_written_read_and_closed() {
    let server = TestServer::start().await;
    let path = "/v1/stream/sessions/run-1";
    let created = server.put(path).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("content-type"), Some("application/json"));
    assert_eq!(created.header("stream-next-offset"), Some("00000000000000000000"));
    assert!(created.header("location").unwrap().ends_with(path));
    assert_eq!(server.put(path).await.status, 200);

    // White space between messages goes, not a byte inside them.
    let odd = r#"{ "id":"2", "type":"my:own", "timestamp":1, "data":{"n":1.50,"s":"\u00e9"} }"#;
    let answer = server.post(path, format!(" [ {} ,\n{odd} ] ", chunk("1", "hi"))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("stream-next-offset")),
        (204, Some("00000000000000000002"))
    );
    let read = server.get(path).await;
    assert_eq!(read.text(), format!("[{},{odd}]", chunk("1", "hi")));
    assert_eq!(read.header("stream-up-to-date"), Some("true"));
    assert_eq!(read.header("stream-closed"), None);

    let closed = server
        .send(request_with("POST", path, &[("stream-closed", "TRUE"), ("content-type", "x/y")], ""))
        .await;
    assert_eq!((closed.status.as_u16(), closed.header("stream-closed")), (204, Some("true")));
    let head = server.send(request("HEAD", path)).await;
    assert_eq!(
        (head.header("stream-closed"), head.header("cache-control")),
        (Some("true"), Some("no-store"))
    );
    let refused = server.post(path, chunk("3", "late")).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.header("stream-closed"), Some("true"));
    assert_eq!(refused.header("stream-next-offset"), Some("00000000000000000002"));
    assert_eq!(server.send(request("DELETE", path)).await.status, 204);
    assert_eq!(server.get(path).await.code(), "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn pages_join_to_the_whole_and_only_the_last_is_up_to_date() {
    let server = TestServer::start_with(|config| config.limits.page_bytes_max = 100).await;
    let path = "/v1/stream/j";
    server.send(request_with("PUT", path, &[JSON], "")).await;
    for n in 0..20 {
        server.post(path, format!("[{n},\"{}\"]", "x".repeat(20))).await;
    }
    server.send(request_with("POST", path, &[("stream-closed", "true")], "")).await;
    let (mut offset, mut messages, mut pages) = ("-1".to_owned(), Vec::new(), 0);
    loop {
        let page = server.get(&format!("{path}?offset={offset}")).await;
        messages.extend(page.json().as_array().unwrap().clone());
        pages += 1;
        offset = page.header("stream-next-offset").unwrap().to_owned();
        let last = page.header("stream-up-to-date").is_some();
        assert_eq!(page.header("stream-closed").is_some(), last);
        if last {
            break;
        }
    }
    assert!(pages > 3, "{pages}");
    assert_eq!(messages.len(), 40);
    assert!(messages.iter().step_by(2).enumerate().all(|(n, message)| message == n));
    let end = server.get(&format!("{path}?offset={offset}")).await;
    assert_eq!((end.text(), end.header("stream-closed")), ("[]", Some("true")));
}

#[tokio::test]
async fn producers_are_exactly_once_and_fenced() {
    let server = TestServer::start().await;
    let path = "/v1/stream/j";
    server.send(request_with("PUT", path, &[JSON], "")).await;
    let send = async |epoch: &str, seq: &str, body: &str| {
        let headers = [JSON, ("producer-id", "p"), ("producer-epoch", epoch), ("producer-seq", seq)];
        server.send(request_with("POST", path, &headers, body)).await
    };
    let first = send("0", "0", "1").await;
    assert_eq!(
        (first.status.as_u16(), first.header("producer-epoch"), first.header("producer-seq")),
        (200, Some("0"), Some("0"))
    );
    assert_eq!(send("0", "1", "2").await.status, 200);
    let again = send("0", "0", "1").await;
    assert_eq!((again.status.as_u16(), again.header("producer-seq")), (204, Some("1")));
    let gap = send("0", "5", "9").await;
    assert_eq!((gap.status.as_u16(), gap.code().as_str()), (409, "SEQUENCE_GAP"));
    assert_eq!(
        (gap.header("producer-expected-seq"), gap.header("producer-received-seq")),
        (Some("2"), Some("5"))
    );
    let early = send("1", "3", "9").await;
    assert_eq!((early.status.as_u16(), early.code().as_str()), (400, "INVALID_PRODUCER"));
    assert_eq!(send("1", "0", "3").await.status, 200);
    let stale = send("0", "2", "9").await;
    assert_eq!(
        (stale.status.as_u16(), stale.code().as_str(), stale.header("producer-epoch")),
        (403, "STALE_EPOCH", Some("1"))
    );
    assert_eq!(server.get(path).await.text(), "[1,2,3]");
}

#[tokio::test]
async fn stream_seq_grows_byte_by_byte() {
    let server = TestServer::start().await;
    let path = "/v1/stream/j";
    server.send(request_with("PUT", path, &[JSON], "")).await;
    for (seq, status) in [("2", 204), ("10", 409), ("2", 409), ("a", 204), ("B", 409)] {
        let answer = server.send(request_with("POST", path, &[JSON, ("stream-seq", seq)], "1")).await;
        assert_eq!(answer.status.as_u16(), status, "{seq}");
    }
}

#[tokio::test]
async fn entity_tags_spare_what_is_known_but_never_hide_the_end() {
    let server = TestServer::start().await;
    let path = "/v1/stream/j";
    server.send(request_with("PUT", path, &[JSON], "[1]")).await;
    let tag = server.get(path).await.header("etag").unwrap().to_owned();
    let known = server.send(request_with("GET", path, &[("if-none-match", &tag)], "")).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    server.send(request_with("POST", path, &[("stream-closed", "true")], "")).await;
    let closed = server.send(request_with("GET", path, &[("if-none-match", &tag)], "")).await;
    assert_eq!((closed.status.as_u16(), closed.header("stream-closed")), (200, Some("true")));
    let now = server.get("/v1/stream/j?offset=now").await;
    assert_eq!((now.text(), now.header("cache-control"), now.header("etag")), ("[]", Some("no-store"), None));
}

#[tokio::test]
async fn that_nothing_has_come_yet_is_not_kept_by_caches() {
    let server = TestServer::start().await;
    let path = "/v1/stream/j";
    server.send(request_with("PUT", path, &[JSON], "[1]")).await;
    let next = server.get(path).await.header("stream-next-offset").unwrap().to_owned();
    let at_tail = format!("{path}?offset={next}");
    for (url, kept) in [(path, true), (&at_tail, false)] {
        let read = server.get(url).await;
        let cached = read.header("cache-control").unwrap();
        assert_eq!((cached != "no-store", read.header("etag").is_some()), (kept, true), "{url}: {cached}");
    }
    // Nothing comes after the end of a closed stream, ever.
    server.send(request_with("POST", path, &[("stream-closed", "true")], "")).await;
    let end = server.get(&at_tail).await;
    assert_eq!((end.text(), end.header("stream-closed")), ("[]", Some("true")));
    assert!(end.header("cache-control").unwrap().contains("max-age"));
}

#[tokio::test]
async fn answers_that_needed_a_token_are_private() {
    let server = TestServer::start_with(|config| config.auth = AuthConfig::Token(Secret::new("t"))).await;
    let token = ("authorization", "Bearer t");
    server.send(request_with("PUT", "/v1/stream/j", &[JSON, token], "[1]")).await;
    let read = server.send(request_with("GET", "/v1/stream/j", &[token], "")).await;
    assert!(read.header("cache-control").unwrap().starts_with("private,"));
}

#[tokio::test]
async fn the_embedded_store_remembers_across_servers() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreConfig::Embedded { dir: dir.path().into() };
    let path = "/v1/stream/sessions/kept";
    let server = TestServer::start_with(|config| config.store = store.clone()).await;
    server.put(path).await;
    assert_eq!(server.post(path, chunk("1", "kept")).await.status, 204);
    server.stopped().await;
    let server = TestServer::start_with(|config| config.store = store).await;
    assert_eq!(server.get(path).await.text(), format!("[{}]", chunk("1", "kept")));
    let ready = server.get("/readyz").await.json();
    assert_eq!((ready["status"].as_str(), ready["durability"].as_str()), (Some("ready"), Some("synced")));
    server.stopped().await;
}

#[tokio::test]
async fn sessions_are_listed_page_by_page() {
    let server = TestServer::start().await;
    for id in ["a", "b", "c"] {
        server.put(&format!("/v1/stream/sessions/{id}")).await;
    }
    server.put("/v1/stream/sessions-of-others").await;
    server.post("/v1/stream/sessions/b", chunk("1", "x")).await;
    server.send(request_with("POST", "/v1/stream/sessions/c", &[("stream-closed", "true")], "")).await;
    let (mut rows, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = server.get(&format!("/api/sessions?{query}")).await.json();
        assert_eq!(page["ok"], true);
        let some = page["data"]["sessions"].as_array().unwrap();
        assert!(some.len() <= 2);
        rows.extend(some.clone());
        match page["data"]["nextCursor"].as_str() {
            Some(next) => query = format!("limit=2&cursor={next}"),
            None => break,
        }
    }
    rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row["id"].as_str().unwrap(), row["status"].as_str().unwrap(), row["eventCount"].as_u64()))
        .collect();
    assert_eq!(shown, [("a", "idle", Some(0)), ("b", "active", Some(1)), ("c", "closed", Some(0))]);
    assert_eq!(rows[2]["closed"], true);
    assert!(
        rows[1]["createdAt"].as_i64().unwrap() > 0
            && rows[1]["updatedAt"].as_i64() >= rows[1]["createdAt"].as_i64()
    );
}

#[tokio::test]
async fn a_location_is_where_the_caller_or_the_operator_says() {
    let server = TestServer::start().await;
    let behind_tls =
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example"), ("forwarded", "proto=https")];
    let made = server.send(request_with("PUT", "/v1/stream/a%20b", &behind_tls, "")).await;
    let url = format!("http://{}/v1/stream/a%20b", server.address);
    assert_eq!(made.header("location"), Some(url.as_str()), "headers of proxies are not trusted");
    let again = server.send(request_with("PUT", "/v1/stream/a%20b", &[], "")).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (200, None));

    let server =
        TestServer::start_with(|config| config.public_url = Some("https://streams.example/base/".into()))
            .await;
    let made = server.put("/v1/stream/a").await;
    assert_eq!(made.header("location"), Some("https://streams.example/base/v1/stream/a"));
}
