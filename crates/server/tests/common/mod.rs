//! A real server on a port of the system's choice, and a client that shows requests and answers as they are.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate that uses its part of this")]

pub mod application;
pub mod tokens;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::sse::{SseDecoder, SseItem};
use durable_sessions_protocol::{Control, json};
use durable_sessions_server::{AuthConfig, RunError, Server, ServerConfig, StoreConfig};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Everything a test waits for arrives long before this on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct TestServer {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), RunError>>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
        config.long_poll_timeout = Duration::from_millis(200);
        change(&mut config);
        let server = Server::bind(config).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), running }
    }

    /// Begins the shutdown.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits until the server is gone.
    pub async fn stopped(mut self) {
        self.begin_stop();
        within(self.running).await.unwrap().unwrap();
    }

    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let body = within(body.collect()).await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends on a connection of its own, without waiting for the end of the answer.
    pub async fn open(&self, mut request: Request<Bytes>) -> hyper::Response<Incoming> {
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().entry(http::header::HOST).or_insert(host);
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        within(sender.send_request(request.map(Full::new))).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path)).await
    }

    pub async fn put(&self, path: &str) -> Answer {
        self.send(request("PUT", path)).await
    }

    /// Appends JSON.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        let mut request = request("POST", path);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        *request.body_mut() = body.into();
        self.send(request).await
    }

    pub async fn subscribe(&self, path: &str) -> Sse {
        let response = self.open(request("GET", path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        Sse::of(response)
    }
}

pub fn request(method: &str, path: &str) -> Request<Bytes> {
    Request::builder().method(method).uri(path).body(Bytes::new()).unwrap()
}

/// A request with headers and a body.
pub fn request_with(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happened for a long time")
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The error code in the body.
    pub fn code(&self) -> String {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) => body["error"]["code"].as_str().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        }
    }
}

/// An SSE answer, item by item.
pub struct Sse {
    pub headers: HeaderMap,
    body: Incoming,
    decoder: SseDecoder,
    ended: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Data(Vec<u8>),
    Control(Control),
    Comment(String),
    /// Milliseconds.
    Retry(u64),
    End,
}

impl Sse {
    pub fn of(response: hyper::Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        Self { headers: parts.headers, body, decoder: SseDecoder::new(16 << 20), ended: false }
    }

    pub async fn next(&mut self) -> Item {
        loop {
            match self.decoder.next_item() {
                Some(SseItem::Frame(frame)) if frame.event == b"control" => {
                    return Item::Control(control(frame.data));
                }
                Some(SseItem::Frame(frame)) => {
                    assert_eq!(frame.event, b"data");
                    return Item::Data(frame.data.to_vec());
                }
                Some(SseItem::Comment(text)) => {
                    return Item::Comment(String::from_utf8_lossy(text).trim().to_owned());
                }
                Some(SseItem::Retry(wait_ms)) => return Item::Retry(wait_ms),
                Some(other) => panic!("unexpected {other:?}"),
                None if self.ended => return Item::End,
                None => {}
            }
            match within(self.body.frame()).await {
                Some(frame) => {
                    let frame = frame.expect("the body must end cleanly");
                    self.decoder.push(frame.data_ref().unwrap());
                }
                None => self.ended = true,
            }
        }
    }

    pub async fn control(&mut self) -> Control {
        match self.next().await {
            Item::Control(control) => control,
            other => panic!("expected a control event, got {other:?}"),
        }
    }

    /// Messages of data events, as they are, until `count` have come; control events must follow each.
    pub async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        while messages.len() < count {
            match self.next().await {
                Item::Data(data) => {
                    let split = json::split_messages(&data).unwrap();
                    let joined = split.joined(&data);
                    let mut start = 0;
                    for &end in &split.ends {
                        messages.push(String::from_utf8(joined[start..end as usize].to_vec()).unwrap());
                        start = end as usize + 1;
                    }
                    self.control().await;
                }
                Item::Control(_) | Item::Comment(_) | Item::Retry(_) => {}
                Item::End => panic!("ended after {} of {count} messages", messages.len()),
            }
        }
        messages
    }
}

fn control(text: &[u8]) -> Control {
    let value: serde_json::Value = serde_json::from_slice(text).unwrap();
    Control {
        next_offset: value["streamNextOffset"].as_str().unwrap().parse().unwrap(),
        cursor: value["streamCursor"].as_str().map(str::to_owned),
        up_to_date: value["upToDate"] == true || value["streamClosed"] == true,
        closed: value["streamClosed"] == true,
        message_count: value["streamMessageCount"].as_u64(),
    }
}

/// A valid session event.
pub fn chunk(id: &str, text: &str) -> String {
    serde_json::json!({ "id": id, "type": "chunk", "timestamp": 1, "data": { "text": text } }).to_string()
}
