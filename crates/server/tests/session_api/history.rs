//! History, summary and export.

use serde_json::{Value, json};

use crate::common::TestServer;
use crate::support::{call, get, new_session, publish};

async fn session_of(server: &TestServer, count: usize) {
    new_session(server, "a").await;
    let events: Vec<_> = (0..count)
        .map(|n| json!({ "type": "chunk", "data": { "text": n.to_string() }, "id": n.to_string() }))
        .collect();
    publish(server, "a", json!(events)).await;
}

async fn ids(server: &TestServer, query: &str) -> (Vec<usize>, Value) {
    let page = get(server, &format!("/api/sessions/a/events?{query}")).await;
    let ids =
        page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().parse().unwrap());
    (ids.collect(), page)
}

#[tokio::test]
async fn history_goes_on_in_both_directions() {
    let server = TestServer::start().await;
    session_of(&server, 25).await;
    let (mut seen, mut query) = (Vec::new(), "limit=10".to_owned());
    loop {
        let (some, page) = ids(&server, &query).await;
        seen.extend(some);
        if page["hasMore"] == false {
            break;
        }
        query = format!("limit=10&after={}", page["nextCursor"].as_str().unwrap());
    }
    assert_eq!(seen, (0..25).collect::<Vec<_>>());
    let (mut seen, mut query) = (Vec::new(), "limit=10&before=25".to_owned());
    loop {
        let (some, page) = ids(&server, &query).await;
        assert_eq!(page["offset"], some[0]);
        seen.splice(0..0, some);
        if page["hasMore"] == false {
            break;
        }
        query = format!("limit=10&before={}", page["prevCursor"].as_str().unwrap());
    }
    assert_eq!(seen, (0..25).collect::<Vec<_>>());
    assert_eq!(ids(&server, "from=3&to=00000000000000000006").await.0, [3, 4, 5]);
    let (some, page) = ids(&server, "from=3&to=9&limit=2").await;
    assert_eq!((some, &page["hasMore"]), (vec![3, 4], &json!(true)));
    assert!(ids(&server, "after=25").await.0.is_empty());
    assert!(ids(&server, "before=0").await.0.is_empty());
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_and_says_that_there_is_more() {
    let server = TestServer::start_with(|config| config.limits.page_bytes_max = 300).await;
    session_of(&server, 20).await;
    let (first, page) = ids(&server, "").await;
    assert!(!first.is_empty() && first.len() < 20 && page["hasMore"] == true);
    assert_eq!(first[0], 0);
    let (last, page) = ids(&server, "before=20").await;
    assert!(last.len() < 20 && page["hasMore"] == true);
    assert_eq!(last.last(), Some(&19));
}

#[tokio::test]
async fn exports_are_whole_in_every_form() {
    let server = TestServer::start_with(|config| config.limits.page_bytes_max = 1000).await;
    session_of(&server, 500).await;
    let export = async |format: &str| {
        let answer = call(&server, "POST", "/api/sessions/a/export", &json!({ "format": format })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        (answer.header("content-type").unwrap().to_owned(), answer.text().to_owned())
    };
    let (content_type, text) = export("json").await;
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((content_type.as_str(), whole["events"].as_array().unwrap().len()), ("application/json", 500));
    assert_eq!(whole["session"]["id"], "a");
    let (content_type, text) = export("csv").await;
    assert!(content_type.starts_with("text/csv"));
    assert_eq!(text.lines().count(), 501);
    assert!(text.lines().last().unwrap().starts_with("500,499,chunk,chunks,"));
    let (content_type, text) = export("markdown").await;
    assert!(content_type.starts_with("text/markdown"));
    assert!(text.contains("497498499\n"), "{}", &text[text.len() - 100..]);
}

#[tokio::test]
async fn a_summary_is_counted_from_the_events() {
    let server = TestServer::start_with(|config| config.limits.page_bytes_max = 200).await;
    session_of(&server, 30).await;
    publish(&server, "a", json!({ "type": "tool:start", "data": { "id": "1", "tool": "ls" } })).await;
    let data = get(&server, "/api/sessions/a/summary").await;
    assert_eq!((&data["summary"]["events"], &data["session"]["id"]), (&json!(31), &json!("a")));
    assert_eq!(data["summary"]["types"], json!({ "chunk": 30, "tool:start": 1 }));
    assert_eq!(data["summary"]["textChars"], 50);
    assert_eq!(data["summary"]["toolCalls"]["tools"]["ls"], 1);
}
