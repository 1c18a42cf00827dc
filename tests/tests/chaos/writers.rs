//! Writers: idempotent producers that repeat what nobody answered, plain ones that cannot, and those that let the server
//! queue what they write. Each has one append under way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_sessions_tests::{Answer, Connection};

use crate::ledger::Told;
use crate::random::Random;

pub(crate) const STREAMS: u64 = 3;
pub(crate) const PRODUCERS: u64 = 6;
pub(crate) const PLAIN_WRITERS: u64 = 2;
pub(crate) const QUEUED_WRITERS: u64 = 2;
pub(crate) const WRITERS: u64 = PRODUCERS + PLAIN_WRITERS + QUEUED_WRITERS;
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
/// So long a client waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(30);

pub(crate) fn is_producer(writer: u64) -> bool {
    writer < PRODUCERS
}

pub(crate) fn is_queued(writer: u64) -> bool {
    (PRODUCERS + PLAIN_WRITERS..WRITERS).contains(&writer)
}

pub(crate) fn stream_of(writer: u64) -> u64 {
    writer % STREAMS
}

pub(crate) struct Writer {
    pub(crate) proxy: SocketAddr,
    pub(crate) number: u64,
    pub(crate) random: Random,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Writer {
    /// Writes until told to stop.
    pub(crate) async fn write(mut self) -> Told {
        let mut told = Told::default();
        let mut connection = None;
        let mut next = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let message = (self.number, next);
            let first_time = told.unknown.insert(message);
            match self.send(&mut connection, next).await {
                Ok(answer) => match answer.status {
                    202 if is_queued(self.number) => {
                        told.unknown.remove(&message);
                        // Where it will be, nobody knows yet.
                        told.acknowledged.insert(message, u64::MAX);
                        next += 1;
                    }
                    200 | 204 if !is_queued(self.number) => {
                        told.unknown.remove(&message);
                        self.acknowledged(&mut told, next, &answer, first_time);
                        next += 1;
                        if is_producer(self.number) && self.random.below(8) == 0 {
                            self.repeat_late(&mut connection, next, &mut told).await;
                        }
                    }
                    // Nothing was done, or nobody knows; a producer finds out by trying again.
                    429 | 503 | 507 => {
                        tokio::time::sleep(PAUSE).await;
                        next += u64::from(!is_producer(self.number));
                    }
                    status => {
                        let said = String::from_utf8_lossy(&answer.body).into_owned();
                        told.wrong.push(format!("{message:?} was answered {status}: {said}"));
                        return told;
                    }
                },
                Err(_) => {
                    connection = None;
                    tokio::time::sleep(PAUSE).await;
                    // Without an identity it cannot be sent again.
                    next += u64::from(!is_producer(self.number));
                }
            }
        }
        told
    }

    fn acknowledged(&self, told: &mut Told, number: u64, answer: &Answer, first_time: bool) {
        let message = (self.number, number);
        let Some(end) = answer.header("stream-next-offset").and_then(|end| end.parse().ok()) else {
            told.wrong.push(format!("{message:?} was acknowledged without an offset"));
            return;
        };
        // A duplicate is answered with the tail as it is then, which says nothing of where the message is.
        let is_duplicate = is_producer(self.number) && answer.status == 204;
        if is_duplicate && first_time {
            told.wrong.push(format!("{message:?} was sent once and is a duplicate"));
        }
        told.acknowledged.insert(message, if is_duplicate { u64::MAX } else { end });
    }

    /// A repetition that arrives behind what came after it.
    async fn repeat_late(&mut self, connection: &mut Option<Connection>, next: u64, told: &mut Told) {
        let late = next - 1 - self.random.below(next.min(4));
        if let Ok(answer) = self.send(connection, late).await
            && matches!(answer.status, 200 | 400..=499)
        {
            told.wrong.push(format!(
                "{:?} was stored before and is answered {}",
                (self.number, late),
                answer.status
            ));
        }
    }

    async fn send(&mut self, connection: &mut Option<Connection>, number: u64) -> io::Result<Answer> {
        let queued = if is_queued(self.number) { "?durability=queued" } else { "" };
        let target = format!("chaos/{}{queued}", stream_of(self.number));
        let (id, seq) = (format!("p{}", self.number), number.to_string());
        let padding = if (self.number + number).is_multiple_of(37) { 9_000 } else { 8 };
        let body = format!("[{},{number},\"{}\"]", self.number, "x".repeat(padding));
        let headers = [JSON, ("producer-id", &*id), ("producer-epoch", "0"), ("producer-seq", &*seq)];
        let headers = if is_producer(self.number) { &headers[..] } else { &headers[..1] };
        let body = format!("[{body}]");
        let sent = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(self.proxy).await?,
            };
            let answer = open.send("POST", &target, headers, &body).await?;
            *connection = Some(open);
            Ok(answer)
        };
        tokio::time::timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
