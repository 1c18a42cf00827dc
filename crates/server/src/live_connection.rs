//! A connection that from now on only carries one live answer.
//!
//! hyper keeps some 8 KB of buffers for each direction of a connection, and polls its whole state machine for every
//! chunk. A live answer needs neither: its head is written once, and what follows are chunks, each one gathered
//! write of slices that all subscribers share. So the socket is taken out of hyper once such an answer begins; when
//! it ends, the connection is closed (`Connection: close`), and nothing has to be handed back.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf as _, Bytes};
use http::{Request, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::sync::watch;

use crate::app::{App, until_draining};
use crate::byte_budget::Share;
use crate::fanout::Cut;
use crate::gate::Gate;
use crate::metrics::Eviction;
use crate::socket::{Socket, Stall};

/// Left on a response whose body goes on for long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live;

/// Bytes gathered for one chunk before it is written.
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Slices of one gathered write.
const SLICES_MAX: usize = 64;
/// What a client may send on such a connection, where nothing is expected from it any more.
const STRAY_BYTES_MAX: usize = 4096;

/// Where the service leaves a live answer for the task that owns the connection.
#[derive(Clone)]
pub(crate) struct Handover {
    answer: Arc<Mutex<Option<Response>>>,
    stall: Stall,
}

impl Handover {
    pub(crate) fn new(stall: Stall) -> Self {
        Self { answer: Arc::default(), stall }
    }

    pub(crate) fn take(&self) -> Option<Response> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn leave(&self, response: Response) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
    }
}

/// The gate as hyper's HTTP/1 connections call it.
pub(crate) struct Http1Service {
    pub(crate) gate: Gate,
    pub(crate) handover: Handover,
}

impl hyper::service::Service<Request<Incoming>> for Http1Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (gate, handover) = (self.gate.clone(), self.handover.clone());
        Box::pin(async move {
            // Chunks are of HTTP/1.1; what came before gets the answer from hyper, ended by the connection.
            let chunked = request.version() == Version::HTTP_11;
            let mut response = gate.handle(request).await;
            let live = response.extensions_mut().remove::<Live>().is_some();
            // An earlier answer to a client that pipelines is still in hyper's buffer while a write stalls.
            if !live || !chunked || handover.stall.is_stalled() {
                return Ok(response);
            }
            handover.leave(response);
            // The connection is taken apart now, and this future with it.
            std::future::pending().await
        })
    }
}

/// The rest of a connection: a socket, and the body of the answer that is sent on it.
pub(crate) struct LiveConnection {
    socket: Socket,
    body: Body,
    /// Not yet written.
    out: VecDeque<Bytes>,
    /// More than the head is to be written, or was.
    begun: bool,
    /// The last chunk is among what is to be written.
    ended: bool,
    stray_bytes: usize,
    app: Arc<App>,
    backlog: Share,
    /// Ends the body when the reader takes nothing. `None` for a body that has no such end, and once it was used.
    cut: Option<Cut>,
}

impl LiveConnection {
    pub(crate) fn new(app: &Arc<App>, socket: Socket, response: Response) -> Self {
        let (mut parts, body) = response.into_parts();
        let cut = parts.extensions.remove::<Cut>();
        let out = VecDeque::from([Bytes::from(encode_head(&parts))]);
        let backlog = app.unsent.share();
        Self { socket, body, out, begun: false, ended: false, stray_bytes: 0, app: app.clone(), backlog, cut }
    }

    /// Sends until the body or the client is at its end, or `kill`.
    pub(crate) async fn run(mut self, mut kill: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = until_draining(&mut kill) => {}
            ended = std::future::poll_fn(|cx| self.poll(cx)) => if let Err(error) = ended {
                tracing::debug!(%error, "live connection ended early");
            },
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // A slow socket takes nothing more from the body. Only the head waits, to go out with the first chunk.
            let gathers = self.out.is_empty() || !std::mem::replace(&mut self.begun, true);
            let idle = gathers && !self.ended && self.gather(cx);
            while !self.out.is_empty() {
                match self.poll_write(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                        self.cut_off(cx, error)?;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return self.hold_back(),
                }
            }
            self.backlog.set(0);
            if self.ended {
                return Pin::new(&mut self.socket).poll_shutdown(cx);
            }
            if idle {
                // Nothing of a burst is kept by a subscriber that waits.
                self.out = VecDeque::new();
                return self.poll_client(cx);
            }
        }
    }

    /// The reader does not take what is ready. Everything of that is counted; who needs more than there is for all has
    /// to go, at once: it would have to read before it could be told anything.
    fn hold_back(&mut self) -> Poll<io::Result<()>> {
        if self.backlog.set(self.out.iter().map(Bytes::len).sum()) {
            return Poll::Pending;
        }
        self.app.metrics.evicted(Eviction::Memory);
        tracing::warn!(error_id = "subscriber-cut", reason = "memory", "a slow subscriber is cut");
        Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()))
    }

    /// The reader has taken nothing for too long. What was begun is still written, then where it was, then the end;
    /// if it does not take that either, the connection is dropped. Either way it gives up its place at the stream.
    fn cut_off(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Result<()> {
        let Some(cut) = self.cut.take() else { return Err(error) };
        self.app.metrics.evicted(Eviction::Stalled);
        tracing::info!(
            error_id = "subscriber-cut",
            reason = "stalled",
            "a subscriber that does not read is cut"
        );
        cut.request();
        while !self.ended {
            // A body that was told to end has nothing to wait for.
            if self.gather_up_to(cx, usize::MAX) && !self.ended {
                return Err(error);
            }
        }
        self.body = Body::empty();
        self.socket.forgive();
        Ok(())
    }

    /// Takes what the body has ready as one chunk. `true` when the body waits for more.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        self.gather_up_to(cx, SLICES_MAX - 2)
    }

    fn gather_up_to(&mut self, cx: &mut Context<'_>, slices_max: usize) -> bool {
        let (first, mut length, mut idle) = (self.out.len(), 0, false);
        while length < CHUNK_BYTES_MAX && self.out.len() < slices_max {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    idle = true;
                    break;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data()
                        && !piece.is_empty()
                    {
                        length += piece.len();
                        self.out.push_back(piece);
                    }
                }
                // The body of a subscriber has no errors; if one had, ending early would say so.
                Poll::Ready(Some(Err(_)) | None) => {
                    self.ended = true;
                    break;
                }
            }
        }
        if length > 0 {
            self.out.insert(first, Bytes::from(format!("{length:x}\r\n")));
        }
        match (length > 0, self.ended) {
            (true, true) => self.out.push_back(Bytes::from_static(b"\r\n0\r\n\r\n")),
            (true, false) => self.out.push_back(Bytes::from_static(b"\r\n")),
            (false, true) => self.out.push_back(Bytes::from_static(b"0\r\n\r\n")),
            (false, false) => {}
        }
        idle
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(&self.out) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        let mut written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        while let Some(front) = self.out.front_mut() {
            if written < front.len() {
                front.advance(written);
                break;
            }
            written -= front.len();
            self.out.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the client to leave; it has nothing more to say.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut stray = [0u8; 256];
            let mut buf = ReadBuf::new(&mut stray);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            self.stray_bytes += buf.filled().len();
            if buf.filled().is_empty() || self.stray_bytes > STRAY_BYTES_MAX {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn encode_head(parts: &http::response::Parts) -> Vec<u8> {
    let mut head = Vec::with_capacity(768);
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(parts.status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(parts.status.canonical_reason().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
    for (name, value) in &parts.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"date: ");
    head.extend_from_slice(httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    head.extend_from_slice(b"\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    head
}
