//! Subscribers: each follows a stream from its beginning and resumes where it was: by SSE or by long-poll as the protocol
//! says it, or by our own client, which has to do the same by itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_sessions_client::protocol::ContentType;
use durable_sessions_client::{Client, Item, ReconnectConfig, SubscribeOptions};
use durable_sessions_tests::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ledger::{Message, Seen};
use crate::writers::PATIENCE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Sse,
    LongPoll,
    Client,
}

pub(crate) struct Subscriber {
    pub(crate) proxy: SocketAddr,
    pub(crate) stream: u64,
    pub(crate) mode: Mode,
    /// The tail at which it is done, once that is known; `u64::MAX` before.
    pub(crate) until: Arc<AtomicU64>,
    pub(crate) name: String,
}

type Row = (u64, u64, String);

impl Subscriber {
    /// Follows until the tail that it is told, or its task is stopped; `seen` is what it saw so far.
    pub(crate) async fn follow(self, seen: Arc<std::sync::Mutex<Seen>>) {
        let mut next = 0;
        while next < self.until.load(Ordering::SeqCst) {
            seen.lock().unwrap().connections += 1;
            // However a connection ends, the next one goes on at the last offset that was told.
            let ended = match self.mode {
                Mode::Sse => self.by_sse(&mut next, &seen).await,
                Mode::LongPoll => self.by_long_poll(&mut next, &seen).await,
                // It never comes back before it is done: connections are its own affair.
                Mode::Client => self.by_client(&mut next, &seen).await,
            };
            if let Err(error) = ended
                && error.kind() == io::ErrorKind::InvalidData
            {
                seen.lock().unwrap().wrong.push(format!("{}: {error}", self.name));
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn by_long_poll(&self, next: &mut u64, seen: &std::sync::Mutex<Seen>) -> io::Result<()> {
        let mut connection = timely(Connection::open(self.proxy)).await?;
        while *next < self.until.load(Ordering::SeqCst) {
            let target = format!("chaos/{}?offset={next:020}&live=long-poll", self.stream);
            let answer = timely(connection.send("GET", &target, &[], "")).await?;
            match answer.status {
                200 => {}
                204 => continue,
                503 => return Ok(()),
                status => return Err(invalid(format!("answered {status} at {next}"))),
            }
            let rows: Vec<Row> = serde_json::from_slice(&answer.body).map_err(|e| invalid(e.to_string()))?;
            let told = answer.header("stream-next-offset").and_then(|offset| offset.parse().ok());
            let told = told.ok_or_else(|| invalid("an answer without an offset".into()))?;
            self.take(*next, &rows, told, seen)?;
            *next = told;
        }
        Ok(())
    }

    async fn by_client(&self, next: &mut u64, seen: &std::sync::Mutex<Seen>) -> io::Result<()> {
        // Whatever this proxy does is no reason to give up.
        let reconnect = ReconnectConfig {
            initial_delay_ms: 20,
            max_delay_ms: 200,
            max_attempts: u32::MAX,
            ..ReconnectConfig::default()
        };
        let client = Client::builder(&format!("http://{}", self.proxy))
            .reconnect(reconnect)
            .silence(PATIENCE)
            .request_timeout(PATIENCE)
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let path = format!("chaos/{}", self.stream).parse().map_err(|_| invalid("no path".into()))?;
        let mut following = client.follow(&path, &ContentType::json(), SubscribeOptions::default());
        while *next < self.until.load(Ordering::SeqCst) {
            // Whether it is done is looked at while nothing comes, too.
            match tokio::time::timeout(PATIENCE, following.next()).await {
                Ok(Some(Item::Batch(page))) => {
                    let rows: Result<Vec<Row>, _> =
                        page.messages().map(|message| serde_json::from_slice(&message)).collect();
                    let rows = rows.map_err(|error| invalid(error.to_string()))?;
                    let told = page.next.as_str().parse();
                    let told = told.map_err(|_| invalid(format!("a page that ends at {}", page.next)))?;
                    self.take(*next, &rows, told, seen)?;
                    *next = told;
                }
                Ok(Some(Item::Reconnected)) => seen.lock().unwrap().connections += 1,
                Ok(Some(
                    Item::State(_)
                    | Item::Retry(_)
                    | Item::FellBack(_)
                    | Item::Disconnected
                    | Item::Checkpoint(_),
                ))
                | Err(_) => {}
                Ok(other) => return Err(invalid(format!("the client says {other:?}"))),
            }
        }
        Ok(())
    }

    /// Messages that came from a position on, and the offset that was told behind them.
    fn take(&self, from: u64, rows: &[Row], told: u64, seen: &std::sync::Mutex<Seen>) -> io::Result<()> {
        let mut seen = seen.lock().unwrap();
        for ((writer, number, _), position) in rows.iter().zip(from..) {
            let message: Message = (*writer, *number);
            seen.take(position as usize, message);
        }
        if told != from + rows.len() as u64 {
            return Err(invalid(format!("{} messages from {from} on end at {told}", rows.len())));
        }
        Ok(())
    }

    async fn by_sse(&self, next: &mut u64, seen: &std::sync::Mutex<Seen>) -> io::Result<()> {
        let mut socket = timely(TcpStream::connect(self.proxy)).await?;
        let target = format!("/v1/stream/chaos/{}?offset={next:020}&live=sse", self.stream);
        let request = format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        timely(socket.write_all(request.as_bytes())).await?;
        let mut body = Body::default();
        let mut rows: Vec<Row> = Vec::new();
        while *next < self.until.load(Ordering::SeqCst) {
            let mut piece = [0; 8 << 10];
            // Heartbeats come more often than this, so silence is a connection that is gone.
            let read = timely(socket.read(&mut piece)).await?;
            if read == 0 {
                return Ok(());
            }
            if !body.add(&piece[..read])? {
                return Ok(());
            }
            while let Some((name, data)) = body.next_event() {
                match &*name {
                    "data" => {
                        let more: Vec<Row> = serde_json::from_str(&data)
                            .map_err(|error| invalid(format!("{error}: {data}")))?;
                        rows.extend(more);
                    }
                    "control" => {
                        let control: serde_json::Value =
                            serde_json::from_str(&data).map_err(|error| invalid(error.to_string()))?;
                        let told =
                            control["streamNextOffset"].as_str().and_then(|offset| offset.parse().ok());
                        let told =
                            told.ok_or_else(|| invalid(format!("a control without offset: {data}")))?;
                        self.take(*next, &rows, told, seen)?;
                        rows.clear();
                        *next = told;
                    }
                    other => return Err(invalid(format!("an event {other}"))),
                }
            }
        }
        Ok(())
    }
}

async fn timely<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The body of an SSE answer as it comes: head, chunks, events. Whatever is cut is not there.
#[derive(Default)]
struct Body {
    raw: Vec<u8>,
    has_head: bool,
    text: Vec<u8>,
}

impl Body {
    /// Whether the answer is one that has events.
    fn add(&mut self, piece: &[u8]) -> io::Result<bool> {
        self.raw.extend_from_slice(piece);
        if !self.has_head {
            let Some(end) = find(&self.raw, b"\r\n\r\n") else { return Ok(true) };
            let head = String::from_utf8_lossy(&self.raw[..end]).to_ascii_lowercase();
            if head.starts_with("http/1.1 503") {
                return Ok(false);
            }
            if !head.starts_with("http/1.1 200") || !head.contains("transfer-encoding: chunked") {
                return Err(invalid(format!("answered {head}")));
            }
            self.raw.drain(..end + 4);
            self.has_head = true;
        }
        while let Some(line) = find(&self.raw, b"\r\n") {
            let size =
                std::str::from_utf8(&self.raw[..line]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
            let size = size.ok_or_else(|| invalid("a chunk without size".into()))?;
            let (start, end) = (line + 2, line + 2 + size);
            if self.raw.len() < end + 2 {
                break;
            }
            self.text.extend_from_slice(&self.raw[start..end]);
            self.raw.drain(..end + 2);
        }
        Ok(true)
    }

    /// The next whole event: its name, and its data.
    fn next_event(&mut self) -> Option<(String, String)> {
        loop {
            let end = find(&self.text, b"\n\n")?;
            let event: Vec<u8> = self.text.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let field = |name: &str| {
                let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
            };
            let name = field("event");
            // A comment keeps the connection alive.
            if !name.is_empty() {
                return Some((name, field("data")));
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
