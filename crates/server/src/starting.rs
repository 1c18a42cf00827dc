//! Answers while the store opens, which takes its time after a crash: the process lives, and is not ready yet. Must
//! not know the store.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header::CACHE_CONTROL;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Code;
use crate::answer::NO_STORE;
use crate::error::ApiError;

/// Connections answered at a time; more wait in the listen queue, and are served when the server is up.
const CONNECTIONS_MAX: usize = 64;
/// A client that sends no request for so long is let go.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Accepting pauses for so long after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Does `work`, and answers on the listening socket meanwhile. Answers that are under way are finished.
pub(crate) async fn answer_while<T>(listener: &TcpListener, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            done = work.as_mut() => {
                answering.detach_all();
                return done;
            }
            Some(_) = answering.join_next() => {}
            accepted = listener.accept(), if answering.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _peer)) => drop(answering.spawn(serve(stream))),
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted while starting");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// One request; the next one finds the server up, or comes again.
async fn serve(stream: TcpStream) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).keep_alive(false);
    let service = service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(answer(&request)));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended early");
    }
}

fn answer(request: &Request<Incoming>) -> Response {
    match request.uri().path() {
        "/healthz" => ([(CACHE_CONTROL, NO_STORE)], Json(json!({ "status": "ok" }))).into_response(),
        "/readyz" => {
            let body = json!({ "status": "starting", "appends": false, "reasons": ["store-opening"] });
            (StatusCode::SERVICE_UNAVAILABLE, [(CACHE_CONTROL, NO_STORE)], Json(body)).into_response()
        }
        _ => {
            let message = "the server is starting";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, message)
                .retry_after(1)
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_server_that_starts_says_so_and_lives() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (finish, finished) = oneshot::channel::<u32>();
        let starting = tokio::spawn(async move { answer_while(&listener, finished).await });
        // One that says nothing is in nobody's way.
        let silent = TcpStream::connect(address).await.unwrap();
        let ready = ask(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"status\":\"starting\""), "{ready}");
        assert!(ask(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
        let other = ask(address, "/v1/stream/a").await.to_ascii_lowercase();
        assert!(other.starts_with("http/1.1 503 ") && other.contains("retry-after: 1"), "{other}");
        finish.send(7).unwrap();
        assert_eq!(starting.await.unwrap(), Ok(7));
        drop(silent);
    }
}
