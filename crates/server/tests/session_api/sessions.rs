//! Sessions: both ways to make one, what changes them, the list.

use serde_json::{Value, json};

use crate::common::{TestServer, chunk, request, request_with};
use crate::support::{JSON, call, embedded, get, new_session, ok, publish, stored};

#[tokio::test]
async fn both_routes_make_the_same_session() {
    let server = TestServer::start().await;
    let created = call(
        &server,
        "POST",
        "/api/sessions",
        &json!({
            "id": "a", "projectId": "p", "taskId": "t", "agentId": "g", "title": "T",
        }),
    )
    .await;
    assert_eq!(created.status, 201);
    let session = created.json()["data"].clone();
    for (field, value) in
        [("projectId", "p"), ("taskId", "t"), ("agentId", "g"), ("title", "T"), ("status", "idle")]
    {
        assert_eq!(session[field], value, "{session}");
    }
    let head = server.send(request("HEAD", "/v1/stream/sessions/a")).await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, Some("application/json")));
    assert_eq!(server.put("/v1/stream/sessions/a").await.status, 200);

    assert_eq!(server.put("/v1/stream/sessions/b").await.status, 201);
    let session = get(&server, "/api/sessions/b").await;
    assert_eq!((&session["projectId"], &session["status"]), (&Value::Null, &json!("idle")));
    assert_eq!(session["presence"], json!([]));

    // Sent again it is the same; with other values it is another.
    let body = json!({ "id": "a", "projectId": "p", "taskId": "t", "agentId": "g", "title": "T" });
    assert_eq!(call(&server, "POST", "/api/sessions", &body).await.status, 200);
    let other = call(&server, "POST", "/api/sessions", &json!({ "id": "a", "projectId": "q" })).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (409, "STREAM_EXISTS"));
    let named = ok(&server, "POST", "/api/sessions", &json!({ "projectId": "p" })).await;
    assert_eq!(named["id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn the_first_event_makes_a_session_active_whichever_way_it_comes() {
    let server = TestServer::start().await;
    for (id, raw) in [("a", true), ("b", false)] {
        new_session(&server, id).await;
        if raw {
            server.post(&format!("/v1/stream/sessions/{id}"), chunk("1", "x")).await;
        } else {
            publish(&server, id, json!({ "type": "chunk", "data": { "text": "x" } })).await;
        }
        let session = get(&server, &format!("/api/sessions/{id}")).await;
        assert_eq!((&session["status"], &session["eventCount"]), (&json!("active"), &json!(1)));
    }
    let listed = get(&server, "/api/sessions?status=active").await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn closing_and_deleting_by_either_route_is_the_same() {
    let server = TestServer::start().await;
    for (id, by_api) in [("a", true), ("b", false)] {
        new_session(&server, id).await;
        let stream = format!("/v1/stream/sessions/{id}");
        if by_api {
            let closed = ok(&server, "POST", &format!("/api/sessions/{id}/close"), &Value::Null).await;
            assert_eq!(closed["status"], "closed");
        } else {
            let headers = [JSON, ("stream-closed", "true")];
            assert_eq!(
                server.send(request_with("POST", &stream, &headers, &chunk("1", "x"))).await.status,
                204
            );
        }
        let session = get(&server, &format!("/api/sessions/{id}")).await;
        assert_eq!((&session["status"], &session["closed"]), (&json!("closed"), &json!(true)));
        assert!(session["closedAt"].is_number());
        let head = server.send(request("HEAD", &stream)).await;
        assert_eq!(head.header("stream-closed"), Some("true"));
        let late = server.post(&stream, chunk("2", "x")).await;
        assert_eq!((late.status.as_u16(), late.code().as_str()), (409, "SESSION_CLOSED"));
        // Again is no error, and changes nothing.
        let again = ok(&server, "POST", &format!("/api/sessions/{id}/close"), &Value::Null).await;
        assert_eq!(again["closedAt"], session["closedAt"]);
        let gone = if by_api { stream.clone() } else { format!("/api/sessions/{id}") };
        assert!(server.send(request("DELETE", &gone)).await.status.is_success());
        for path in [stream, format!("/api/sessions/{id}")] {
            let missing = server.get(&path).await;
            assert_eq!(
                (missing.status.as_u16(), missing.code().as_str()),
                (404, "SESSION_NOT_FOUND"),
                "{path}"
            );
        }
    }
    assert_eq!(get(&server, "/api/sessions").await["sessions"], json!([]));
}

#[tokio::test]
async fn the_status_changes_by_its_table() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let set = async |status: &str| {
        let answer = call(&server, "PATCH", "/api/sessions/a", &json!({ "status": status })).await;
        (answer.status.as_u16(), answer.code())
    };
    let refused = (409, "INVALID_TRANSITION".to_owned());
    assert_eq!(set("paused").await, refused);
    for status in ["initializing", "active", "paused", "active", "error", "active", "closing"] {
        assert_eq!(set(status).await, (200, String::new()), "{status}");
        assert_eq!(set(status).await, (200, String::new()), "{status} again");
    }
    assert_eq!(set("idle").await, refused);
    assert_eq!(set("closed").await.0, 200);
    assert_eq!(
        server.send(request("HEAD", "/v1/stream/sessions/a")).await.header("stream-closed"),
        Some("true")
    );
    assert_eq!(set("active").await, refused);
    // What it is called may still change.
    let session = ok(&server, "PATCH", "/api/sessions/a", &json!({ "title": "after" })).await;
    assert_eq!((&session["title"], &session["status"]), (&json!("after"), &json!("closed")));
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_the_list_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(embedded(&dir)).await;
    for id in ["a", "b", "c"] {
        new_session(&server, id).await;
    }
    publish(&server, "a", json!({ "type": "chunk", "data": { "text": "x" } })).await;
    ok(&server, "PATCH", "/api/sessions/a", &json!({ "status": "paused", "title": "Kept" })).await;
    ok(&server, "POST", "/api/sessions/b/close", &Value::Null).await;
    let before = get(&server, "/api/sessions").await;
    server.stopped().await;
    let server = TestServer::start_with(embedded(&dir)).await;
    assert_eq!(get(&server, "/api/sessions").await, before);
    assert_eq!(get(&server, "/api/sessions/a").await["status"], "paused");
    server.stopped().await;
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let server = TestServer::start().await;
    for n in 0..7 {
        let body = json!({
            "id": format!("s{n}"), "projectId": "p", "taskId": format!("t{}", n % 2), "title": format!("Run {n}"),
        });
        ok(&server, "POST", "/api/sessions", &body).await;
    }
    let (mut query, mut ids) = ("limit=3".to_owned(), Vec::new());
    loop {
        let page = get(&server, &format!("/api/sessions?{query}")).await;
        let sessions = page["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 3);
        ids.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("limit=3&cursor={cursor}"),
            None => break,
        }
    }
    ids.sort();
    assert_eq!(ids, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
    for (filter, count) in [
        ("taskId=t1", 3),
        ("search=run%205", 1),
        ("search=S6", 1),
        ("status=closed", 0),
        ("from=0&to=9999999999999", 7),
        ("to=2000-01-01T00:00:00Z", 0),
    ] {
        let found = get(&server, &format!("/api/sessions?{filter}")).await;
        assert_eq!(found["sessions"].as_array().unwrap().len(), count, "{filter}");
    }
}

#[tokio::test]
async fn a_fork_is_a_session_about_the_same() {
    let server = TestServer::start().await;
    ok(&server, "POST", "/api/sessions", &json!({ "id": "a", "projectId": "p", "title": "T" })).await;
    publish(
        &server,
        "a",
        json!([{ "type": "chunk", "data": { "text": "1" } }, { "type": "chunk", "data": { "text": "2" } }]),
    )
    .await;
    let headers = [("stream-forked-from", "/v1/stream/sessions/a")];
    assert_eq!(server.send(request_with("PUT", "/v1/stream/sessions/b", &headers, "")).await.status, 201);
    let fork = get(&server, "/api/sessions/b").await;
    assert_eq!(
        (&fork["projectId"], &fork["title"], &fork["status"]),
        (&json!("p"), &json!("T"), &json!("active"))
    );
    assert_eq!(stored(&server, "b").await.len(), 2);
}

#[tokio::test]
async fn there_are_as_many_sessions_as_there_may_be() {
    let server = TestServer::start_with(|config| config.limits.sessions_max = 1).await;
    new_session(&server, "a").await;
    for answer in [
        call(&server, "POST", "/api/sessions", &json!({ "id": "b", "projectId": "p" })).await,
        server.put("/v1/stream/sessions/b").await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (507, "STORAGE_FULL"));
    }
    // What exists is confirmed, and what is gone leaves room.
    assert_eq!(server.put("/v1/stream/sessions/a").await.status, 200);
    server.send(request("DELETE", "/api/sessions/a")).await;
    new_session(&server, "b").await;
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    let server = TestServer::start().await;
    new_session(&server, "a").await;
    let appends = (0..20).map(|n| server.post("/v1/stream/sessions/a", chunk(&n.to_string(), "x")));
    let titles = (0..20).map(|n| {
        let body = json!({ "title": n.to_string() }).to_string();
        server.send(request_with("PATCH", "/api/sessions/a", &[JSON], &body))
    });
    let (appended, changed) =
        futures::join!(futures::future::join_all(appends), futures::future::join_all(titles));
    assert!(appended.iter().all(|answer| answer.status == 204));
    assert!(changed.iter().all(|answer| answer.status == 200));
    let session = get(&server, "/api/sessions/a").await;
    assert_eq!((&session["status"], &session["eventCount"]), (&json!("active"), &json!(20)));
}
