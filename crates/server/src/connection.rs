//! One connection: picks the HTTP version, bounds what it may cost, and lets it end in an orderly way.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::app::{App, until_draining};
use crate::gate::Gate;

/// A peer that takes nothing for this long is gone or hostile; its connection is dropped.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// How many header fields a request may have.
const HEADERS_MAX: usize = 100;

/// Serves a connection until it ends, or is told to (`kill`).
pub(crate) async fn serve(app: Arc<App>, gate: Gate, stream: TcpStream, mut kill: watch::Receiver<bool>) {
    let served = async {
        // A frame is one write; waiting to fill a segment would only delay it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let first = tokio::time::timeout(app.config.limits.header_read_timeout, speaks_http2(&stream));
        match first.await {
            Ok(Ok(false)) => http1(&app, gate, stream).await,
            // HTTP/2 carries far more state; only connections that use it pay for it.
            Ok(Ok(true)) => Box::pin(http2(&app, gate, stream)).await,
            Ok(Err(_)) | Err(_) => {}
        }
    };
    tokio::select! {
        biased;
        () = until_draining(&mut kill) => {}
        () = served => {}
    }
}

/// Whether the client begins with the HTTP/2 preface. Looks only; nothing is taken from the socket.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0";
    let mut head = [0u8; PREFACE.len()];
    let length = stream.peek(&mut head).await?;
    // "P" alone may become POST as well; the automatic builder can tell later, so it gets every short start.
    Ok(length > 0 && PREFACE.starts_with(&head[..length]))
}

async fn http1(app: &App, gate: Gate, stream: TcpStream) {
    let limits = &app.config.limits;
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_buf_size(limits.head_bytes_max)
        .max_headers(HEADERS_MAX)
        .half_close(false)
        .pipeline_flush(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Socket::new(stream)), gate));
    let mut draining = app.draining.clone();
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = until_draining(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn http2(app: &App, gate: Gate, stream: TcpStream) {
    let limits = &app.config.limits;
    let head_bytes_max = u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX);
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_buf_size(limits.head_bytes_max)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(head_bytes_max)
        .max_concurrent_streams(256)
        .max_send_buf_size(64 << 10)
        .keep_alive_interval(Duration::from_secs(30));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Socket::new(stream)), gate));
    let mut draining = app.draining.clone();
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = until_draining(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// A socket whose writes may not stall for ever. The timer exists only while one does.
struct Socket {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_STALL_MAX)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
