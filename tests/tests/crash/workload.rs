//! What the server is kept busy with until it is killed. Each worker has one request under way, and notes what it was
//! told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_sessions_tests::{Answer, Connection};
use tokio::task::JoinHandle;

use crate::ledger::{AppendKey, Message, Short, Step, Told};

pub(crate) const STREAMS: u64 = 3;
pub(crate) const PRODUCERS: u64 = 6;
pub(crate) const PLAIN_WRITERS: u64 = 4;
const SHORT_LIVES: u64 = 2;
/// Messages kept of the stream with retention.
pub(crate) const RETAINED: u64 = 40;
pub(crate) const TRIMMED: &str = "trimmed";
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A round at work.
pub(crate) struct Work(Vec<JoinHandle<Told>>);

impl Work {
    /// What all workers were told, once the server is gone.
    pub(crate) async fn told(self) -> Told {
        let mut told = Told::default();
        for worker in self.0 {
            told.join(worker.await.unwrap());
        }
        told
    }
}

/// The stream that a writer writes to.
pub(crate) fn stream_of(writer: u64) -> String {
    format!("shared/{}", writer % STREAMS)
}

/// 1 to 4 messages, some of them large.
pub(crate) fn messages_of((writer, round, number): AppendKey) -> Vec<Message> {
    let len = 1 + (writer + number) % 4;
    let padding = if number % 97 == 3 { 20_000 } else { 8 };
    (0..len).map(|place| (writer, round, number, place, len, "x".repeat(padding))).collect()
}

pub(crate) fn body_of(key: AppendKey) -> String {
    serde_json::to_string(&messages_of(key)).unwrap()
}

pub(crate) fn offset_of(answer: &Answer) -> u64 {
    answer.header("stream-next-offset").expect("a tail").parse().unwrap()
}

/// The append of an idempotent producer: its number is the sequence, the round its epoch.
pub(crate) async fn produce(connection: &mut Connection, key: AppendKey) -> io::Result<Answer> {
    let (id, epoch, seq) = (format!("p{}", key.0), key.1.to_string(), key.2.to_string());
    let headers = [JSON, ("producer-id", &id), ("producer-epoch", &epoch), ("producer-seq", &seq)];
    connection.send("POST", &stream_of(key.0), &headers, &body_of(key)).await
}

/// The append that closes a short stream, by a producer.
pub(crate) async fn close(connection: &mut Connection, name: &str) -> io::Result<Answer> {
    let headers = [
        JSON,
        ("producer-id", "closer"),
        ("producer-epoch", "0"),
        ("producer-seq", "0"),
        ("stream-closed", "true"),
    ];
    connection.send("POST", &format!("short/{name}"), &headers, "[3]").await
}

/// Starts everything; streams that all rounds share are there when this returns.
pub(crate) async fn start(server: SocketAddr, round: u64, acknowledged: Arc<AtomicU64>) -> Work {
    let mut connection = Connection::open(server).await.unwrap();
    for n in 0..STREAMS {
        let made = connection.send("PUT", &format!("shared/{n}"), &[JSON], "").await.unwrap();
        assert!(matches!(made.status, 200 | 201), "{made:?}");
    }
    let retention = ("stream-retention", &*format!("count:{RETAINED}"));
    let made = connection.send("PUT", TRIMMED, &[JSON, retention], "").await.unwrap();
    assert!(matches!(made.status, 200 | 201), "{made:?}");
    let worker = |writer| Worker {
        server,
        round,
        writer,
        acknowledged: Arc::clone(&acknowledged),
        told: Told::default(),
    };
    let mut work = Vec::new();
    for writer in (0..PRODUCERS).chain(100..100 + PLAIN_WRITERS) {
        work.push(tokio::spawn(worker(writer).until_killed(Kind::Appends)));
    }
    for writer in 0..SHORT_LIVES {
        work.push(tokio::spawn(worker(writer).until_killed(Kind::ShortLives)));
    }
    work.push(tokio::spawn(worker(0).until_killed(Kind::Trimmed)));
    Work(work)
}

