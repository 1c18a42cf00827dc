//! What stands between clients and the server, and breaks: cuts, delays, connections that say nothing any more, and
//! answers of which a part arrives. Must not know HTTP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::random::Random;

/// A proxy at work until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// `None` while there is no server.
    server: Mutex<Option<SocketAddr>>,
    is_calm: AtomicBool,
    broken: AtomicU64,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Fine,
    /// Both ways end after so many bytes of an answer, which cuts frames anywhere.
    CutAnswer(u64),
    /// Both ways end after so many bytes of requests.
    CutRequest(u64),
    /// Nothing of answers arrives any more after so many bytes, and nobody is told, for a while.
    Mute(u64),
    /// Every piece is late.
    Slow(Duration),
}

/// How long a mute connection stays open; longer than clients wait.
const MUTE: Duration = Duration::from_secs(4);

impl Proxy {
    pub(crate) async fn start(mut random: Random) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: Mutex::new(None),
            is_calm: AtomicBool::new(false),
            broken: AtomicU64::new(0),
        });
        let theirs = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fate = if theirs.is_calm.load(Ordering::SeqCst) { Fate::Fine } else { fate(&mut random) };
                tokio::spawn(carry(client, fate, Arc::clone(&theirs)));
            }
        });
        Self { address, shared, accepting }
    }

    /// Where connections go from now on.
    pub(crate) fn lead_to(&self, server: Option<SocketAddr>) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// From now on nothing new breaks.
    pub(crate) fn calm(&self) {
        self.shared.is_calm.store(true, Ordering::SeqCst);
    }

    /// Connections that were broken so far.
    pub(crate) fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn fate(random: &mut Random) -> Fate {
    match random.below(10) {
        0..=2 => Fate::CutAnswer(random.below(20_000)),
        3 | 4 => Fate::CutRequest(random.below(20_000)),
        5 => Fate::Mute(random.below(10_000)),
        6 | 7 => Fate::Slow(Duration::from_millis(1 + random.below(30))),
        _ => Fate::Fine,
    }
}

async fn carry(client: TcpStream, fate: Fate, shared: Arc<Shared>) {
    let server = *shared.server.lock().unwrap();
    let Some(server) = server else { return };
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let unlimited = Way { bytes: u64::MAX, pause: Duration::ZERO };
    let (up, down) = match fate {
        Fate::Fine => (unlimited, unlimited),
        Fate::CutAnswer(bytes) => (unlimited, Way { bytes, ..unlimited }),
        Fate::CutRequest(bytes) => (Way { bytes, ..unlimited }, unlimited),
        Fate::Mute(bytes) => (unlimited, Way { bytes, ..unlimited }),
        Fate::Slow(pause) => (Way { pause, ..unlimited }, Way { pause, ..unlimited }),
    };
    let is_mute = matches!(fate, Fate::Mute(_));
    // Whichever way ends first ends both, by dropping them; a mute one stays open while it says nothing.
    let was_cut = tokio::select! {
        cut = pass(client_in, server_out, up, false) => cut,
        cut = pass(server_in, client_out, down, is_mute) => cut,
    };
    if was_cut {
        shared.broken.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy)]
struct Way {
    bytes: u64,
    pause: Duration,
}

/// Passes bytes on until one side ends, or the way does; whether it was the way.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, is_mute: bool) -> bool {
    let mut left = way.bytes;
    let mut piece = vec![0; 16 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut piece).await else { return false };
        if !way.pause.is_zero() {
            tokio::time::sleep(way.pause).await;
        }
        let passed = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        if to.write_all(&piece[..passed]).await.is_err() {
            return false;
        }
        left -= passed as u64;
        if passed < read {
            if is_mute {
                tokio::time::sleep(MUTE).await;
            }
            return true;
        }
    }
}
