//! A small server of the protocol that misbehaves on demand. Its log outlives it, as a durable store would.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use durable_sessions_client::protocol::{Control, Offset, header, json, sse};
use futures::StreamExt;
use tokio::sync::watch;

/// Done to the next request of a method.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Answers with a status and, if given, `Retry-After`.
    Status(u16, Option<&'static str>),
    /// Sends so many bytes of the stream, then breaks the connection.
    Cut(usize),
    /// Sends so many bytes of the stream, then ends it properly.
    End(usize),
    /// Sends so many bytes of the stream, then nothing.
    Silent(usize),
    /// Does what was asked and never answers.
    LoseAnswer,
}

/// What becomes of requests for SSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sse {
    /// They are served.
    #[default]
    Served,
    /// They are refused with a status, and the body may name long-poll as the fallback.
    Refused { status: u16, offers_long_poll: bool },
    /// They are answered with the page of a catch-up read.
    Ignored,
    /// A proxy collects the answer; not even the head comes through unless the flag is set.
    HeldBack { head: bool },
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) last_sequence: Option<String>,
    pub(crate) messages: Vec<String>,
    closed: bool,
    exists: bool,
    producers: HashMap<String, (u64, u64)>,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) log: Mutex<Log>,
    changed: watch::Sender<u64>,
    faults: Mutex<Vec<(Method, VecDeque<Fault>)>>,
    /// Method and query of every request.
    pub(crate) requests: Mutex<Vec<(Method, String)>>,
    /// The tokens that came.
    pub(crate) tokens: Mutex<Vec<String>>,
    /// Whoever shows another token gets a 401.
    pub(crate) expected_token: Mutex<Option<&'static str>>,
    /// Messages that the server refuses hold this text.
    pub(crate) poison: Mutex<Option<String>>,
    /// What becomes of requests for SSE.
    pub(crate) sse: Mutex<Sse>,
    /// Headers of every PUT.
    pub(crate) creations: Mutex<Vec<HeaderMap>>,
    /// Appends that are being handled, and the most there ever were at a time.
    pub(crate) appending: Mutex<(usize, usize)>,
    /// How long an append takes.
    pub(crate) append_takes: Mutex<Duration>,
    /// Streams being served.
    pub(crate) streams: watch::Sender<u64>,
}