struct Worker {
    server: SocketAddr,
    round: u64,
    writer: u64,
    acknowledged: Arc<AtomicU64>,
    told: Told,
}

#[derive(Clone, Copy)]
enum Kind {
    Appends,
    ShortLives,
    Trimmed,
}

impl Worker {
    /// Works until the connection breaks.
    async fn until_killed(mut self, kind: Kind) -> Told {
        if let Ok(mut connection) = Connection::open(self.server).await {
            let broken: io::Result<()> = match kind {
                Kind::Appends => self.append(&mut connection).await,
                Kind::ShortLives => self.live_short(&mut connection).await,
                Kind::Trimmed => self.overflow(&mut connection).await,
            };
            assert!(broken.is_err());
        }
        self.told
    }

    fn note(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    async fn append(&mut self, connection: &mut Connection) -> io::Result<()> {
        for number in 0.. {
            let key = (self.writer, self.round, number);
            self.told.under_way.insert(key);
            let answer = if self.writer < PRODUCERS {
                let answer = produce(connection, key).await?;
                assert_eq!((answer.status, answer.header("producer-seq")), (200, Some(&*number.to_string())));
                answer
            } else {
                let answer = connection.send("POST", &stream_of(self.writer), &[JSON], &body_of(key)).await?;
                assert_eq!(answer.status, 204, "{answer:?}");
                answer
            };
            self.told.under_way.remove(&key);
            self.told.appends.insert(key, offset_of(&answer));
            self.note();
        }
        Ok(())
    }

    /// Makes a stream, forks it, writes to the fork, closes the stream, deletes every third one; again and again.
    async fn live_short(&mut self, connection: &mut Connection) -> io::Result<()> {
        for n in 0u64.. {
            let name = format!("{}-{}-{n}", self.round, self.writer);
            self.told.shorts.push(Short { name: name.clone(), ..Short::default() });
            let (stream, fork) = (format!("short/{name}"), format!("fork/{name}"));
            let source = format!("/v1/stream/{stream}");
            for step in [Step::Created, Step::Forked, Step::ForkWritten, Step::Closed, Step::Deleted] {
                if step == Step::Deleted && !n.is_multiple_of(3) {
                    break;
                }
                let at = self.told.shorts.len() - 1;
                self.told.shorts[at].under_way = step;
                let (answer, expected) = match step {
                    Step::Nothing => return Ok(()),
                    Step::Created => (connection.send("PUT", &stream, &[JSON], "[1,2]").await?, 201),
                    Step::Forked => {
                        let from = ("stream-forked-from", &*source);
                        (connection.send("PUT", &fork, &[JSON, from], "").await?, 201)
                    }
                    Step::ForkWritten => (connection.send("POST", &fork, &[JSON], "[4,5]").await?, 204),
                    Step::Closed => (close(connection, &name).await?, 200),
                    Step::Deleted => (connection.send("DELETE", &stream, &[], "").await?, 204),
                };
                assert_eq!(answer.status, expected, "{step:?}: {answer:?}");
                self.told.shorts[at].done = step;
                self.note();
            }
        }
        Ok(())
    }

    /// Writes what retention soon gives up, and looks how far it is. Each message is its own position.
    async fn overflow(&mut self, connection: &mut Connection) -> io::Result<()> {
        let head = connection.send("HEAD", TRIMMED, &[], "").await?;
        let mut next = offset_of(&head);
        loop {
            let answer = connection.send("POST", TRIMMED, &[JSON], &format!("[{next},{}]", next + 1)).await?;
            assert_eq!(answer.status, 204, "{answer:?}");
            next += 2;
            assert_eq!(offset_of(&answer), next);
            self.told.trimmed_tail = next;
            self.note();
            let head = connection.send("HEAD", TRIMMED, &[], "").await?;
            if let Some(first) = head.header("stream-first-offset") {
                self.told.trimmed_to = first.parse().unwrap();
            }
        }
    }
}
