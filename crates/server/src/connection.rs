//! One connection: picks the HTTP version, bounds what it may cost, and lets it end in an orderly way.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::app::{App, until_draining};
use crate::gate::Gate;
use crate::live_connection::{Handover, Http1Service, LiveConnection};
use crate::quota::Limit;
use crate::socket::Socket;
use crate::tls::H2;

/// How many header fields a request may have.
const HEADERS_MAX: usize = 100;

/// Serves a connection until it ends, is told to (`kill`), or goes on as the live answer that is returned.
pub(crate) async fn serve(
    app: Arc<App>,
    gate: Gate,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    mut kill: watch::Receiver<bool>,
) -> Option<LiveConnection> {
    let served = async {
        // A frame is one write; waiting to fill a segment would only delay it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        if let Some(tls) = tls {
            Box::pin(https(&app, gate, stream, &tls)).await;
            return None;
        }
        let first = tokio::time::timeout(app.config.limits.header_read_timeout, speaks_http2(&stream));
        match first.await {
            Ok(Ok(false)) => http1(&app, gate, stream).await,
            // HTTP/2 carries far more state; only connections that use it pay for it.
            Ok(Ok(true)) => {
                Box::pin(through_hyper(
                    &app,
                    gate,
                    Socket::new(stream, app.config.subscriber_stall_max),
                    Version::Either,
                ))
                .await;
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    };
    tokio::select! {
        biased;
        () = until_draining(&mut kill) => None,
        live = served => live,
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

async fn http1(app: &Arc<App>, gate: Gate, stream: TcpStream) -> Option<LiveConnection> {
    let limits = &app.config.limits;
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_buf_size(limits.head_bytes_max)
        .max_headers(HEADERS_MAX)
        .half_close(false);
    let socket = Socket::new(stream, app.config.subscriber_stall_max);
    let handover = Handover::new(socket.stall());
    let service = Http1Service { gate, handover: handover.clone() };
    let mut connection = builder.serve_connection(TokioIo::new(socket), service);
    let mut draining = app.draining.clone();
    let end = tokio::select! {
        biased;
        end = until_end(&mut connection, &handover) => Some(end),
        () = until_draining(&mut draining) => None,
    };
    if let Some(end) = end {
        return finish(app, connection, end);
    }
    Pin::new(&mut connection).graceful_shutdown();
    let end = until_end(&mut connection, &handover).await;
    finish(app, connection, end)
}

type Http1Connection = hyper::server::conn::http1::Connection<TokioIo<Socket>, Http1Service>;

/// How the part of a connection that hyper drives is over.
enum End {
    Closed(hyper::Result<()>),
    /// A live answer goes on without hyper.
    HandedOver(Response),
}

async fn until_end(connection: &mut Http1Connection, handover: &Handover) -> End {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(End::Closed(ended));
        }
        // Answers are made while the connection is polled, so this is where one may have been left.
        handover.take().map_or(Poll::Pending, |response| Poll::Ready(End::HandedOver(response)))
    })
    .await
}

fn finish(app: &Arc<App>, connection: Http1Connection, end: End) -> Option<LiveConnection> {
    match end {
        End::Closed(Ok(())) => None,
        End::Closed(Err(error)) => {
            ended_early(app, &error);
            None
        }
        End::HandedOver(response) => {
            Some(LiveConnection::new(app, connection.into_parts().io.into_inner(), response))
        }
    }
}

/// A handshake, and what the client chose in it. Live answers stay with hyper: their bytes go through TLS anyway.
async fn https(app: &App, gate: Gate, stream: TcpStream, tls: &TlsAcceptor) {
    let handshake = tls.accept(Socket::new(stream, app.config.subscriber_stall_max));
    let stream = match tokio::time::timeout(app.config.limits.header_read_timeout, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS");
            return;
        }
        Err(_) => return,
    };
    let version = match stream.get_ref().1.alpn_protocol() {
        Some(H2) => Version::Http2,
        _ => Version::Http1,
    };
    through_hyper(app, gate, stream, version).await;
}

/// Which versions of HTTP a connection may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
    Either,
}

async fn through_hyper<S>(app: &App, gate: Gate, stream: S, version: Version)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
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
    let builder = match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
        Version::Either => builder,
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), gate));
    let mut draining = app.draining.clone();
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = until_draining(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match ended.as_ref().map_err(|error| error.downcast_ref::<hyper::Error>()) {
        Ok(()) => {}
        Err(Some(error)) => ended_early(app, error),
        Err(None) => tracing::debug!("connection ended early"),
    }
}

/// What the HTTP machinery answers by itself, if at all, is counted here.
fn ended_early(app: &App, error: &hyper::Error) {
    if error.is_parse_too_large() {
        app.metrics.limited(Limit::HeadBytes);
    } else if error.is_timeout() {
        app.metrics.limited(Limit::HeaderReadTimeout);
    }
    tracing::debug!(%error, "connection ended early");
}