/// The running server; stopping it breaks every connection.
pub(crate) struct TestServer {
    pub(crate) world: Arc<World>,
    pub(crate) addr: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        let mut server =
            Self { world: Arc::default(), addr: SocketAddr::from(([127, 0, 0, 1], 0)), runtime: None };
        server.resume();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Starts again at the same address.
    pub(crate) fn resume(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind(self.addr).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.addr = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/stream/{*path}", any(stream))
            .route("/api/sessions", get(sessions))
            .with_state(self.world.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        self.runtime = Some(runtime);
    }

    pub(crate) fn stop(&mut self) {
        // Waits for the worker, so that the port is free again afterwards; from outside of the test's runtime, which
        // may not wait.
        let runtime = self.runtime.take().unwrap();
        std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10))).join().unwrap();
    }

    pub(crate) fn fail(&self, method: Method, faults: impl IntoIterator<Item = Fault>) {
        self.world.faults.lock().unwrap().push((method, faults.into_iter().collect()));
    }

    pub(crate) fn append(&self, messages: &[String]) {
        self.world.log.lock().unwrap().exists = true;
        self.world.log.lock().unwrap().messages.extend_from_slice(messages);
        self.world.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn close_stream(&self) {
        self.world.log.lock().unwrap().closed = true;
        self.world.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn requests(&self, method: &Method) -> Vec<String> {
        let requests = self.world.requests.lock().unwrap();
        requests.iter().filter(|(m, _)| m == method).map(|(_, query)| query.clone()).collect()
    }
}

impl World {
    fn next_fault(&self, method: &Method) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        faults.iter_mut().filter(|(m, _)| m == method).find_map(|(_, faults)| faults.pop_front())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Two sessions, as many to a page as asked for.
async fn sessions(State(world): State<Arc<World>>, Query(query): Query<HashMap<String, String>>) -> Response {
    // Nobody sends OPTIONS, so its faults are free for this route.
    if let Some(Fault::Status(status, _)) = world.next_fault(&Method::OPTIONS) {
        return (StatusCode::from_u16(status).unwrap(), "nothing here").into_response();
    }
    let limit = query.get("limit").map_or(100, |limit| limit.parse::<usize>().unwrap());
    let after = query.get("after").map_or("", String::as_str);
    let rest: Vec<&str> = ["s-1", "s-2"].into_iter().filter(|id| *id > after).collect();
    let page = &rest[..limit.min(rest.len())];
    let next = page.last().filter(|_| rest.len() > page.len());
    let rows =
        page.iter().map(|id| (id, if *id == "s-1" { "active" } else { "hibernating" })).collect::<Vec<_>>();
    let rows: Vec<String> = rows
        .iter()
        .map(|(id, status)| format!(r#"{{"id":"{id}","status":"{status}","createdAt":5}}"#))
        .collect();
    let next = next.map_or("null".to_owned(), |id| format!("\"{id}\""));
    format!(r#"{{"ok":true,"data":{{"sessions":[{}],"nextCursor":{next}}}}}"#, rows.join(",")).into_response()
}

async fn stream(
    State(world): State<Arc<World>>,
    method: Method,
    Path(_): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut words: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    words.sort();
    world.requests.lock().unwrap().push((method.clone(), words.join("&")));
    if let Some(token) = headers.get("authorization") {
        world.tokens.lock().unwrap().push(token.to_str().unwrap().to_owned());
    }
    let fault = world.next_fault(&method);
    let expected = *world.expected_token.lock().unwrap();
    if expected.is_some_and(|token| headers.get("authorization").is_none_or(|shown| shown != token)) {
        return error(401, "UNAUTHORIZED");
    }
    if let Some(Fault::Status(status, retry_after)) = fault {
        let mut response = StatusCode::from_u16(status).unwrap().into_response();
        if let Some(after) = retry_after {
            response.headers_mut().insert("retry-after", HeaderValue::from_static(after));
        }
        return response;
    }
    let lose = matches!(fault, Some(Fault::LoseAnswer));
    let response = match (method, query.get("live").map(String::as_str)) {
        (Method::PUT, _) => {
            world.creations.lock().unwrap().push(headers);
            create(&world)
        }
        (Method::POST, _) => {
            let takes = *world.append_takes.lock().unwrap();
            {
                let mut appending = world.appending.lock().unwrap();
                appending.0 += 1;
                appending.1 = appending.1.max(appending.0);
            }
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            world.appending.lock().unwrap().0 -= 1;
            append(&world, &headers, &body)
        }
        (Method::DELETE, _) => delete(&world),
        (Method::GET, Some("sse")) => {
            let sse = *world.sse.lock().unwrap();
            match sse {
                Sse::Served => follow(&world, &query, fault.as_ref()),
                Sse::Ignored => read(&world, &query),
                Sse::Refused { status, offers_long_poll } => refuse_sse(status, offers_long_poll),
                Sse::HeldBack { head: true } => follow(&world, &query, Some(&Fault::Silent(0))),
                Sse::HeldBack { head: false } => std::future::pending().await,
            }
        }
        (Method::GET, Some("long-poll")) => poll(&world, &query).await,
        _ => read(&world, &query),
    };
    if lose {
        std::future::pending::<Infallible>().await;
    }
    response
}

fn error(status: u16, code: &str) -> Response {
    let body = format!(r#"{{"ok":false,"error":{{"code":"{code}","message":"because"}}}}"#);
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn with(mut response: Response, name: &'static str, value: impl std::fmt::Display) -> Response {
    let value = HeaderValue::from_str(&format!("{value}")).unwrap();
    response.headers_mut().insert(HeaderName::from_static(name), value);
    response
}

fn standing(response: Response, log: &Log, at: usize) -> Response {
    let response = with(response, header::STREAM_NEXT_OFFSET, Offset::new(at as u64));
    if log.closed && at == log.messages.len() {
        with(response, header::STREAM_CLOSED, "true")
    } else {
        response
    }
}

fn create(world: &World) -> Response {
    let mut log = world.log.lock().unwrap();
    let status = if std::mem::replace(&mut log.exists, true) { 200 } else { 201 };
    standing(StatusCode::from_u16(status).unwrap().into_response(), &log, log.messages.len())
}

fn delete(world: &World) -> Response {
    let mut log = world.log.lock().unwrap();
    if !std::mem::take(&mut log.exists) {
        return error(404, "SESSION_NOT_FOUND");
    }
    StatusCode::NO_CONTENT.into_response()
}

fn append(world: &World, headers: &HeaderMap, body: &Bytes) -> Response {
    let mut log = world.log.lock().unwrap();
    if !log.exists {
        return error(404, "SESSION_NOT_FOUND");
    }
    if body.is_empty() && headers.contains_key(header::STREAM_CLOSED) {
        log.closed = true;
        world.changed.send_modify(|version| *version += 1);
        return standing(StatusCode::NO_CONTENT.into_response(), &log, log.messages.len());
    }
    if log.closed {
        return standing(error(409, "SESSION_CLOSED"), &log, log.messages.len());
    }
    let Ok(split) = json::split_messages(body) else { return error(400, "INVALID_JSON") };
    let joined = split.joined(body);
    let mut start = 0;
    let mut messages = Vec::new();
    for &end in &split.ends {
        messages.push(String::from_utf8(joined[start..end as usize].to_vec()).unwrap());
        start = end as usize + 1;
    }
    let poison = world.poison.lock().unwrap().clone();
    if poison.is_some_and(|poison| messages.iter().any(|message| message.contains(&poison))) {
        return error(400, "INVALID_EVENT");
    }
    let mut status = StatusCode::NO_CONTENT;
    if let Some(id) = headers.get(header::PRODUCER_ID) {
        let number = |name| headers.get(name).unwrap().to_str().unwrap().parse::<u64>().unwrap();
        let (epoch, seq) = (number(header::PRODUCER_EPOCH), number(header::PRODUCER_SEQ));
        let id = String::from_utf8(id.as_bytes().to_vec()).unwrap();
        match log.producers.get(&id) {
            Some(&(known, _)) if epoch < known => {
                return with(error(403, "FENCED"), header::PRODUCER_EPOCH, known);
            }
            Some(&(known, last)) if epoch == known && seq <= last => {
                return standing(StatusCode::NO_CONTENT.into_response(), &log, log.messages.len());
            }
            Some(&(known, last)) if epoch == known && seq != last + 1 => {
                return with(error(409, "GAP"), header::PRODUCER_EXPECTED_SEQ, last + 1);
            }
            _ => {}
        }
        log.producers.insert(id, (epoch, seq));
        status = StatusCode::OK;
    }
    log.messages.extend(messages);
    log.closed |= headers.contains_key(header::STREAM_CLOSED);
    log.last_sequence =
        headers.get(header::STREAM_SEQ).and_then(|sequence| sequence.to_str().ok()).map(str::to_owned);
    world.changed.send_modify(|version| *version += 1);
    standing(status.into_response(), &log, log.messages.len())
}

fn position(log: &Log, query: &HashMap<String, String>) -> Option<usize> {
    match query.get("offset").map(String::as_str) {
        None | Some("-1") => Some(0),
        Some("now") => Some(log.messages.len()),
        Some(token) => token.parse::<Offset>().ok().map(|offset| offset.position() as usize),
    }
}

fn read(world: &World, query: &HashMap<String, String>) -> Response {
    let log = world.log.lock().unwrap();
    if !log.exists {
        return error(404, "SESSION_NOT_FOUND");
    }
    let Some(from) = position(&log, query) else { return error(400, "INVALID_CURSOR") };
    let to = (from + 3).min(log.messages.len());
    let body = format!("[{}]", log.messages[from.min(to)..to].join(", "));
    let response = with(body.into_response(), "content-type", "application/json");
    let response = with(response, header::STREAM_MESSAGE_COUNT, from);
    let tail = to == log.messages.len();
    let response = if tail { with(response, header::STREAM_UP_TO_DATE, "true") } else { response };
    standing(response, &log, to)
}

fn refuse_sse(status: u16, offers_long_poll: bool) -> Response {
    let details = if offers_long_poll { r#"{"fallback":"long-poll"}"# } else { "{}" };
    let body =
        format!(r#"{{"error":{{"code":"TOO_MANY_CONNECTIONS","message":"full","details":{details}}}}}"#);
    let response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    // A client that obeyed would wait for an hour.
    with(response, "retry-after", 3600)
}

/// Waits for messages a short while.
async fn poll(world: &World, query: &HashMap<String, String>) -> Response {
    let mut changed = world.changed.subscribe();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(200);
    loop {
        changed.borrow_and_update();
        let (from, len, closed) = {
            let log = world.log.lock().unwrap();
            (position(&log, query), log.messages.len(), log.closed)
        };
        let is_empty = from.is_some_and(|from| from >= len);
        let timed_out =
            is_empty && !closed && tokio::time::timeout_at(deadline, changed.changed()).await.is_err();
        if is_empty && !closed && !timed_out {
            continue;
        }
        let mut response = read(world, query);
        if is_empty && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.body_mut() = Body::empty();
        }
        return with(response, header::STREAM_CURSOR, 12);
    }
}

fn follow(world: &Arc<World>, query: &HashMap<String, String>, fault: Option<&Fault>) -> Response {
    let log = world.log.lock().unwrap();
    if !log.exists {
        return error(404, "SESSION_NOT_FOUND");
    }
    let Some(from) = position(&log, query) else { return error(400, "INVALID_CURSOR") };
    drop(log);
    let limit = match fault {
        Some(Fault::Cut(bytes) | Fault::End(bytes) | Fault::Silent(bytes)) => *bytes,
        _ => usize::MAX,
    };
    world.streams.send_modify(|streams| *streams += 1);
    let served = Served {
        world: world.clone(),
        changed: world.changed.subscribe(),
        at: from,
        first: true,
        closed: false,
    };
    let frames = futures::stream::unfold((served, limit), |(mut served, limit)| async move {
        if limit == 0 {
            return None;
        }
        let mut frame = served.next().await?;
        frame.truncate(limit);
        let left = limit - frame.len();
        Some((Ok::<_, std::io::Error>(Bytes::from(frame)), (served, left)))
    });
    let body = match fault {
        Some(Fault::Cut(_)) => {
            Body::from_stream(frames.chain(futures::stream::iter([Err(std::io::Error::other("cut"))])))
        }
        Some(Fault::Silent(_)) => Body::from_stream(frames.chain(futures::stream::pending())),
        _ => Body::from_stream(frames),
    };
    let response = with(body.into_response(), "content-type", "text/event-stream");
    with(response, header::STREAM_MESSAGE_COUNT, from)
}

/// One reader.
struct Served {
    world: Arc<World>,
    changed: watch::Receiver<u64>,
    at: usize,
    first: bool,
    closed: bool,
}

impl Served {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.closed {
                return None;
            }
            self.changed.borrow_and_update();
            if let Some(frame) = self.frame() {
                return Some(frame);
            }
            self.changed.changed().await.ok()?;
        }
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        let log = self.world.log.lock().unwrap();
        let to = (self.at + 4).min(log.messages.len());
        if to == self.at && !log.closed && !std::mem::take(&mut self.first) {
            return None;
        }
        self.first = false;
        let mut wire = Vec::new();
        if to > self.at {
            sse::encode_json_data_event(&mut wire, log.messages[self.at..to].join(",").as_bytes());
        }
        self.at = to;
        self.closed = log.closed && to == log.messages.len();
        let control = Control {
            cursor: Some("12".into()),
            up_to_date: to == log.messages.len(),
            closed: self.closed,
            message_count: Some(to as u64),
            ..Control::at(Offset::new(to as u64).into())
        };
        sse::encode_control_event(&mut wire, &control);
        Some(wire)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.world.streams.send_modify(|streams| *streams -= 1);
    }
}
